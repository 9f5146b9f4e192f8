"""Echo server on python-websockets; see README.md for what it understands.

    websockets_server.py [--tls CERT KEY]
"""

import asyncio
import ssl
import sys
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import websockets
from websockets.extensions.permessage_deflate import (
    ServerPerMessageDeflateFactory,
    enable_server_permessage_deflate,
)

PONG = 10
SIZE_MAX = 64 * 1024 * 1024
PARAMETERS = (
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
)


def say(*words):
    print(*words, flush=True)


def query_of(path):
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query, True).items()}


def extensions_for(query):
    if "defaults" in query:
        return enable_server_permessage_deflate(None)
    wanted = {name: int(query[name]) if query[name] else True for name in PARAMETERS if name in query}
    if "deflate" in query or wanted:
        return [ServerPerMessageDeflateFactory(**wanted)]
    return []


class Protocol(websockets.WebSocketServerProtocol):
    """Takes its extensions from the query: the library reads the list after process_request."""

    def __init__(self, *args, **options):
        self.chosen_extensions = []
        options["extensions"] = self.chosen_extensions
        super().__init__(*args, **options)

    async def process_request(self, path, request_headers):
        self.id_told = query_of(path).get("id", "-")
        self.chosen_extensions[:] = extensions_for(query_of(path))
        location = query_of(path).get("redirect")
        return (HTTPStatus.FOUND, [("Location", location)], b"") if location else None

    async def read_frame(self, max_size):
        frame = await super().read_frame(max_size)
        if frame.opcode == PONG:
            say(self.id_told, "PONG", frame.data.decode("utf-8", "replace"))
        return frame


async def pieces(connection, message, size, ping):
    for start in range(0, max(len(message), 1), size):
        yield message[start : start + size]
        if ping and start == 0:
            await connection.ping("between")


async def flood(connection, per_second):
    loop = asyncio.get_running_loop()
    sent, start = 0, loop.time()
    while True:
        while sent < (loop.time() - start) * per_second:
            sent += 1
            await connection.send(("message %d " % sent).ljust(100, "."))
        await asyncio.sleep(0.005)


async def echo(connection):
    query = query_of(connection.path)
    say(connection.id_told, "OPEN", connection.path)
    flooding = None
    if "flood" in query:
        flooding = asyncio.create_task(flood(connection, int(query["flood"])))
    try:
        async for message in connection:
            if "fragment" in query:
                size = int(query["fragment"])
                message = pieces(connection, message, size, "ping" in query)
            await connection.send(message)
    except websockets.ConnectionClosed:
        pass
    if flooding:
        flooding.cancel()
    came = connection.close_rcvd
    code, reason = (came.code, came.reason) if came else (1006, "")
    say(connection.id_told, "CLOSED", code, reason)


class Server:
    """Listens, closes all connections with one word, listens again on the same port."""

    def __init__(self, tls):
        self.port = 0
        self.listener = None
        self.tls = tls

    async def listen(self):
        self.listener = await websockets.serve(
            echo,
            "127.0.0.1",
            self.port,
            ssl=self.tls,
            create_protocol=Protocol,
            compression=None,
            max_size=SIZE_MAX,
            ping_interval=None,
        )
        self.port = self.listener.sockets[0].getsockname()[1]

    async def close_connections(self, code, reason):
        connections = list(self.listener.websockets)
        await asyncio.gather(*(each.close(code, reason) for each in connections))

    async def obey(self, line):
        verb, _, rest = line.rstrip("\n").partition(" ")
        if verb == "close":
            code, _, reason = rest.partition(" ")
            await self.close_connections(int(code), reason)
        elif verb == "restart":
            await self.close_connections(1001, rest)
            self.listener.close()
            await self.listener.wait_closed()
            await self.listen()
            say("RESTARTED")


def tls_of(arguments):
    if arguments[:1] != ["--tls"]:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments[1], arguments[2])
    return context


async def main():
    server = Server(tls_of(sys.argv[1:]))
    await server.listen()
    say("PORT", server.port)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        await server.obey(line.decode())


asyncio.run(main())
