// Passes requests on to a server, counts them, and does to answers what a rule says.
import http from "node:http";

export class CuttingProxy {
  /// Of each answer `rule(request, number)` says what happens: undefined (nothing), or
  /// { cut: "before" | "head" | "body", delay: ms, status }. "head": in the middle of the answer's head; "body": of its body.
  static async start(target, rule = () => undefined) {
    const proxy = new CuttingProxy();
    proxy.rule = rule;
    proxy.requests = 0;
    proxy.cuts = 0;
    proxy.server = http.createServer((request, response) => proxy.pass(target, request, response));
    await new Promise((done) => proxy.server.listen(0, "127.0.0.1", done));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  pass(target, request, response) {
    const number = this.requests++;
    const what = this.rule(request, number) ?? {};
    if (what.cut === "before") return this.cut(request.socket);
    if (what.status) {
      response.writeHead(what.status, { "content-type": "application/json" });
      return response.end(JSON.stringify({ error: "the proxy has no time" }));
    }
    const { host: _host, ...headers } = request.headers;
    const onward = http.request(target + request.url, { method: request.method, headers }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", () => request.socket.destroy());
      answer.on("end", () => setTimeout(() => {
        const body = Buffer.concat(parts);
        if (what.cut === "head") {
          request.socket.write("HTTP/1.1 200 OK\r\nContent-Type: applic");
          return setTimeout(() => this.cut(request.socket), 20);
        }
        const of_answer = { ...answer.headers, "content-length": body.length };
        delete of_answer["transfer-encoding"];
        response.writeHead(answer.statusCode, of_answer);
        if (what.cut !== "body") return response.end(body);
        response.write(body.subarray(0, body.length / 2));
        setTimeout(() => this.cut(request.socket), 20);
      }, what.delay ?? 0));
    });
    // A server that is away, or a client that has gone: the other side learns it.
    onward.on("error", () => request.socket.destroy());
    response.on("close", () => { if (!response.writableEnded) onward.destroy(); });
    request.pipe(onward);
  }

  cut(socket) {
    this.cuts++;
    socket.destroy();
  }
  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}
