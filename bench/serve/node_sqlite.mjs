// What `cairn serve` is measured beside: run metadata behind Node's http server, in SQLite by better-sqlite3. One
// process. It answers the routes that serve_bench asks, and nothing else:
//   GET /healthz
//   POST /cairn/v1/runs {"id", "metadata"}
//   GET, PUT /api/v1/runs/ID/metadata; PUT takes {"operations": [{"type": "increment", "key", "value"}...]}
//
// node node_sqlite.mjs --modules DIR --file FILE --synchronous NORMAL|FULL
import http from "node:http";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: { modules: { type: "string" }, file: { type: "string" }, synchronous: { type: "string" } },
});
const Database = createRequire(options.modules + "/")("better-sqlite3");

const db = new Database(options.file);
db.pragma("journal_mode = WAL");
db.pragma(`synchronous = ${options.synchronous}`);
db.exec("CREATE TABLE runs (id TEXT PRIMARY KEY, metadata TEXT NOT NULL)");
const select = db.prepare("SELECT metadata FROM runs WHERE id = ?").pluck();
const insert = db.prepare("INSERT INTO runs (id, metadata) VALUES (?, ?)");
const update = db.prepare("UPDATE runs SET metadata = ? WHERE id = ?");

/** The metadata as text after the operations; undefined: there is no such run. */
const change = db.transaction((id, operations) => {
  const before = select.get(id);
  if (before === undefined) return undefined;
  const metadata = JSON.parse(before);
  for (const { type, key, value } of operations) {
    if (type !== "increment") throw new Error(`no operation ${type}`);
    metadata[key] = (metadata[key] ?? 0) + value;
  }
  const after = JSON.stringify(metadata);
  update.run(after, id);
  return after;
});

const path = /^\/api\/v1\/runs\/([^/]+)\/metadata$/;

function answer(method, url, body) {
  if (method === "GET" && url === "/healthz") return [200, "{}"];
  if (method === "POST" && url === "/cairn/v1/runs") {
    const { id, metadata } = JSON.parse(body);
    insert.run(id, JSON.stringify(metadata));
    return [200, JSON.stringify({ id })];
  }
  const id = path.exec(url)?.[1];
  const metadata =
    id === undefined ? undefined : method === "PUT" ? change(id, JSON.parse(body).operations) : select.get(id);
  return metadata === undefined ? [404, '{"error":"not found"}'] : [200, `{"metadata":${metadata}}`];
}

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    let status;
    let text;
    try {
      [status, text] = answer(request.method, request.url, pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
    } catch (error) {
      [status, text] = [400, JSON.stringify({ error: error.message })];
    }
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) });
    response.end(text);
  });
});
server.keepAliveTimeout = 600_000; // connections wait while the others are measured
server.listen(0, "127.0.0.1", () => {
  const listening = `127.0.0.1:${server.address().port}`;
  console.log(JSON.stringify({ listening, url: `http://${listening}` }));
});
process.on("SIGTERM", () => process.exit(0));
