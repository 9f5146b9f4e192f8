#!/usr/bin/python3
"""Runs a program under wine, and beside it the commands that it asks for: peers, openssl, sh.

    outside.py COMMAND...

WSCLOSE_OUTSIDE in the command's environment is a port of 127.0.0.1.  Each connection to it is one
line for the shell: "execute LENGTH\n" and the line, answered by its exit status; "read LENGTH\n",
answered by what it prints; "write LENGTH\n", followed by its standard input.
"""

import os
import socket
import subprocess
import sys
import threading


def serve(peer):
    with peer, peer.makefile("rb", buffering=0) as stream:
        mode, length = stream.readline().split()
        line = b""
        while len(line) < int(length):
            line += stream.read(int(length) - len(line))
        streams = {b"read": {"stdout": peer}, b"write": {"stdin": peer}}.get(mode, {})
        child = subprocess.Popen(["sh", "-c", line], **{"stdin": subprocess.DEVNULL, **streams})
        if mode == b"execute":
            peer.sendall(b"%d" % child.wait())
        elif mode == b"read":
            child.wait()
    child.wait()


def accept(listener):
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=serve, args=(peer,), daemon=True).start()


def main(command):
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    port = str(listener.getsockname()[1])
    return subprocess.call(command, env={**os.environ, "WSCLOSE_OUTSIDE": port})


sys.exit(main(sys.argv[1:]))
