// Servers for the tests. CAIRN_SDK_SERVER is the command that they are started with; arguments are added to it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const command = process.env.CAIRN_SDK_SERVER.split(" ");
export const key = "api-key-of-the-tests-0123456789-abcdef";
const started = new Set();
process.on("exit", () => { for (const child of started) child.kill("SIGKILL"); });

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/// A process that ends with this one; `lines` gets what it prints.
export function start(words, environment = {}) {
  const child = spawn(words[0], words.slice(1), { env: { ...process.env, ...environment },
                                                  stdio: ["ignore", "pipe", "pipe"] });
  started.add(child);
  child.output = "";
  child.ended = new Promise((done) => child.on("close", (code, signal) => {
    started.delete(child);
    done(code ?? signal);
  }));
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      child.output += data;
      child.emit("line");
    });
  }
  return child;
}

/// Waits until the process has printed what `pattern` matches.
export function printed(child, pattern) {
  return new Promise((done, fail) => {
    const look = () => {
      const found = pattern.exec(child.output);
      if (found) done(found);
    };
    child.on("line", look);
    child.ended.then((code) => fail(new Error(`${child.spawnargs.join(" ")}: ended with ${code}: ${child.output}`)));
    look();
  });
}

export class Server {
  /// options: token (default: the key; null: none), listen, origins, hosts
  static async start(options = {}) {
    const server = new Server();
    server.directory = mkdtempSync(join(tmpdir(), "cairn-sdk-"));
    process.on("exit", () => rmSync(server.directory, { recursive: true, force: true }));
    const port = options.port ?? (await freePort());
    server.words = [...command, "--store", join(server.directory, "store"), "--listen", `127.0.0.1:${port}`];
    if (options.token !== null) {
      const file = join(server.directory, "token");
      writeFileSync(file, options.token ?? key, { mode: 0o600 });
      server.words.push("--token-file", file);
    }
    for (const origin of options.origins ?? []) server.words.push("--allow-origin", origin);
    for (const host of options.hosts ?? []) server.words.push("--host", host);
    server.url = `http://127.0.0.1:${port}`;
    await server.go();
    return server;
  }
  /// Starts it, also after it ended, on the same store.
  async go() {
    this.child = start(this.words);
    await printed(this.child, /listening on /);
  }
  async stop(signal = "SIGTERM") {
    this.child.kill(signal);
    return this.child.ended;
  }
  /// One request without the client.
  async call(method, path, body, headers = {}) {
    const response = await fetch(this.url + path, {
      method, headers: { authorization: `Bearer ${key}`, ...headers },
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body) });
    const text = await response.text();
    let json;
    try { json = JSON.parse(text); } catch { /* it is in text */ }
    return { status: response.status, headers: response.headers, text, json };
  }
  status(run, status, from) { return this.call("POST", `/cairn/v1/runs/${run}/status`, { status, from }); }
  finish(run, how = {}) { return this.call("POST", `/cairn/v1/runs/${run}/finish`, how); }
  put(run, operations) { return this.call("PUT", `/api/v1/runs/${run}/metadata`, { operations }); }
}

/// The client of this process calls this server from now on.
export function useServer(server) {
  process.env.TRIGGER_API_URL = server.url;
  process.env.TRIGGER_SECRET_KEY = key;
}
