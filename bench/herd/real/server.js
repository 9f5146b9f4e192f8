// The server of `make herd-real`, on npm's ws: it restarts, and takes so many clients a second then.
//
//   node server.js           prints "PORT n"
// Lines to it:
//   restart DOWN RATE QUEUE  says 1001 to all and goes away; another process listens DOWN seconds
//                            later, takes RATE clients a second, lets QUEUE seconds of such work
//                            wait, and answers 503 to the rest
//   rates                    prints "RATES a b c …", the attempts of each second since the restart
"use strict";

const { fork } = require("child_process");
const http = require("http");
const readline = require("readline");
const { WebSocketServer } = require("ws");

const BACKLOG = 4096;
const GOODBYE = 20000; // milliseconds for all Closes to be answered
const REFUSAL = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

// Of the machine, so that two processes agree on it.
function seconds() {
  return Number(process.hrtime.bigint()) / 1e9;
}

// ---------------------------------------------------------------- one server

function serve() {
  const server = http.createServer();
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const rates = [];
  let limit = null;
  let busyUntil = 0;

  function take(request, socket, head) {
    sockets.handleUpgrade(request, socket, head, () => {});
  }

  // As the simulated server: where its work ends is one number.
  function takeOrRefuse(request, socket, head) {
    const now = seconds();
    const second = Math.floor(now - limit.began);
    rates[second] = (rates[second] || 0) + 1;
    const start = Math.max(busyUntil, now);
    if (start - now > limit.queue) {
      socket.end(REFUSAL);
      return;
    }
    busyUntil = start + 1 / limit.rate;
    setTimeout(take, (busyUntil - now) * 1000, request, socket, head);
  }

  function leave() {
    server.close();
    for (const client of sockets.clients) client.close(1001, "restart");
    sockets.close(() => process.exit());
    setTimeout(() => process.exit(), GOODBYE);
  }

  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => {});
    (limit ? takeOrRefuse : take)(request, socket, head);
  });
  process.on("message", (told) => {
    if (told.listen !== undefined) {
      limit = told.limit;
      server.listen({ port: told.listen, host: "127.0.0.1", backlog: BACKLOG }, () => {
        process.send({ port: server.address().port });
      });
    } else if (told.rates) {
      process.send({ rates: Array.from(rates, (rate) => rate || 0) });
    } else {
      leave();
    }
  });
  process.on("disconnect", () => process.exit());
}

// ---------------------------------------------------------------- the one that restarts it

function say(...words) {
  process.stdout.write(words.join(" ") + "\n");
}

// The next server is there before it is needed: a restart takes as long as it is to take.
function run() {
  let port = 0;
  let [server, next] = [fork(__filename, ["serve"]), fork(__filename, ["serve"])];
  for (const one of [server, next]) {
    one.on("message", (told) => {
      if (told.rates) say("RATES", ...told.rates);
      if (told.port && port === 0) {
        port = told.port;
        say("PORT", port);
      }
    });
  }
  server.send({ listen: 0 });

  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const [word, down, rate, queue] = line.split(" ");
    if (word === "rates") {
      server.send({ rates: true });
    } else {
      const limit = { rate: Number(rate), queue: Number(queue), began: seconds() };
      server.send({ leave: true });
      setTimeout(() => next.send({ listen: port, limit }), Number(down) * 1000);
      server = next;
    }
  });
  lines.on("close", () => process.exit());
}

if (process.argv[2] === "serve") serve();
else run();
