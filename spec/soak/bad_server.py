"""A server that misbehaves at random, and keeps a ledger of what it has read.

    bad_server.py SEED CERTIFICATE KEY

It says "PORT <ws> <wss>" and echoes each message, "client:number".  A connection meets with a
misfortune after a few messages.  A line "CALM" ends all that; "LEDGER" has it print what it read:
"GOT client first-last first-last …" for each client, then "END duplicates connections".
"""

import asyncio
import base64
import hashlib
import random
import socket
import ssl
import struct
import sys

chance = random.Random(int(sys.argv[1]))
calm = False
got = {}
duplicates = connections = 0


def frame(opcode, payload=b"", fin=0x80):
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", fin | opcode, size)
    else:
        head = struct.pack("!BBH", fin | opcode, 126, size)
    return head + payload


async def read_frame(reader):
    first, second = await reader.readexactly(2)
    size = second & 127
    if size == 126:
        size = struct.unpack("!H", await reader.readexactly(2))[0]
    elif size == 127:
        size = struct.unpack("!Q", await reader.readexactly(8))[0]
    key = await reader.readexactly(4)
    payload = await reader.readexactly(size)
    return first & 15, bytes(b ^ key[i % 4] for i, b in enumerate(payload[:64])), size


def note(payload):
    global duplicates
    client, number = payload.decode().split(":")[:2]
    seen = got.setdefault(client, set())
    duplicates += int(number) in seen
    seen.add(int(number))


def reset(writer):
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def stall():
    """Longer than a client waits, not for good: thousands that stall leave no time for others."""
    for _ in range(40):
        if not calm:
            await asyncio.sleep(0.25)


async def misfortune(writer):
    """True: the connection is over."""
    kind = chance.randrange(9)
    if kind == 0:
        writer.write(frame(8, struct.pack("!H", 1001) + b"restarting"))
        return False
    if kind == 1:
        reset(writer)
    elif kind == 2:
        writer.write(frame(8, struct.pack("!H", 1001)))
        await asyncio.sleep(0.01)
        reset(writer)
    elif kind == 3:
        await stall()
    elif kind == 4:
        if writer.can_write_eof():
            writer.write_eof()
        await stall()
    elif kind == 5:
        for byte in frame(1, b"late:0"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.005)
        return False
    elif kind == 6:
        writer.write(frame(1, b"x" * 100)[:50])
    elif kind == 7:
        writer.write(bytes(chance.randrange(256) for _ in range(40)))
        await asyncio.sleep(0.05)
    else:
        await asyncio.sleep(0.3)
        return False
    return True


async def handshake(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    if not calm and chance.random() < 0.1:
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        return False
    if not calm and chance.random() < 0.05:
        await stall()
        return False
    key = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(accept) + b"\r\n\r\n"
    )
    return True


async def talk(reader, writer):
    left = chance.randrange(1, 60)
    while True:
        opcode, payload, size = await read_frame(reader)
        if opcode == 8:
            writer.write(frame(8, payload))
            await writer.drain()
            return
        if opcode == 9:
            writer.write(frame(10, payload))
        if opcode in (1, 2):
            note(payload)
            writer.write(frame(opcode, payload))
            left -= 1
        await writer.drain()
        if left <= 0 and not calm:
            left = chance.randrange(1, 60)
            if await misfortune(writer):
                return


async def serve(reader, writer):
    global connections
    connections += 1
    try:
        if await handshake(reader, writer):
            await talk(reader, writer)
    except (OSError, EOFError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


def ranges(numbers):
    first = last = None
    for number in sorted(numbers):
        if last is not None and number == last + 1:
            last = number
            continue
        if last is not None:
            yield "%d-%d" % (first, last)
        first = last = number
    if last is not None:
        yield "%d-%d" % (first, last)


def answer():
    global calm
    line = sys.stdin.readline().strip()
    if line == "CALM":
        calm = True
    elif line == "LEDGER":
        for client, numbers in got.items():
            print("GOT", client, *ranges(numbers))
        print("END", duplicates, connections, flush=True)
    else:
        asyncio.get_running_loop().stop()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    plain = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    secure = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=1024)
    ports = [server.sockets[0].getsockname()[1] for server in (plain, secure)]
    print("PORT", *ports, flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin, answer)


loop = asyncio.new_event_loop()
loop.set_exception_handler(lambda *_: None)
loop.run_until_complete(main())
loop.run_forever()
