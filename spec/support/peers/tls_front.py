"""TLS in front of a server without it, both ways at once and in lockstep with a spec.

    tls_front.py CERTIFICATE KEY

A line "BACKEND port" on standard input says where the connections that come next lead to.  The line
"SYNC" is answered with "SYNCED bytes" as soon as nothing can be moved any more: what the one side
wrote is then with the other's kernel, as far as that takes it.  `bytes` were moved since the last.
When the backend ends, the client is told so by a close_notify; after the line "END cut" it is told
nothing, after "END reset" TCP is reset, of the connections there are.
"""

import os
import select
import socket
import ssl
import struct
import sys

PIECE = 16384
BUFFER = 262144  # little enough that a client's queue fills when the backend does not read
WAITS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Side:
    """One end: what is to be written to it, and how far it has come."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = b""
        self.ended = False

    def read(self):
        try:
            data = self.sock.recv(PIECE)
        except WAITS:
            return None
        except (ConnectionError, ssl.SSLError):
            data = b""
        self.ended = not data
        self.acknowledge()
        return data

    def acknowledge(self):
        """At once, as scripted/connection.lua does, and for the same reason."""
        if hasattr(socket, "TCP_QUICKACK"):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def write(self):
        try:
            count = self.sock.send(self.pending) if self.pending else 0
        except WAITS:
            return 0
        except (ConnectionError, ssl.SSLError):
            count, self.ended = len(self.pending), True
        self.pending = self.pending[count:]
        return count


class Pair:
    """A client and its backend."""

    def __init__(self, context, client, port):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        options = {"server_side": True, "do_handshake_on_connect": False}
        self.client = Side(context.wrap_socket(client, **options))
        backend = socket.socket()
        backend.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        backend.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        backend.connect(("127.0.0.1", port))
        backend.setblocking(False)
        self.backend = Side(backend)
        self.shaken = False
        self.how = "notify"

    def move(self):
        """Moves what can be moved now; gives the bytes, or -1 once it is over."""
        if not self.shaken:
            try:
                self.client.sock.do_handshake()
                self.shaken = True
            except WAITS:
                return 0
            except (ConnectionError, ssl.SSLError):
                return self.end()
        moved = carry(self.client, self.backend) + carry(self.backend, self.client)
        if self.client.ended and not self.backend.pending:
            return self.end()
        if self.backend.ended and not self.client.pending:
            self.say_goodbye()
            return self.end()
        return moved

    def say_goodbye(self):
        if self.how == "reset":
            linger = struct.pack("ii", 1, 0)
            self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if self.how != "notify":
            return
        try:
            self.client.sock.unwrap()  # close_notify leaves before it waits for the client's
        except (OSError, ValueError):
            pass

    def end(self):
        self.client.sock.close()
        self.backend.sock.close()
        return -1


def carry(source, target):
    if not target.pending and not source.ended:
        target.pending = source.read() or b""
    return target.write()


class Loopback:
    """A datagram to oneself comes behind all that was sent over loopback before, as in
    support/loopback.lua."""

    def __init__(self):
        self.mail = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.mail.bind(("127.0.0.1", 0))

    def settle(self):
        for _ in range(2):
            self.mail.sendto(b"x", self.mail.getsockname())
            self.mail.recv(1)


def take_orders(state, pairs):
    data = os.read(0, 4096)
    if not data:
        sys.exit(0)
    for line in data.decode().split("\n"):
        if line.startswith("BACKEND"):
            state["port"] = int(line.split()[1])
        elif line.startswith("END"):
            for pair in pairs:
                pair.how = line.split()[1]
        elif line == "SYNC":
            state["sync"] = True


def main(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    print("PORT", listener.getsockname()[1], flush=True)
    state, pairs, moved, loopback = {"sync": False}, [], 0, Loopback()
    while True:
        if state["sync"]:
            loopback.settle()
        writing = [s.sock for p in pairs for s in (p.client, p.backend) if s.pending]
        reading = [p.client.sock for p in pairs if not (p.backend.pending or p.client.ended)]
        shaken = [p for p in pairs if p.shaken]
        reading += [p.backend.sock for p in shaken if not (p.client.pending or p.backend.ended)]
        wait = 0 if state["sync"] else None
        ready = select.select([0, listener] + reading, writing, [], wait)[0]
        if 0 in ready:
            take_orders(state, pairs)
        if listener in ready:
            pairs.append(Pair(context, listener.accept()[0], state["port"]))
            moved += 1
        counts = [(p, p.move()) for p in pairs]
        pairs = [p for p, count in counts if count >= 0]
        now = sum(abs(count) for _, count in counts)
        moved += now
        if state["sync"] and now == 0 and listener not in ready:
            print("SYNCED", moved, flush=True)
            state["sync"], moved = False, 0


main(*sys.argv[1:])
