"""python3-websockets under asyncio."""

import asyncio
import gc
import resource
import signal
import ssl
import sys
import time

import websockets.exceptions

IN_FLIGHT, IDLE_S, GIVE_UP_S = 64, 2.5, 300
PATHS = {"receive": "flood", "inflate": "json", "send": "sink"}

if len(sys.argv) != 5:
    sys.exit("usage: python_websockets.py URL WORKLOAD SIZE COUNT")
URL, WORKLOAD = sys.argv[1:3]
SIZE, COUNT = int(sys.argv[3]), int(sys.argv[4])
WARM = max(1, COUNT // 10)
MESSAGE = "".join(chr(97 + i % 26) for i in range(SIZE))
COMPRESSED = WORKLOAD == "inflate" or (WORKLOAD == "idle" and SIZE == 1)


def check(good, why):
    if not good:
        sys.exit(why)


def path():
    if WORKLOAD not in PATHS:
        return "/echo"
    return f"/{PATHS[WORKLOAD]}?size={SIZE}&count={COUNT}&warm={WARM}"


def tls():
    if not URL.startswith("wss:"):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


TLS = tls()


async def open_connection():
    ws = await websockets.connect(
        URL + path(),
        ssl=TLS,
        compression="deflate" if COMPRESSED else None,
        max_size=None,
        ping_interval=None,
    )
    check(bool(ws.extensions) == COMPRESSED, "permessage-deflate was not agreed")
    return ws


def check_last(data):
    if WORKLOAD == "inflate":
        check(data.startswith('{"seq":') and data.endswith("]}"), "the last message is no JSON")
    else:
        check(data == MESSAGE, "the last message is not what it should be")


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


# ---------------------------------------------------------------- workloads


async def echo(ws, total, in_flight):
    unsent = total
    while unsent > max(0, total - in_flight):
        await ws.send(MESSAGE)
        unsent -= 1
    for _ in range(total):
        data = await ws.recv()
        check(len(data) == SIZE, f"a message of {len(data)} bytes")
        if unsent > 0:
            await ws.send(MESSAGE)
            unsent -= 1
    check_last(data)


async def pingpong(ws, total):
    await echo(ws, total, 1)


async def pipeline(ws, total):
    await echo(ws, total, IN_FLIGHT)


async def receive(ws, total):
    await ws.send("go")
    for _ in range(total):
        data = await ws.recv()
        check(len(data) == SIZE, f"a message of {len(data)} bytes")
    check_last(data)


async def send(ws, total):
    for _ in range(total):
        await ws.send(MESSAGE)
    check(await ws.recv() == "done", 'the server did not say "done"')


async def close(ws):
    await ws.close()
    check(ws.close_code == 1000 and not ws.messages, f"closed with {ws.close_code}")


async def exchange(work):
    ws = await open_connection()
    await work(ws, WARM)
    start = time.process_time_ns()
    await work(ws, COUNT)
    took = time.process_time_ns() - start
    await close(ws)
    return took


async def cycles(total):
    for _ in range(total):
        await close(await open_connection())


async def connect():
    await cycles(WARM)
    start = time.process_time_ns()
    await cycles(COUNT)
    return time.process_time_ns() - start


async def idle():
    await cycles(1)
    gc.collect()
    before = resident()
    clients = [await open_connection() for _ in range(COUNT)]
    await asyncio.sleep(IDLE_S)
    check(all(ws.open for ws in clients), "a connection did not idle")
    return resident() - before


WORKLOADS = {
    "pingpong": pingpong,
    "pipeline": pipeline,
    "receive": receive,
    "inflate": receive,
    "send": send,
}


def run():
    if WORKLOAD in ("connect", "idle"):
        return asyncio.run({"connect": connect, "idle": idle}[WORKLOAD]())
    check(WORKLOAD in WORKLOADS, f"no workload {WORKLOAD}")
    return asyncio.run(exchange(WORKLOADS[WORKLOAD]))


signal.signal(signal.SIGALRM, lambda *_: sys.exit("gave up waiting"))
signal.alarm(GIVE_UP_S)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
try:
    figure = run()
except (OSError, websockets.exceptions.WebSocketException) as error:
    sys.exit(str(error))
print("RESULT", COUNT, figure)
