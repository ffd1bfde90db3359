// api/server/examples/worker.mjs, which users copy: what the client's own executor and metadata manager do in a run.
import { writeFileSync } from "node:fs";
import { after, before } from "node:test";
import { check, test, until } from "./support/check.mjs";
import { Server, useServer } from "./support/server.mjs";
import { startProgram, startWorker } from "./support/workers.mjs";

const server = await Server.start();
useServer(server);
const { runs, tasks } = await import("@trigger.dev/sdk");
const workers = [];
const many = process.env.CAIRN_SDK_SHORT ? 5 : 20;
before(async () => { workers.push(...await Promise.all([1, 2].map(() => startWorker(server, "tasks/metadata.mjs")))); });
after(() => server.stop());

async function done(task, payload, options) {
  const { id } = await tasks.trigger(task, payload, options);
  return runs.poll(id, { pollIntervalMs: 50 });
}

test("every call on a run's own metadata", async () => {
  const run = await done("every-call", 1, { metadata: { given: { deep: false } } });
  const end = { given: { deep: true }, a: 1, b: [1], n: 4, list: [{ x: 1 }] };
  check.deepEqual(run.output, [{ given: { deep: false } }, { deep: false }, end]);
  check.deepEqual(run.metadata, { ...end, after: "flush" });
  check.ok(run.startedAt >= run.createdAt && run.finishedAt >= run.startedAt);
  check.equal(run.attemptCount, 1);
});
test("replace", async () => {
  check.deepEqual((await done("replaces", 1, { metadata: { old: 1 } })).metadata, { fresh: true, n: 1 });
});
test("refresh shows what others changed, and loses nothing", async () => {
  const { id } = await tasks.trigger("refreshes", { by: { task: "adds", payload: { a: 0, b: 0 } } }, { metadata: { n: 0 } });
  await until("EXECUTING", async () => (await runs.retrieve(id)).isExecuting);
  check.equal((await server.put(id, [{ type: "set", key: "other", value: "here" }])).status, 200);
  const run = await runs.poll(id, { pollIntervalMs: 50 });
  check.deepEqual(run.output, { n: 0, other: "here", mine: 1 });
  check.deepEqual(run.metadata, run.output);
});
test("parent and root of a grandchild", async () => {
  const root = await done("child", { row: 1 }, { metadata: { unwanted: 1 } });
  const child = await runs.poll(root.output, { pollIntervalMs: 50 });
  check.equal(child.taskIdentifier, "grandchild");
  check.equal(child.depth, 1);
  check.equal(child.relatedRuns.parent.id, root.id);
  check.equal(child.relatedRuns.root.id, root.id);
  check.deepEqual(child.metadata, { own: true });
  // Here parent and root are one run. What the parent gets comes before what the root gets, as the lists of the request.
  const after = await runs.retrieve(root.id);
  check.deepEqual(after.metadata, { children: 1, of: "grandchild", n: 8, list: [{ row: 1 }, { row: 1 }] });
  check.equal(after.relatedRuns.children[0].id, child.id);
});
test("a run without a parent is its own parent and root", async () => {
  check.deepEqual((await done("parent-of-itself", 1)).metadata, { p: 1, r: 2 });
});
test("triggerAndSubscribe waits for what another worker does", async () => {
  check.deepEqual((await done("waits-for-child")).output, { ok: true, output: { sum: 3 } });
});
test("what waits for other runs says that it cannot", async () => {
  const { code, ms, ok, runs: of_batch, waited } = (await done("cannot-wait")).output;
  check.deepEqual([ok, of_batch], [false, 0]);
  check.match(code, /^CONFIGURED_INCORRECTLY/);
  check.match(waited, /does not serve the protocol of Trigger.dev's workers/);
  check.ok(ms < 2000, `${ms} ms`);
});
test("idempotency keys of a run, an attempt, and all runs", async () => {
  const [a, b] = [(await done("keys")).output, (await done("keys")).output];
  check.equal(new Set(a.slice(0, 4)).size, 4);
  check.deepEqual(a.slice(4, 8), a.slice(0, 4));
  check.notEqual(a[8], a[0]);
  check.deepEqual([0, 1, 2, 3].map((i) => a[i] === b[i]), [false, false, false, true]);
});
test("tags.add in a run", async () => {
  const run = await done("tags", 1, { tags: ["first"] });
  check.deepEqual([...run.tags].sort(), ["added", "first", "twice"]);
});
test("payload and output keep dates and the like", async () => {
  const at = new Date(1234567890123);
  const { id } = await tasks.trigger("dates", { at, big: 10n, set: new Set([1]) });
  let last;
  for await (const run of runs.subscribeToRun(id)) last = run;
  check.deepEqual(last.output, { kinds: [true, "bigint", true], at });
});
test("a run that fails has its error, and the metadata from before", async () => {
  const run = await done("fails", 1);
  check.equal(run.status, "FAILED");
  check.equal(run.error.message, "no such column");
  check.deepEqual(run.metadata, { before: true });
});
test("a run that fails without a word ends too", async () => {
  const run = await done("fails-silently", 1);
  check.equal(run.status, "FAILED");
});
test("retries are the task's", async () => {
  const run = await done("fails-twice", 1);
  check.equal(run.output, 3);
  check.deepEqual(run.metadata, { attempts: 3 });
});
test("hooks of the task, after success and after failure", async () => {
  check.deepEqual((await done("hooks", {})).metadata.calls,
                  ["init", "onStart", "run", "onSuccess", "onComplete", "cleanup"]);
  check.deepEqual((await done("hooks", { fail: true })).metadata.calls,
                  ["init", "onStart", "run", "onFailure", "onComplete", "cleanup"]);
});
test("metadata over the limit: the run goes on, the worker says it", async () => {
  const run = await done("too-large", 1);
  check.equal(run.status, "COMPLETED");
  check.deepEqual(run.metadata, { fits: 1 });
  check.ok(workers.some((worker) => worker.output.includes("exceeds maximum size of 4096 bytes")));
});
test("an output of 128 KiB and more ends the run with an error that says so", async () => {
  check.equal((await done("large-output", { size: 100_000 })).output.length, 100_000);
  const run = await done("large-output", { size: 200_000 });
  check.equal(run.status, "FAILED");
  check.match(run.error.message, /128 KiB/);
});
test("a run that is cancelled while it is worked on stays cancelled", async () => {
  const { id } = await tasks.trigger("idles", 1);
  await until("EXECUTING", async () => (await runs.retrieve(id)).isExecuting);
  await runs.cancel(id);
  await until("the worker says it", () => workers.some((worker) => worker.output.includes(`${id}: `)));
  check.equal((await runs.retrieve(id)).status, "CANCELED");
});
test("a task that is cancelled is told so by its signal", async () => {
  const { id } = await tasks.trigger("listens", 1);
  await until("EXECUTING", async () => (await runs.retrieve(id)).isExecuting);
  await runs.cancel(id);
  await until("the task ends", () => workers.some((worker) => worker.output.includes("it was told to stop")));
  check.equal((await runs.retrieve(id)).status, "CANCELED");
});
test("a module without tasks is no worker", async () => {
  writeFileSync("none.mjs", "export const nothing = 1;\n");
  const { id } = await tasks.trigger("of-nobody", 1);
  const child = startProgram("none.mjs", server);
  check.equal(await child.ended, 64);
  check.match(child.output, /none\.mjs has no tasks/);
  check.equal((await runs.retrieve(id)).status, "QUEUED");
});
test(`${many} workers: each run is done once`, { timeout: 160_000 }, async () => {
  const { batchId } = await tasks.batchTrigger("counts", Array.from({ length: 60 }, (_, row) => ({ payload: { row } })));
  while (workers.length < many) {
    workers.push(...await Promise.all([1, 2, 3].slice(0, many - workers.length).map(() =>
      startWorker(server, "tasks/metadata.mjs"))));
    if (workers.length < many) continue;
    await tasks.batchTrigger("counts", Array.from({ length: 60 }, (_, row) => ({ payload: { row }, options: { tags: "late" } })));
  }
  const all = async () => (await runs.list({ taskIdentifier: "counts", limit: 100 }));
  await until("all are done", async () => {
    const first = await all();
    const found = [...first.data, ...(first.hasNextPage() ? (await first.getNextPage()).data : [])];
    return found.length === 120 && found.every((run) => run.isCompleted);
  }, 80);
  for await (const run of runs.list({ taskIdentifier: "counts", limit: 100 })) {
    check.equal(run.status, "COMPLETED");
    check.equal(run.metadata.done, 1, run.id);
  }
  check.equal((await runs.list({ batch: batchId, limit: 100 })).data.length, 60);
});
// Longer than the client itself tries.
test("increments made while the server is away count once", { skip: process.env.CAIRN_SDK_SHORT && "takes 15 s" }, async () => {
  const { id } = await tasks.trigger("ticks", { times: 140 });
  await until("some are there", async () => (await runs.retrieve(id)).metadata?.n > 5);
  await server.stop("SIGKILL");
  await new Promise((wait) => setTimeout(wait, 10_000));
  await server.go();
  check.deepEqual((await runs.poll(id, { pollIntervalMs: 100 })).metadata, { n: 140 });
});
test("workers wait for a server that is away, and end by SIGTERM", async () => {
  await server.stop("SIGKILL");
  await new Promise((wait) => setTimeout(wait, 700));
  await server.go();
  check.deepEqual((await done("adds", { a: 2, b: 2 })).output, { sum: 4 });
  check.deepEqual([...new Set(await Promise.all(workers.map((worker) => worker.stop())))], [0]);
});
