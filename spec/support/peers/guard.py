"""Runs one command for the suite and ends it with the suite, whatever happens.

    guard.py [--find-port|--prompt] CONTROL-PORT COMMAND...

The suite listens on 127.0.0.1:CONTROL-PORT.  What arrives there goes to the command's standard
input; what the command prints, errors too, goes back.  When the suite ends the connection (or dies,
which the kernel notices for it) the command is ended: SIGTERM, a second later SIGKILL, for its
whole process group.  --find-port: the command does not say which port the kernel chose for it, so
"PORT n" is found out in /proc and told as if it had.  --prompt: lines are many and each is waited
for; none waits for the acknowledgement of the one before.
"""

import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
LISTEN = "0A"


def die_with_parent():
    """In the child, before exec: should this guard be killed, the kernel kills the command."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def sockets_of(pid):
    inodes = set()
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[len("socket:[") : -1])
    return inodes


def listening_port(pid):
    inodes = sockets_of(pid)
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for fields in map(str.split, lines):
                if fields[3] == LISTEN and fields[9] in inodes:
                    return int(fields[1].rpartition(":")[2], 16)
    return None


def find_port(child, control):
    while child.poll() is None:
        port = listening_port(child.pid)
        if port:
            control.sendall(b"PORT %d\n" % port)
            return
        time.sleep(0.01)


def end(child):
    try:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(1)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    except ProcessLookupError:
        pass


def pass_on(child, control):
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(child.stdout, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is control:
                words = control.recv(65536)
                if not words:
                    return
                child.stdin.write(words)
            else:
                words = os.read(child.stdout.fileno(), 65536)
                if not words:
                    return
                control.sendall(words)


def run(arguments):
    """Gives the connection back open: see the end of this file."""
    os.closerange(3, 1024)  # the suite's sockets, which it did not mean to hand on
    option = arguments.pop(0) if arguments[0].startswith("--") else None
    control_port, command = int(arguments[0]), arguments[1:]
    control = socket.create_connection(("127.0.0.1", control_port))
    if option == "--prompt":
        control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        child = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except OSError as error:
        control.sendall(("%s: %s\n" % (command[0], error.strerror)).encode())
        return control
    try:
        if option == "--find-port":
            find_port(child, control)
        pass_on(child, control)
    except OSError:
        pass  # one of the two ended in the middle of a word
    finally:
        end(child)
    return control


control = run(sys.argv[1:])
# The kernel closes the connection as the last of this process ends, so that whoever waits for that
# finds no guard left; the interpreter would close it first, and take its time.
os._exit(0)
