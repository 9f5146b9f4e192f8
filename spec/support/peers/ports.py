"""Runs a server that wants to be told its ports, on ports that nobody uses.

    ports.py COUNT FILE COMMAND...

The text of FILE.in goes to FILE with ports in the place of @PORT1@, @PORT2@, …; then the command is
run.  Should somebody else take one of the ports first, the command ends and other ports are tried.
Once it listens on all of them, "PORTS n n …" and "PORT n", the first, are printed.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
LISTEN = "0A"
ATTEMPTS = 10


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def write(file, ports):
    with open(file + ".in", encoding="ascii") as pattern:
        text = pattern.read()
    for number, port in enumerate(ports, 1):
        text = text.replace("@PORT%d@" % number, str(port))
    with open(file, "w", encoding="ascii") as out:
        out.write(text)


def sockets_of(pid):
    inodes = set()
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            inodes.add(os.readlink("/proc/%d/fd/%s" % (pid, name))[len("socket:[") : -1])
        except OSError:
            pass
    return inodes


def ports_of(pid):
    inodes = sockets_of(pid)
    with open("/proc/net/tcp", encoding="ascii") as lines:
        rows = [line.split() for line in lines]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN and row[9] in inodes}


def listens(child, ports):
    while child.poll() is None:
        try:
            if ports_of(child.pid).issuperset(ports):
                return True
        except OSError:
            pass  # it ended meanwhile
        time.sleep(0.01)
    return False


def main(count, file, *command):
    for _ in range(ATTEMPTS):
        ports = free_ports(int(count))
        write(file, ports)
        child = subprocess.Popen(command, preexec_fn=die_with_parent)
        if listens(child, ports):
            print("PORTS", *ports, flush=True)
            print("PORT", ports[0], flush=True)
            break
    sys.exit(child.wait())


main(*sys.argv[1:])
