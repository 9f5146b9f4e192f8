// ws, the package of npm, under Node.js.
"use strict";

const fs = require("fs");
const WebSocket = require("../../build/npm/node_modules/ws");

const IN_FLIGHT = 64;
const IDLE_MS = 2500;
const GIVE_UP_MS = 300000;

const [url, workload, size, count] = process.argv.slice(2).map((word, i) => (i < 2 ? word : +word));
const warm = Math.max(1, Math.floor(count / 10));
const message = Buffer.from(Array.from({ length: size }, (_, i) => 97 + (i % 26)));
const paths = { receive: "flood", inflate: "json", send: "sink" };
const path = paths[workload]
  ? `/${paths[workload]}?size=${size}&count=${count}&warm=${warm}`
  : "/echo";
const compressed = workload === "inflate" || (workload === "idle" && size === 1);

function fail(why) {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

function check(good, why) {
  if (!good) fail(why);
}

function cpuNs() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

function result(figure) {
  fs.writeSync(1, `RESULT ${count} ${figure}\n`);
}

function open(onOpen) {
  const ws = new WebSocket(url + path, {
    perMessageDeflate: compressed,
    maxPayload: 0,
    rejectUnauthorized: false,
  });
  ws.on("error", (error) => fail(error.message));
  ws.on("open", () => {
    const agreed = ws.extensions.includes("permessage-deflate");
    check(agreed || !compressed, "permessage-deflate was not agreed");
    onOpen(ws);
  });
  return ws;
}

function checkLast(data) {
  const good =
    workload === "inflate"
      ? data.subarray(0, 7).equals(Buffer.from('{"seq":')) && data[size - 1] === 125
      : data.equals(message);
  check(good, "the last message is not what it should be");
}

function isDone(data) {
  check(data.length === 4 && data.toString() === "done", 'the server did not say "done"');
}

// ---------------------------------------------------------------- workloads

// Both the warm-up and what is measured are `begin`, then calls of `take` until one is true.
function exchange(begin, take, checkEnd) {
  let start;
  let over = false;
  open((ws) => {
    ws.on("message", (data) => {
      check(!over, "a message too many");
      if (!take(ws, data)) return;
      if (start === undefined) {
        start = cpuNs();
        begin(ws, count);
        return;
      }
      const took = cpuNs() - start;
      over = true;
      checkEnd(data);
      ws.on("close", (code) => {
        check(code === 1000, `closed with ${code}`);
        result(took);
      });
      ws.close(1000);
    });
    begin(ws, warm);
  }).on("close", () => check(over, "closed too early"));
}

const text = { binary: false };

function echo(inFlight) {
  let unsent, left;
  exchange(
    (ws, total) => {
      left = total;
      unsent = total;
      for (; unsent > 0 && total - unsent < inFlight; unsent--) ws.send(message, text);
    },
    (ws, data) => {
      check(data.length === size, `a message of ${data.length} bytes`);
      if (unsent > 0) {
        unsent--;
        ws.send(message, text);
      }
      return --left === 0;
    },
    checkLast,
  );
}

function receive() {
  let left;
  exchange(
    (ws, total) => {
      left = total;
      ws.send("go");
    },
    (ws, data) => {
      check(data.length === size, `a message of ${data.length} bytes`);
      return --left === 0;
    },
    checkLast,
  );
}

// Some at a time, and more when the socket has taken them.
function send() {
  function more(ws, left) {
    const now = Math.min(left, IN_FLIGHT);
    for (let i = 1; i < now; i++) ws.send(message, text);
    if (now > 0) ws.send(message, text, () => more(ws, left - now));
  }
  exchange(more, (ws, data) => isDone(data) === undefined, isDone);
}

function cycles(total, done) {
  if (total === 0) return done();
  open((ws) => {
    ws.on("close", (code) => {
      check(code === 1000, `closed with ${code}`);
      cycles(total - 1, done);
    });
    ws.close(1000);
  });
}

function connect() {
  cycles(warm, () => {
    const start = cpuNs();
    cycles(count, () => result(cpuNs() - start));
  });
}

function resident() {
  return +fs.readFileSync("/proc/self/statm", "latin1").split(" ")[1] * 4096;
}

function idle() {
  const all = [];
  function openRest(before) {
    if (all.length < count) {
      open(() => openRest(before)).on("message", () => fail("a connection did not idle"));
      all.push(all.length);
      return;
    }
    setTimeout(() => {
      result(resident() - before);
      process.exit(0);
    }, IDLE_MS);
  }
  cycles(1, () => openRest(resident()));
}

setTimeout(() => fail("gave up waiting"), GIVE_UP_MS).unref();
const workloads = {
  pingpong: () => echo(1),
  pipeline: () => echo(IN_FLIGHT),
  receive,
  inflate: receive,
  send,
  connect,
  idle,
};
check(workloads[workload] && count > 0, "usage: ws.js URL WORKLOAD SIZE COUNT");
workloads[workload]();
