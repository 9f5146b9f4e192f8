"""A server on python-websockets that is killed and started again; see README.md.

The process that reads the lines below only forks: each server is a process of its own, so that
SIGKILL ends a real one, and the next is there within milliseconds.
"""

import asyncio
import os
import signal
import socket
import sys

import websockets

RECEIVE_BUFFER = 65536  # small: what is sent waits at the client
SIZE_MAX = 64 * 1024 * 1024


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Protocol(websockets.WebSocketServerProtocol):
    """Says what it has read before it reads on: an answered ping comes behind what is said."""

    async def read_message(self):
        message = await super().read_message()
        if message is not None:
            say("GOT", message[:6].decode() if isinstance(message, bytes) else message[:6])
        return message


async def take(connection):
    say("OPEN")
    async for _ in connection:
        pass


async def serve(listener):
    ends = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ends.set)
    options = {"create_protocol": Protocol, "max_size": SIZE_MAX, "ping_interval": None}
    async with websockets.serve(take, sock=listener, **options):
        say("UP")
        await ends.wait()


def listen(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    listener.bind(("127.0.0.1", port))
    return listener


def start(port):
    child = os.fork()
    if child == 0:
        os.close(0)
        asyncio.run(serve(listen(port)))
        os._exit(0)
    return child


def main():
    with listen(0) as first:
        port = first.getsockname()[1]
    say("PORT", port)
    child = start(port)
    for count, line in enumerate(sys.stdin, 1):
        os.kill(child, int(line))
        os.waitpid(child, 0)
        say("DOWN", count)
        child = start(port)
    os.kill(child, signal.SIGKILL)


main()
