// The React hooks in headless Chromium, on a page of another origin.
import { existsSync } from "node:fs";
import http from "node:http";
import { after } from "node:test";
import { buildSync } from "esbuild";
import { check, test, until } from "./support/check.mjs";
import { CuttingProxy } from "./support/cutting_proxy.mjs";
import { Server, useServer } from "./support/server.mjs";

const places = process.env.CAIRN_BROWSER ? [process.env.CAIRN_BROWSER]
                                        : ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const program = places.find((place) => place && existsSync(place));
const why_not = !program && !process.env.CAIRN_NEED_BROWSER && "no Chromium here (Debian: apt-get install chromium)";

if (why_not) {
  test("the React hooks in a browser", { skip: why_not }, () => {});
} else {
  check.ok(program, "no Chromium, and CAIRN_NEED_BROWSER is set");
  await inBrowser();
}

async function inBrowser() {
  const { chromium } = await import("playwright-core");
  const { readFileSync, writeFileSync } = await import("node:fs");
  const [line] = readFileSync("README.md", "utf8").match(/(?<=^```jsx\n)[^]*?(?=^```$)/m);
  const address = '"http://127.0.0.1:4020"';
  check.ok(line.includes(address));
  writeFileSync("made/readme_line.jsx", `import { useRealtimeRun } from "@trigger.dev/react-hooks";
export function useReadmeLine(id, address, accessToken) {
${line.replace(address, "address")}
return run; }`);
  buildSync({ entryPoints: ["browser/page.jsx"], bundle: true, outfile: "made/page.js", format: "iife", logLevel: "error",
              define: { "process.env.NODE_ENV": '"production"', global: "globalThis" }, platform: "browser", external: ["node:*"] });
  const script = readFileSync("made/page.js");
  const pages = http.createServer((request, response) => {
    const is_script = request.url === "/page.js";
    response.writeHead(200, { "content-type": is_script ? "text/javascript" : "text/html" });
    response.end(is_script ? script : '<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script src="/page.js"></script>');
  });
  await new Promise((done) => pages.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${pages.address().port}`;
  const server = await Server.start({ origins: [origin] });
  useServer(server);
  const { auth, runs, tasks } = await import("@trigger.dev/sdk");
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const page = await browser.newPage();
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  after(async () => {
    await browser.close();
    pages.close();
    await server.stop();
  });
  await page.goto(origin);
  const show = (view, token, properties, base = server.url) =>
    page.evaluate(([...of]) => window.show(...of), [view, base, token, properties]);
  const state = () => page.evaluate(() => window.state ?? {});
  async function shown(what, question, seconds = 20) {
    let now;
    try {
      return await until(what, async () => {
        now = await state();
        return question(now) && now;
      }, seconds);
    } catch (error) {
      error.message += `\nshown: ${JSON.stringify(now)}\nsaid: ${said.join("\n")}`;
      throw error;
    }
  }
  const token = (scopes) => auth.createPublicToken({ scopes });

  test("the README's line follows a run", async () => {
    const { id, publicAccessToken } = await tasks.trigger("t", 1, { metadata: { n: 0 } });
    await show("readme", "", { id, address: server.url, accessToken: publicAccessToken }, "http://127.0.0.1:1");
    await shown("the first row", (now) => now.run?.metadata.n === 0);
    await server.put(id, [{ type: "increment", key: "n", value: 1 }]);
    await shown("the change", (now) => now.run.metadata.n === 1);
  });
  test("useRealtimeRun: the first row, each change, the end", async () => {
    const { id, publicAccessToken } = await tasks.trigger("t", { at: new Date(0) }, { metadata: { n: 0 }, tags: ["x"] });
    await show("run", publicAccessToken, { id });
    const first = await shown("the first row", (now) => now.run);
    check.deepEqual(first.run.metadata, { n: 0 });
    check.deepEqual(first.run.tags, ["x"]);
    for (const n of [1, 2, 3]) {
      await server.put(id, [{ type: "increment", key: "n", value: 1 }]);
      await shown(`change ${n}`, (now) => now.run.metadata.n === n);
    }
    await server.finish(id, { output: { rows: 1 } });
    const last = await shown("the end", (now) => now.run.isCompleted);
    check.deepEqual(last.run.output, { rows: 1 });
    await until("onComplete", () => page.evaluate((of) => window.completed === of, id));
  });

  test("useRealtimeRun says what is refused", async () => {
    const [mine, other] = [await tasks.trigger("t", 1), await tasks.trigger("t", 1)];
    await show("run", mine.publicAccessToken, { id: other.id });
    check.equal((await shown("an error", (now) => now.error)).error.status, 403);
    await show("run", "not a token", { id: mine.id });
    check.equal((await shown("an error", (now) => now.error)).error.status, 401);
    await show("run", await token({ read: { runs: true } }), { id: "run_nope" });
    check.equal((await shown("an error", (now) => now.error)).error.status, 404);
  });

  test("useRealtimeRunWithStreams: the run, and no stream", async () => {
    const { id, publicAccessToken } = await tasks.trigger("t", 1, { metadata: { n: 0 } });
    await show("run_with_streams", publicAccessToken, { id });
    const now = await shown("the first row", (of) => of.run);
    check.deepEqual(now.streams, {});
    check.equal(now.error, undefined);
    await server.finish(id);
    await shown("the end", (of) => of.run.isCompleted);
  });

  test("useRealtimeRunsWithTag: runs that are there, and that come", async () => {
    const a = await tasks.trigger("t", 1, { tags: ["ui:1", "b"], metadata: { n: 0 } });
    await show("tag", await token({ read: { tags: "ui:1" } }), { tag: "ui:1" });
    await shown("one", (now) => now.runs?.length === 1);
    const b = await tasks.trigger("t", 1, { tags: ["ui:1"] });
    const two = await shown("two", (now) => now.runs.length === 2);
    check.deepEqual(two.runs.map((run) => run.id).sort(), [a.id, b.id].sort());
    await server.put(a.id, [{ type: "set", key: "n", value: 7 }]);
    await shown("a change", (now) => now.runs.find((run) => run.id === a.id).metadata.n === 7);
  });

  test("useRealtimeBatch", async () => {
    const { batchId, publicAccessToken } = await tasks.batchTrigger("t", [{ payload: 1 }, { payload: 2 }]);
    await show("batch", publicAccessToken, { id: batchId });
    const some = await shown("a run", (now) => now.runs?.length);
    check.ok([1, 2].includes(some.runs[0].payload));
    const list = (await runs.list({ batch: batchId })).data;
    for (const { id } of list) {
      await server.finish(id, { output: id });
      await shown(`the end of ${id}`, (now) => now.runs.find((run) => run.id === id)?.output === id);
    }
    check.equal((await state()).runs.length, 2);
  });

  test("useRun asks again until the end", async () => {
    const { id, publicAccessToken } = await tasks.trigger("t", 1, { metadata: { n: 1 } });
    await show("retrieve", publicAccessToken, { id });
    check.deepEqual((await shown("the run", (now) => now.run)).run.metadata, { n: 1 });
    await server.finish(id, { output: 5 });
    check.equal((await shown("the end", (now) => now.run.isCompleted)).run.output, 5);
  });

  test("useTaskTrigger: a run by a token that is good for one", async () => {
    await show("trigger", await auth.createTriggerPublicToken("from-the-page"), { task: "from-the-page" });
    await shown("the view", (now) => now.isLoading === false);
    await page.evaluate(() => window.submit({ row: 1 }, { metadata: { by: "page" } }));
    const { handle } = await shown("a handle", (now) => now.handle);
    const run = await runs.retrieve(handle.id);
    check.deepEqual([run.payload, run.metadata, run.taskIdentifier], [{ row: 1 }, { by: "page" }, "from-the-page"]);
    check.equal(typeof handle.publicAccessToken, "string");
  });

  test("useRealtimeTaskTrigger: triggers and follows with the token of the answer", async () => {
    // Another task: two tokens of one second that say the same are one token, good for one use.
    await show("trigger_and_follow", await auth.createTriggerPublicToken("followed"), { task: "followed" });
    await until("the view", () => page.evaluate(() => typeof window.submit === "function"));
    await page.evaluate(() => window.submit("text", { metadata: { n: 0 } }));
    const { run } = await shown("the run", (now) => now.run);
    check.equal(run.payload, "text");
    await server.put(run.id, [{ type: "set", key: "n", value: 1 }]);
    await shown("a change", (now) => now.run.metadata.n === 1);
    await server.finish(run.id, { output: "end" });
    check.equal((await shown("the end", (now) => now.run.isCompleted)).run.output, "end");
  });

  test("a page whose origin is not allowed gets nothing", async () => {
    const closed = await Server.start();
    const { id } = await auth.withAuth({ baseURL: closed.url }, () => tasks.trigger("t", 1));
    const refused = await page.evaluate(async ([url]) => fetch(url).then((answer) => answer.status, (error) => error.message),
                                        [`${closed.url}/api/v3/runs/${id}`]);
    check.equal(refused, "Failed to fetch");
    await closed.stop();
  });

  test("a hook that is unmounted lets go of its request", async () => {
    const proxy = await CuttingProxy.start(server.url);
    const { id, publicAccessToken } = await tasks.trigger("t", 1);
    await show("run", publicAccessToken, { id }, proxy.url);
    await shown("the first row", (now) => now.run);
    await page.evaluate(() => window.hide());
    await new Promise((done) => setTimeout(done, 300));
    const before = proxy.requests;
    await server.put(id, [{ type: "set", key: "n", value: 1 }]);
    await new Promise((done) => setTimeout(done, 700));
    check.equal(proxy.requests, before);
    await proxy.stop();
  });

  test("a server that is killed and comes back: the page goes on by itself", async () => {
    const list = await token({ read: { tags: true } });
    await tasks.trigger("t", 1, { tags: ["life"] });
    await show("tag", list, { tag: "life" });
    await shown("one", (now) => now.runs?.length === 1);
    await server.stop("SIGKILL");
    await new Promise((done) => setTimeout(done, 1000));
    await server.go();
    const { id } = await tasks.trigger("t", 2, { tags: ["life"] });
    const now = await shown("the new run", (of) => of.runs?.some((run) => run.id === id), 15);
    check.equal(now.error, undefined);
  });
}
