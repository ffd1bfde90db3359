// Subscriptions of the client in Node.
import { after } from "node:test";
import { check, test, until } from "./support/check.mjs";
import { follow } from "./support/follow.mjs";
import { Server, useServer } from "./support/server.mjs";

const server = await Server.start();
useServer(server);
const { auth, runs, tasks } = await import("@trigger.dev/sdk");
after(() => server.stop());

test("a run: its first row, each change, its end", async () => {
  const handle = await tasks.trigger("import-csv", { message: "hello", at: new Date(0) },
                                     { metadata: { progress: 0 }, tags: ["a", 'b"\\'], ttl: "10m" });
  const run = follow(runs.subscribeToRun(handle.id));
  await until("the first row", () => run.seen.length);
  check.deepEqual(run.seen[0].metadata, { progress: 0 });
  check.equal(run.seen[0].status, "QUEUED");
  check.deepEqual(run.seen[0].payload, { message: "hello", at: new Date(0) });
  check.deepEqual(run.seen[0].tags, ["a", 'b"\\']);
  check.ok(run.seen[0].createdAt instanceof Date && Math.abs(run.seen[0].createdAt - Date.now()) < 60_000);
  await server.status(handle.id, "EXECUTING", "QUEUED");
  await until("EXECUTING", () => run.last().status === "EXECUTING");
  check.equal(run.last().isExecuting, true);
  for (const progress of [0.1, 0.5, 1]) {
    await server.put(handle.id, [{ type: "set", key: "progress", value: progress }]);
    await until(`progress ${progress}`, () => run.last().metadata.progress === progress);
  }
  await server.finish(handle.id, { output: { rows: 3 } });
  await run.done;
  check.equal(run.error, undefined);
  check.equal(run.last().status, "COMPLETED");
  check.deepEqual(run.last().output, { rows: 3 });
  check.ok(run.last().finishedAt instanceof Date);
  check.equal(run.last().isSuccess, true);
});

test("changes that come fast may be joined, and the last one is there", async () => {
  const handle = await tasks.trigger("t", 1, { metadata: { n: 0 } });
  const run = follow(runs.subscribeToRun(handle.id));
  await until("the first row", () => run.seen.length);
  for (let i = 0; i < 100; i++) await server.put(handle.id, [{ type: "increment", key: "n", value: 1 }]);
  await until("100", () => run.last().metadata.n === 100);
  const values = run.seen.map((seen) => seen.metadata.n);
  check.deepEqual(values, [...values].sort((a, b) => a - b));
  check.ok(run.seen.length <= 60, `${run.seen.length} rows`);
  await runs.cancel(handle.id);
  await run.done;
  check.equal(run.last().isCancelled, true);
});

test("the end says why, for each way to end", async () => {
  for (const [how, flags] of [
    [{ status: "FAILED", error: "no such file" }, { status: "FAILED", isFailed: true, isCompleted: true }],
    [{ status: "TIMED_OUT" }, { status: "TIMED_OUT", isFailed: true }],
    [{ status: "EXPIRED" }, { status: "EXPIRED", isFailed: true }],
    [{ status: "SYSTEM_FAILURE", error: "disk" }, { status: "SYSTEM_FAILURE", isFailed: true }],
    [{ status: "CANCELED" }, { status: "CANCELED", isCancelled: true }],
  ]) {
    const handle = await tasks.trigger("t", 1);
    const run = follow(runs.subscribeToRun(handle.id));
    await until("the first row", () => run.seen.length);
    await server.finish(handle.id, how);
    await run.done;
    for (const [name, value] of Object.entries(flags)) check.equal(run.last()[name], value, `${how.status} ${name}`);
    if (how.error) check.equal(run.last().error.message, how.error);
  }
});

test("a run that is over already: one row, and the end", async () => {
  const handle = await tasks.trigger("t", 1);
  await server.finish(handle.id, { output: 1 });
  const run = follow(runs.subscribeToRun(handle.id));
  await run.done;
  check.equal(run.seen.length, 1);
  check.equal(run.seen[0].output, 1);
});

test("a crashed run stays open: it can be resumed", async () => {
  const handle = await tasks.trigger("t", 1);
  await server.finish(handle.id, { status: "CRASHED" });
  const run = follow(runs.subscribeToRun(handle.id));
  await until("CRASHED", () => run.last()?.status === "CRASHED");
  await server.status(handle.id, "EXECUTING");
  await until("EXECUTING", () => run.last().status === "EXECUTING");
  check.equal(run.ended, false);
  run.stop();
  await run.done;
});

test("stopOnCompletion: false goes on, unsubscribe ends it", async () => {
  const handle = await tasks.trigger("t", 1);
  const run = follow(runs.subscribeToRun(handle.id, { stopOnCompletion: false }));
  await server.finish(handle.id);
  await until("COMPLETED", () => run.last()?.status === "COMPLETED");
  await server.put(handle.id, [{ type: "set", key: "late", value: true }]);
  await until("late metadata", () => run.last().metadata?.late === true);
  run.stop();
  await run.done;
  check.equal(run.error, undefined);
});

test("skipColumns leaves them out", async () => {
  const handle = await tasks.trigger("t", { a: 1 }, { metadata: { m: 1 } });
  const run = follow(runs.subscribeToRun(handle.id, { skipColumns: ["payload", "metadata"] }));
  await until("the first row", () => run.seen.length);
  check.equal(run.seen[0].payload, undefined);
  check.equal(run.seen[0].metadata, undefined);
  check.equal(run.seen[0].taskIdentifier, "t");
  run.stop();
  await run.done;
});

test("tags: all of them, and runs that come or are tagged later", async () => {
  const first = await tasks.trigger("t", 1, { tags: ["u:1", "late"] });
  await tasks.trigger("t", 1, { tags: ["u:1"] });
  const both = follow(runs.subscribeToRunsWithTag(["u:1", "late"]));
  const one = follow(runs.subscribeToRunsWithTag("u:1", { createdAt: "1h" }));
  await until("both", () => new Set(one.seen.map((run) => run.id)).size === 2 && both.seen.length === 1);
  check.equal(both.seen[0].id, first.id);
  const later = await tasks.trigger("t", 1, { tags: ["late"] });
  await server.call("POST", `/api/v1/runs/${later.id}/tags`, { tags: ["u:1"] });
  await until("the run that was tagged later", () => both.last().id === later.id && one.last().id === later.id);
  await server.put(first.id, [{ type: "set", key: "x", value: 1 }]);
  await until("a change", () => both.last().id === first.id && both.last().metadata.x === 1);
  both.stop();
  one.stop();
  await Promise.all([both.done, one.done]);
});

test("a tag that no run has, and then one", async () => {
  const none = follow(runs.subscribeToRunsWithTag("rare:tag"));
  await new Promise((done) => setTimeout(done, 300));
  check.equal(none.seen.length, 0);
  const { id } = await tasks.trigger("t", 1, { tags: ["rare:tag"] });
  await until("it", () => none.last()?.id === id);
  none.stop();
  await none.done;
});

test("a batch: each of its runs, and their changes", async () => {
  const handle = await tasks.batchTrigger("import-csv", [1, 2, 3].map((row) => ({ payload: { row } })));
  const seen = follow(runs.subscribeToBatch(handle.batchId));
  await until("three runs", () => new Set(seen.seen.map((run) => run.id)).size === 3);
  const of = seen.seen.find((run) => run.payload.row === 2).id;
  await server.finish(of, { output: "done" });
  await until("the end of one", () => seen.last().id === of && seen.last().output === "done");
  seen.stop();
  await seen.done;
});

test("by public tokens", async () => {
  const handle = await tasks.trigger("t", 1, { tags: ["pub:1"] });
  const tagged = await auth.createPublicToken({ scopes: { read: { tags: "pub:1" } } });
  await auth.withAuth({ accessToken: handle.publicAccessToken }, async () => {
    const run = follow(runs.subscribeToRun(handle.id));
    await until("the first row", () => run.seen.length);
    run.stop();
    await run.done;
  });
  await auth.withAuth({ accessToken: tagged }, async () => {
    const run = follow(runs.subscribeToRunsWithTag("pub:1"));
    await until("the first row", () => run.seen.length);
    run.stop();
    await run.done;
  });
});

test("withStreams opens none, as there are none", async () => {
  const handle = await tasks.trigger("t", 1, { metadata: { n: 0 } });
  const parts = [];
  const all = (async () => {
    // Of itself the client goes on for a while after the end: there may be more of a stream.
    for await (const part of runs.subscribeToRun(handle.id).withStreams()) {
      parts.push(part);
      if (part.run?.isCompleted) break;
    }
  })();
  await until("the first row", () => parts.length);
  await server.finish(handle.id);
  await all;
  check.deepEqual([...new Set(parts.map((part) => part.type))], ["run"]);
  check.equal(parts.at(-1).run.status, "COMPLETED");
  check.equal((await server.call("GET", `/realtime/v1/streams/${handle.id}/logs`)).status, 501);
});

test("the hooks' fetch is told of what is refused", async () => {
  const { apiClientManager } = await import("@trigger.dev/core/v3");
  const refused = [];
  const abort = new AbortController();
  const stream = apiClientManager.clientOrThrow().subscribeToRun("run_nope", {
    signal: abort.signal, onFetchError: (error) => refused.push(error.status) });
  const reading = (async () => { for await (const run of stream) check.fail(`a row: ${run.id}`); })().catch(() => {});
  await until("404", () => refused.length);
  check.deepEqual(refused, [404]);
  abort.abort();
  await reading;
});

test("100 subscriptions at once get their changes", async () => {
  const handles = await Promise.all(Array.from({ length: 20 }, () => tasks.trigger("many", 1, { metadata: { n: 0 } })));
  const all = Array.from({ length: 100 }, (_, i) => follow(runs.subscribeToRun(handles[i % 20].id)));
  await until("all first rows", () => all.every((run) => run.seen.length));
  for (const { id } of handles) await server.put(id, [{ type: "set", key: "n", value: 1 }]);
  await until("all changes", () => all.every((run) => run.last().metadata.n === 1), 20);
  await Promise.all(handles.map(({ id }) => runs.cancel(id)));
  await Promise.all(all.map((run) => run.done));
  check.ok(all.every((run) => run.ended));
});
