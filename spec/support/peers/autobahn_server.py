"""Echo server on Autobahn (asyncio); see README.md for what it understands."""

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

from autobahn.asyncio.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept

SIZE_MAX = 64 * 1024 * 1024
CLOSE_GOING_AWAY = 1001

connections = set()


def say(*words):
    print(*words, flush=True)


def query_of(path):
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query, True).items()}


def number(query, name):
    return int(query[name]) if name in query else 0


def acceptor(query):
    """What the server asks for on its own account, where the client's offer allows it."""

    def accept(offers):
        for offer in offers:
            if isinstance(offer, PerMessageDeflateOffer):
                return PerMessageDeflateOfferAccept(
                    offer,
                    request_no_context_takeover="client_no_context_takeover" in query,
                    request_max_window_bits=number(query, "client_max_window_bits"),
                    no_context_takeover="server_no_context_takeover" in query or None,
                    window_bits=number(query, "server_max_window_bits") or None,
                )
        return None

    return accept


class Protocol(WebSocketServerProtocol):
    def onConnect(self, request):
        self.query = query_of(self.http_request_uri)
        self.id_told = self.query.get("id", "-")
        self.ended = asyncio.get_running_loop().create_future()
        if "deflate" in self.query:
            self.perMessageCompressionAccept = acceptor(self.query)
        say(self.id_told, "OPEN", self.http_request_uri)

    def onOpen(self):
        connections.add(self)

    def onMessage(self, payload, isBinary):
        if "fragment" not in self.query:
            self.sendMessage(payload, isBinary)
            return
        size = number(self.query, "fragment")
        self.beginMessage(isBinary)
        for start in range(0, max(len(payload), 1), size):
            self.sendMessageFrame(payload[start : start + size])
            if start == 0 and "ping" in self.query:
                self.sendPing(b"between")
        self.endMessage()

    def onPong(self, payload):
        say(self.id_told, "PONG", payload.decode("utf-8", "replace"))

    def onClose(self, wasClean, code, reason):
        if self not in connections:
            return  # the handshake failed
        connections.remove(self)
        code = self.remoteCloseCode or (1005 if wasClean else 1006)
        say(self.id_told, "CLOSED", code, self.remoteCloseReason or "")
        self.ended.set_result(None)


async def close_all(code, reason):
    closing = list(connections)
    for each in closing:
        each.sendCloseFrame(code, reason.encode())  # sendClose refuses 1001
    await asyncio.gather(*(each.ended for each in closing))


async def listen(port):
    factory = WebSocketServerFactory()
    factory.protocol = Protocol
    factory.setProtocolOptions(maxMessagePayloadSize=SIZE_MAX, utf8validateIncoming=True)
    listener = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", port)
    return listener, listener.sockets[0].getsockname()[1]


async def restart(listener, port, reason):
    await close_all(CLOSE_GOING_AWAY, reason)
    listener.close()
    await listener.wait_closed()
    listener, _ = await listen(port)
    say("RESTARTED")
    return listener


async def main():
    listener, port = await listen(0)
    say("PORT", port)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        verb, _, rest = line.decode().rstrip("\n").partition(" ")
        if verb == "close":
            code, _, reason = rest.partition(" ")
            await close_all(int(code), reason)
        elif verb == "restart":
            listener = await restart(listener, port, rest)


asyncio.run(main())
