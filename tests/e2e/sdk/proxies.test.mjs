// The reverse proxies of api/server/GUIDE.md, with the configurations that stand there: the client through them.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, test, until } from "./support/check.mjs";
import { follow } from "./support/follow.mjs";
import { Server, freePort, key, start, useServer } from "./support/server.mjs";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";  // its certificate is of this minute
process.removeAllListeners("warning");
const guide = readFileSync("GUIDE.md", "utf8");
const has = (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

for (const [program, file, of_guide, words] of [
  ["nginx", "nginx.conf", "8443", (path) => ["nginx", "-p", path, "-c", join(path, "nginx.conf"), "-g", "daemon off;"]],
  ["caddy", "Caddyfile", "8444", (path) => ["caddy", "run", "--config", join(path, "Caddyfile"), "--adapter", "caddyfile"]],
]) {
  test(`through ${program}`, { skip: !has(program) && `no ${program} here (Debian: apt-get install ${program})` }, async () => {
    const server = await Server.start();
    useServer(server);
    const { auth, batch, runs, tasks } = await import("@trigger.dev/sdk");
    const port = await freePort();
    const path = mkdtempSync(join(tmpdir(), "cairn-proxy-"));
    const text = new RegExp(`cat > ${file} <<'END'\n([^]*?)\nEND\n`).exec(guide)[1];
    const paths = program === "caddy" ? text.replaceAll("cert.pem", join(path, "cert.pem")).replaceAll("key.pem", join(path, "key.pem"))
                                      : text;
    writeFileSync(join(path, file), paths.replaceAll("127.0.0.1:4020", new URL(server.url).host).replaceAll(of_guide, port));
    check.equal(spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", join(path, "key.pem"),
      "-out", join(path, "cert.pem")]).status, 0);
    const proxy = start(words(path), { XDG_DATA_HOME: path, XDG_CONFIG_HOME: path, HOME: path });
    const url = `https://localhost:${port}`;
    try {
      await until(`${program} listens: ${proxy.output}`, () => fetch(url).then(() => true, () => false));
      await auth.withAuth({ baseURL: url, accessToken: key }, async () => {
        const handle = await tasks.trigger("a/b", { a: 1 }, { metadata: { n: 0 }, tags: ["\u00e4/b"] });
        check.deepEqual((await runs.retrieve(handle.id)).tags, ["\u00e4/b"]);
        check.equal((await runs.list({ tag: "\u00e4/b" })).data.length, 1);
        const run = follow(runs.subscribeToRun(handle.id));
        await until("the first row", () => run.seen.length);
        for (const n of [1, 2, 3]) {
          const begin = Date.now();
          await server.put(handle.id, [{ type: "set", key: "n", value: n }]);
          await until("a change", () => run.last().metadata.n === n);
          check.ok(Date.now() - begin < 2000, `a change took ${Date.now() - begin} ms`);
        }
        await server.finish(handle.id, { output: "x".repeat(100_000) });
        await run.done;
        check.equal(run.last().output.length, 100_000);
        const items = Array.from({ length: 300 }, (_, row) => ({ payload: { row, text: "y".repeat(5000) } }));
        const { batchId } = await tasks.batchTrigger("t", items);
        check.equal((await batch.retrieve(batchId)).runs.length, 300);
        check.equal((await auth.withAuth({ baseURL: url, accessToken: handle.publicAccessToken },
                                         () => runs.retrieve(handle.id))).id, handle.id);
      });
    } finally {
      proxy.kill("SIGTERM");
      await proxy.ended;
      await server.stop();
      rmSync(path, { recursive: true });
    }
  });
}
