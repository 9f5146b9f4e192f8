"""One port that is every server and proxy which the lives of faults.lua lead through.

    everything.py CERTIFICATE KEY [AUTHORITY]

What a connection is follows from its first bytes: TLS, then SOCKS5, CONNECT or a handshake, which
is answered as the path says.  With an authority clients may show a certificate of its own.  A tunnel leads nowhere: whoever opened it goes on as the server.
A line "CUT count how" on standard input ends the connection over which byte `count` of all that is
sent from then on would go, by "stall", "reset" or "half"; "CUT -1 -" ends none.  It is answered with
"READY bytes", so many were sent since the last, once all connections that there were have ended.
"CUTS" is answered with "CUTS count": so many connections were ended since.
"""

import base64
import hashlib
import os
import select
import socket
import ssl
import struct
import sys
import threading
import zlib

PATIENCE = 5  # seconds, for a client that forgot to close
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Over(Exception):
    """This connection needs no more words."""


class Orders:
    changed = threading.Condition()
    left = -1
    how = "-"
    sent = 0
    cuts = 0
    connections = 0


class Wire:
    """The socket, cut where the orders say."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, data):
        with Orders.changed:
            cut = 0 <= Orders.left < len(data)
            part = data[: Orders.left] if cut else data
            Orders.left -= len(part) if Orders.left >= 0 else 0
            Orders.sent += len(part)
            how = Orders.how
            if cut:
                Orders.left = -1
        self.sock.sendall(part)
        if cut:
            self.end(how)

    def end(self, how):
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()
        elif how == "half":
            self.sock.shutdown(socket.SHUT_WR)
        with Orders.changed:
            Orders.cuts += 1
        while how != "reset" and self.sock.recv(65536):
            pass
        raise Over

    def read(self):
        data = self.sock.recv(65536)
        if not data:
            raise Over
        return data

    def finish(self):
        self.sock.shutdown(socket.SHUT_WR)


class Tls:
    """TLS over any of these."""

    def __init__(self, context, lower, first):
        self.lower = lower
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.incoming.write(first)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.work(self.tls.do_handshake)

    def work(self, function, *values):
        while True:
            try:
                result = function(*values)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.lower.read())

    def flush(self):
        if self.outgoing.pending:
            self.lower.send(self.outgoing.read())

    def send(self, data):
        self.work(self.tls.write, data)

    def read(self):
        data = self.work(self.tls.read, 65536)
        if not data:
            raise Over
        return data

    def finish(self):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self.flush()
        self.lower.finish()


class Connection:
    def __init__(self, context, sock):
        self.context, self.stream, self.data = context, Wire(sock), b""

    def take(self, count):
        while len(self.data) < count:
            self.data += self.stream.read()
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def head(self):
        while b"\r\n\r\n" not in self.data:
            self.data += self.stream.read()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        return head.decode("latin-1")

    def serve(self):
        while True:
            first = self.take(1)
            if first == b"\x16":
                self.stream, self.data = Tls(self.context, self.stream, first + self.data), b""
            elif first == b"\x05":
                self.socks()
            else:
                self.data = first + self.data
                head = self.head()
                if not head.startswith("CONNECT "):
                    return self.websocket(head)
                self.stream.send(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")

    def socks(self):
        self.take(self.take(1)[0])
        self.stream.send(b"\x05\x00")
        kind = self.take(4)[3]
        self.take({1: 4, 4: 16}.get(kind) or self.take(1)[0])
        self.take(2)
        self.stream.send(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")

    def websocket(self, head):
        lines = head.split("\r\n")
        path = lines[0].split(" ")[1]
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        if path == "/redirect":
            answer = "HTTP/1.1 302 Found\r\nLocation: /away\r\nContent-Length: 0\r\n\r\n"
            self.stream.send(answer.encode())
            return
        key = [line.split(": ")[1] for line in lines if line.lower().startswith("sec-websocket-key")][0]
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        deflate = path != "/bare" and "permessage-deflate" in fields.get("sec-websocket-extensions", "")
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n"
        )
        if deflate:
            answer += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        self.stream.send(answer.encode() + b"\r\n")
        if path == "/away":
            self.frame(0x88, struct.pack("!H", 1001) + b"restart")
        self.talk()

    def frame(self, first, payload):
        size = len(payload)
        head = bytes([first, size]) if size < 126 else struct.pack("!BBH", first, 126, size)
        self.stream.send(head + payload)

    def talk(self):
        inflate, deflate = zlib.decompressobj(-15), zlib.compressobj(wbits=-15)
        while True:
            first, size = self.take(2)
            size &= 127
            if size == 126:
                size = struct.unpack("!H", self.take(2))[0]
            mask = self.take(4)
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(self.take(size)))
            if first & 15 == 8:
                if not self.away_said(payload):
                    self.frame(0x88, payload)
                self.stream.finish()
                return
            if first & 15 == 9:
                self.frame(0x8A, payload)
            elif first & 0x40:
                text = inflate.decompress(payload + b"\0\0\xff\xff")
                self.frame(0x89, b"p")
                self.frame(0xC1, (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4])
            elif first & 15 in (1, 2):
                self.frame(first, payload)

    @staticmethod
    def away_said(payload):
        return payload[:2] == struct.pack("!H", 1001) and payload[2:] == b"restart"


def run(context, sock):
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Connection(context, sock).serve()
        while sock.recv(65536):  # the client closes last, and gets no reset
            pass
    except (Over, OSError, ssl.SSLError, IndexError, zlib.error):
        pass
    sock.close()
    with Orders.changed:
        Orders.connections -= 1
        Orders.changed.notify()


def accept_all(context, listener):
    while True:
        try:
            sock = listener.accept()[0]
        except BlockingIOError:
            return
        sock.setblocking(True)
        with Orders.changed:
            Orders.connections += 1
        threading.Thread(target=run, args=(context, sock), daemon=True).start()


def take_order(words):
    with Orders.changed:
        if words == ["CUTS"]:
            return f"CUTS {Orders.cuts}"
        Orders.changed.wait_for(lambda: Orders.connections == 0, PATIENCE)
        Orders.left, Orders.how, Orders.cuts = int(words[1]), words[2], 0
        sent, Orders.sent = Orders.sent, 0
        return f"READY {sent}"


def main(certificate, key, authority=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if authority:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.setblocking(False)
    print("PORT", listener.getsockname()[1], flush=True)
    while True:
        ready = select.select([listener, sys.stdin], [], [])[0]
        accept_all(context, listener)
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            print(take_order(line.split()), flush=True)


main(*sys.argv[1:])
