"""A server that keeps a ledger, and restarts with 1001 in the midst of it.

    ledger_server.py COUNT RESTARTS

For each message that comes, one goes the other way: "down 1", "down 2", … over all connections. It
restarts RESTARTS times, evenly spread over COUNT messages: what it owes waits for the next
connection. Having got COUNT messages and paid them back it prints

    LEDGER how many came, how many of them were different, connections, codes of all that ended
"""

import asyncio
import sys

import websockets

COUNT, RESTARTS = int(sys.argv[1]), int(sys.argv[2])


def say(*words):
    print(*words, flush=True)


class Ledger:
    def __init__(self):
        self.came = []
        self.paid = 0
        self.connections = 0
        self.restarts = 0
        self.codes = []
        self.port = 0
        self.listener = None

    def is_due(self):
        return self.restarts < RESTARTS and len(self.came) * (RESTARTS + 1) > COUNT * (self.restarts + 1)

    async def pay(self, connection):
        while self.paid < len(self.came) and not connection.closed:
            number = self.paid + 1
            await connection.send("down %d" % number)
            self.paid = number

    async def serve(self, connection):
        self.connections += 1
        closing = None
        await self.pay(connection)
        async for message in connection:
            self.came.append(message)
            if closing:
                continue
            await self.pay(connection)
            if self.is_due():
                self.restarts += 1
                closing = asyncio.create_task(self.restart(connection))
        self.codes.append((connection.close_rcvd or connection.close_sent).code)
        if len(self.came) >= COUNT and self.paid >= COUNT:
            say("LEDGER", len(self.came), len(set(self.came)), self.connections, *self.codes)

    async def restart(self, connection):
        self.listener.close()
        await connection.close(1001, "restart")
        await self.listener.wait_closed()
        await self.listen()

    async def listen(self):
        self.listener = await websockets.serve(
            self.serve, "127.0.0.1", self.port, compression=None, ping_interval=None
        )
        self.port = self.listener.sockets[0].getsockname()[1]


async def main():
    ledger = Ledger()
    await ledger.listen()
    say("PORT", ledger.port)
    await asyncio.Future()


asyncio.run(main())
