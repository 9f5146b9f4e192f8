"""Takes TLS off for a server without it, and misbehaves on demand.

    tls_relay.py CERTIFICATE KEY [1.2 | TICKETS]

A line "MODE BACKEND-PORT SIZE RECORD" on standard input says what the connections that come next do; it is
answered with "MODE word".  `close` passes the backend's end on with close_notify, `cut` without,
`damage` sends a record that nobody can decrypt in its place, `reset` an RST.  The first SIZE bytes
from the backend are collected, and encrypted as records of RECORD bytes.
TICKETS are how many sessions a client is given, of TLS 1.3.
For each connection "TLS version new|resumed" is printed, "SENT bytes" once what came from the backend is
with the client, then "END how the client ended it".
"""

import select
import socket
import ssl
import struct
import sys
import threading

BUFFER = 16384  # little, so that a client's queue fills when the backend does not read
DAMAGED = b"\x17\x03\x03\x00\x30" + b"z" * 48


def say(*words):
    sys.stdout.write(" ".join(words) + "\n")  # in one piece: several threads speak
    sys.stdout.flush()


def read_backend(backend, size):
    data = backend.recv(65536)
    while data and len(data) < size:
        more = backend.recv(65536)
        if not more:
            break
        data += more
    return data


def send(tls, data, record):
    for start in range(0, len(data), record):
        tls.sendall(data[start : start + record])
    say("SENT", str(len(data)))


def relay(tls, backend, size, record):
    """Until one of the two ends; gives who."""
    while True:
        if not tls.pending():
            ready, _, _ = select.select([tls, backend], [], [])
            if backend in ready:
                data = read_backend(backend, size)
                size = 0
                if not data:
                    return "backend"
                send(tls, data, record)
                if tls not in ready:
                    continue
        data = tls.recv(65536)
        if not data:
            return "client"
        backend.sendall(data)


def end(tls, mode):
    if mode == "close":
        tls.unwrap().close()
        return
    raw = socket.socket(fileno=tls.detach())
    if mode == "damage":
        raw.sendall(DAMAGED)
        raw.recv(65536)
    if mode == "reset":
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def serve(context, connection, mode, backend_port, size, record):
    how = "close_notify"
    backend = None
    try:
        tls = context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)
        say("TLS", tls.version(), "resumed" if tls.session_reused else "new")
        backend = socket.create_connection(("127.0.0.1", backend_port))
        backend.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        if relay(tls, backend, size, record) == "backend":
            how = "after us"
            end(tls, mode)
    except (OSError, ValueError) as error:
        how = getattr(error, "reason", None) or type(error).__name__
    finally:
        if backend:
            backend.close()
    say("END", how)


class Orders(threading.Thread):
    """Standard input."""

    latest = None

    def run(self):
        for line in sys.stdin:
            mode, *numbers = line.split()
            self.latest = (mode, *map(int, numbers))
            say("MODE", mode)


def main(certificate, key, special=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # Python sets it, and would take every end for close_notify.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if special == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    elif special:
        context.num_tickets = int(special)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    orders = Orders(daemon=True)
    orders.start()
    say("PORT", str(listener.getsockname()[1]))
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # "SENT" means there
        about = (context, connection, *orders.latest)
        threading.Thread(target=serve, args=about, daemon=True).start()


main(*sys.argv[1:])
