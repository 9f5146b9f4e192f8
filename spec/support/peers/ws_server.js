// Echo server on npm's ws; see README.md for what it understands.
"use strict";

const http = require("http");
const readline = require("readline");
const { WebSocketServer } = require("ws");

const SIZE_MAX = 64 * 1024 * 1024;

function say(...words) {
  process.stdout.write(words.join(" ") + "\n");
}

function queryOf(request) {
  return new URL(request.url, "http://localhost").searchParams;
}

// What ws calls the four parameters of RFC 7692.
function deflateOptions(query) {
  const options = { threshold: 0 };
  const names = {
    server_no_context_takeover: ["serverNoContextTakeover", () => true],
    client_no_context_takeover: ["clientNoContextTakeover", () => true],
    server_max_window_bits: ["serverMaxWindowBits", Number],
    client_max_window_bits: ["clientMaxWindowBits", Number],
  };
  let asked = query.has("deflate");
  for (const [name, [option, convert]] of Object.entries(names)) {
    if (query.has(name)) {
      options[option] = convert(query.get(name));
      asked = true;
    }
  }
  return asked ? options : false;
}

function sendInPieces(connection, data, binary, size, ping) {
  for (let start = 0; start === 0 || start < data.length; start += size) {
    const fin = start + size >= data.length;
    connection.send(data.subarray(start, start + size), { binary, fin });
    if (ping && start === 0) connection.ping("between");
  }
}

function echo(connection, request) {
  const query = queryOf(request);
  const id = query.get("id") || "-";
  say(id, "OPEN", request.url);
  connection.on("message", (data, binary) => {
    const size = Number(query.get("fragment")) || Math.max(data.length, 1);
    sendInPieces(connection, data, binary, size, query.has("ping"));
  });
  connection.on("pong", (data) => say(id, "PONG", data));
  connection.on("error", () => {}); // "close" follows and tells
  connection.on("close", (code, reason) => say(id, "CLOSED", code, reason));
}

// One WebSocketServer a connection: ws takes its deflate options there.
const connections = new Set();

function upgrade(request, socket, head) {
  const perMessageDeflate = deflateOptions(queryOf(request));
  const server = new WebSocketServer({ noServer: true, maxPayload: SIZE_MAX, perMessageDeflate });
  server.handleUpgrade(request, socket, head, (connection) => {
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
    echo(connection, request);
  });
}

function listen(port, done) {
  const listener = http.createServer();
  listener.on("upgrade", upgrade);
  listener.listen(port, "127.0.0.1", () => done(listener));
}

let listener;

// Resolves when the last connection has closed.
function closeAll(code, reason) {
  const closed = [...connections].map((each) => new Promise((done) => each.on("close", done)));
  connections.forEach((each) => each.close(code, reason));
  return Promise.all(closed);
}

async function restart(reason) {
  const port = listener.address().port;
  const unbound = new Promise((done) => listener.close(done));
  await Promise.all([unbound, closeAll(1001, reason)]);
  listen(port, (again) => {
    listener = again;
    say("RESTARTED");
  });
}

function obey(line) {
  const [verb, first, ...rest] = line.split(" ");
  if (verb === "close") {
    closeAll(Number(first), rest.join(" "));
  } else if (verb === "restart") {
    restart([first, ...rest].join(" "));
  }
}

listen(0, (first) => {
  listener = first;
  say("PORT", listener.address().port);
  readline.createInterface({ input: process.stdin }).on("line", obey);
});
