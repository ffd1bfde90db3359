// Every call of the client over REST, each answer judged by the client itself.
import { after } from "node:test";
import { check, errorOf, test, until } from "./support/check.mjs";
import { Server, useServer } from "./support/server.mjs";

const server = await Server.start();
useServer(server);
const { batch, idempotencyKeys, runs, tags, tasks } = await import("@trigger.dev/sdk");
const { apiClientManager } = await import("@trigger.dev/core/v3");
after(() => server.stop());
const hour = 3_600_000;

test("trigger takes every option that says something of a run", async () => {
  const at = new Date(0);
  const handle = await tasks.trigger("import-csv", { message: "hello", at, size: 10n }, {
    metadata: { user: { name: "Ada", id: "user_7" }, progress: 0 }, tags: ["user:7", 'a"b', "a,b", "\u00e4"],
    ttl: "10m",
  });
  check.match(handle.id, /^run_[a-z0-9]{26}$/);
  const run = await runs.retrieve(handle.id);
  check.equal(run.status, "QUEUED");
  check.equal(run.isQueued, true);
  check.equal(run.taskIdentifier, "import-csv");
  check.deepEqual(run.metadata, { user: { name: "Ada", id: "user_7" }, progress: 0 });
  check.deepEqual([...run.tags].sort(), ["a\"b", "a,b", "user:7", "\u00e4"].sort());
  check.equal(run.ttl, "10m");
  check.equal(run.payload.message, "hello");
  check.ok(run.createdAt instanceof Date && Math.abs(run.createdAt - Date.now()) < 10_000);
  check.equal(run.isTest, false);
  check.equal(run.triggerFunction, "trigger");
  check.equal(run.depth, 0);
  check.equal(run.finishedAt, undefined);
});

test("trigger without anything", async () => {
  const run = await runs.retrieve((await tasks.trigger("bare")).id);
  check.equal(run.metadata, undefined);
  check.equal(run.payload, undefined);
  check.deepEqual(run.tags, []);
});

test("payloads of every kind come back", async () => {
  for (const payload of ["text", "", 0, 1.5, true, false, null, [1, [2]], { a: { b: [] } }, "\u{1f600}\n\"", {}]) {
    const run = await runs.retrieve((await tasks.trigger("kinds", payload)).id);
    check.deepEqual(run.payload, payload, JSON.stringify(payload));
  }
});

test("test, delay, ttl in seconds, one tag as a text", async () => {
  // The client itself marks as a test only what a test run triggers.
  const marked = await apiClientManager.clientOrThrow().triggerTask("t", { options: { test: true } });
  check.equal((await runs.retrieve(marked.id)).isTest, true);
  const soon = await runs.retrieve((await tasks.trigger("t", 1, { delay: "1h" })).id);
  check.equal(soon.status, "DELAYED");
  check.ok(Math.abs(soon.delayedUntil - Date.now() - hour) < 10_000);
  const until = new Date(Date.now() + 2 * hour);
  check.deepEqual((await runs.retrieve((await tasks.trigger("t", 1, { delay: until })).id)).delayedUntil, until);
  check.equal((await runs.retrieve((await tasks.trigger("t", 1, { ttl: 90 })).id)).ttl, "90s");
  check.deepEqual((await runs.retrieve((await tasks.trigger("t", 1, { tags: "one" })).id)).tags, ["one"]);
});

test("a delay that is over makes a run queued, a ttl that is over ends it", async () => {
  const delayed = await tasks.trigger("soon", 1, { delay: new Date(Date.now() + 700) });
  const expired = await tasks.trigger("soon", 1, { ttl: "1s" });
  check.equal((await runs.retrieve(delayed.id)).status, "DELAYED");
  await until("QUEUED", async () => (await runs.retrieve(delayed.id)).status === "QUEUED");
  const end = await runs.poll(expired.id, { pollIntervalMs: 100 });
  check.equal(end.status, "EXPIRED");
  check.equal(end.isCompleted, true);
});

test("options for queues and machines are taken and say nothing", async () => {
  const handle = await tasks.trigger("t", 1, { queue: "q", concurrencyKey: "c", machine: "micro", maxAttempts: 3,
                                               maxDuration: 60, priority: 5, region: "eu", version: "1", concurrency: "c",
                                               externalDeploymentId: "d", debounce: { key: "k", delay: "1s" } });
  check.equal((await runs.retrieve(handle.id)).status, "QUEUED");
});

test("a task's name may be anything", async () => {
  for (const task of ["a/b", "a b", "%2F", "#?&", "\u00e4\u{1f600}"]) {
    check.equal((await runs.retrieve((await tasks.trigger(task, 1)).id)).taskIdentifier, task);
  }
});

test("an idempotency key gives one run, until it is reset", async () => {
  const key = await idempotencyKeys.create("k1", { scope: "global" });
  const [a, b] = [await tasks.trigger("once", 1, { idempotencyKey: key }),
                  await tasks.trigger("once", 2, { idempotencyKey: key })];
  check.equal(b.id, a.id);
  check.equal(b.isCached, true);
  check.notEqual((await tasks.trigger("other", 1, { idempotencyKey: key })).id, a.id);
  check.deepEqual(await idempotencyKeys.reset("once", key), { id: (await runs.retrieve(a.id)).idempotencyKey });
  check.notEqual((await tasks.trigger("once", 1, { idempotencyKey: key })).id, a.id);
  await tasks.trigger("once", 1, { idempotencyKey: "plain", idempotencyKeyTTL: "1s" });
  check.equal((await tasks.trigger("once", 1, { idempotencyKey: "plain" })).isCached, true);
  check.equal((await errorOf(() => idempotencyKeys.reset("once", "never", { scope: "global" }))).status, 404);
});

test("an idempotency key is forgotten when its time is over, or its run failed", async () => {
  const a = await tasks.trigger("failing", 1, { idempotencyKey: "f" });
  await server.finish(a.id, { status: "FAILED", error: "no" });
  const b = await tasks.trigger("failing", 1, { idempotencyKey: "f" });
  check.notEqual(b.id, a.id);
  const c = await tasks.trigger("failing", 1, { idempotencyKey: "short", idempotencyKeyTTL: "1s" });
  await until("another run", async () =>
    (await tasks.trigger("failing", 1, { idempotencyKey: "short", idempotencyKeyTTL: "1s" })).id !== c.id);
});

test("poll waits for the end, and has the output", async () => {
  const handle = await tasks.trigger("t", 1);
  setTimeout(() => server.finish(handle.id, { output: { rows: 3 } }), 300);
  const run = await runs.poll(handle.id, { pollIntervalMs: 50 });
  check.equal(run.status, "COMPLETED");
  check.deepEqual(run.output, { rows: 3 });
  check.equal(run.isSuccess, true);
  check.ok(run.finishedAt instanceof Date);
});

test("a failed run has its error", async () => {
  const handle = await tasks.trigger("t", 1);
  await server.finish(handle.id, { status: "FAILED", error: { message: "no such file" } });
  const run = await runs.retrieve(handle.id);
  check.equal(run.isFailed, true);
  check.equal(run.error.message, "no such file");
});

test("list filters by status, task, tag, test, batch and time", async () => {
  const begin = new Date();
  const tested = { options: { tags: ["l:b", "l:all"], test: true } };
  const [a, b, c] = [await tasks.trigger("l1", 1, { tags: ["l:a", "l:all"] }),
                     await apiClientManager.clientOrThrow().triggerTask("l2", tested),
                     await tasks.trigger("l2", 1, { tags: ["l:all"] })];
  await runs.cancel(c.id);
  const ids = async (query) => (await runs.list({ tag: "l:all", ...query })).data.map((run) => run.id);
  check.deepEqual(await ids({}), [c.id, b.id, a.id]);
  check.deepEqual(await ids({ status: "QUEUED" }), [b.id, a.id]);
  check.deepEqual(await ids({ status: ["QUEUED", "CANCELED"] }), [c.id, b.id, a.id]);
  check.deepEqual(await ids({ taskIdentifier: "l1" }), [a.id]);
  check.deepEqual(await ids({ taskIdentifier: ["l1", "l2"] }), [c.id, b.id, a.id]);
  check.deepEqual(await ids({ tag: ["l:a", "l:b"] }), [b.id, a.id]);
  check.deepEqual(await ids({ isTest: true }), [b.id]);
  check.deepEqual(await ids({ isTest: false }), [c.id, a.id]);
  check.deepEqual(await ids({ from: begin }), [c.id, b.id, a.id]);
  check.deepEqual(await ids({ to: new Date(begin - 1000) }), []);
  const { createdAt } = await runs.retrieve(a.id);
  check.ok((await ids({ to: createdAt })).includes(a.id));
  check.deepEqual(await ids({ period: "1h" }), [c.id, b.id, a.id]);
  const [run] = (await runs.list({ tag: "l:a" })).data;
  check.equal(run.env.name, "dev");
  check.equal(run.status, "QUEUED");
});

test("list says which filter it cannot answer", async () => {
  for (const [name, value] of [["version", "1"], ["schedule", "s"], ["queue", { type: "custom", name: "q" }],
                               ["machine", "micro"], ["region", "eu"]]) {
    const error = await errorOf(() => runs.list({ [name]: value }, { retry: { maxAttempts: 1 } }));
    check.equal(error.status, 400, name);
    check.match(error.message, new RegExp(name));
  }
});

test("pages go forth and back, and neither skip nor repeat", async () => {
  const wanted = [];
  for (let i = 0; i < 7; i++) wanted.unshift((await tasks.trigger("paged", i)).id);
  const first = await runs.list({ taskIdentifier: "paged", limit: 3 });
  check.deepEqual(first.data.map((run) => run.id), wanted.slice(0, 3));
  check.equal(first.hasPreviousPage(), false);
  const second = await first.getNextPage();
  check.deepEqual(second.data.map((run) => run.id), wanted.slice(3, 6));
  await server.put(wanted[4], [{ type: "set", key: "a", value: 1 }]);
  const third = await second.getNextPage();
  check.deepEqual(third.data.map((run) => run.id), wanted.slice(6));
  check.equal(third.hasNextPage(), false);
  check.deepEqual((await third.getPreviousPage()).data.map((run) => run.id), wanted.slice(3, 6));
  const all = [];
  for await (const run of runs.list({ taskIdentifier: "paged", limit: 2 })) all.push(run.id);
  check.deepEqual(all, wanted);
  check.equal((await apiClientManager.clientOrThrow().listProjectRuns("proj_1", { taskIdentifier: "paged" })).data.length, 7);
});

test("cancel ends a run once", async () => {
  const { id } = await tasks.trigger("t", 1);
  check.deepEqual(await runs.cancel(id), { id });
  const run = await runs.retrieve(id);
  check.equal(run.isCancelled, true);
  await runs.cancel(id);
  check.deepEqual((await runs.retrieve(id)).finishedAt, run.finishedAt);
  check.equal((await server.finish(id)).status, 409);
  check.equal((await errorOf(() => runs.cancel("run_nope"))).status, 404);
});

test("replay makes the run that was triggered", async () => {
  const { id } = await tasks.trigger("t", { a: 1 }, { metadata: { n: 0 }, tags: ["r"] });
  await server.put(id, [{ type: "set", key: "n", value: 5 }]);
  const again = await runs.retrieve((await runs.replay(id)).id);
  check.notEqual(again.id, id);
  check.deepEqual(again.metadata, { n: 0 });
  check.deepEqual(again.payload, { a: 1 });
  check.deepEqual(again.tags, ["r"]);
  const other = await runs.retrieve((await runs.replay(id, { payload: { b: 2 }, metadata: { m: 1 }, tags: ["s"] })).id);
  check.deepEqual([other.payload, other.metadata, other.tags], [{ b: 2 }, { m: 1 }, ["s"]]);
  check.equal((await errorOf(() => runs.replay("run_nope"))).status, 404);
});

test("reschedule moves a delayed run, and no other", async () => {
  const { id } = await tasks.trigger("t", 1, { delay: "1h" });
  const to = new Date(Date.now() + 3 * hour);
  check.deepEqual((await runs.reschedule(id, { delay: to })).delayedUntil, to);
  const queued = await tasks.trigger("t", 1);
  check.equal((await errorOf(() => runs.reschedule(queued.id, { delay: "1h" }))).status, 400);
});

test("tags outside of a run are refused by the client; by its inner call they are added", async () => {
  check.match((await errorOf(() => tags.add("x"))).message, /outside of a run/);
  const { id } = await tasks.trigger("t", 1, { tags: ["a"] });
  const client = apiClientManager.clientOrThrow();
  check.deepEqual(await client.addTags(id, { tags: ["a", "b", "c"] }), { message: "Successfully set 2 new tags." });
  check.equal((await errorOf(() => client.addTags(id, { tags: "bcdefghijkl".split("") }))).status, 422);
  check.deepEqual((await runs.retrieve(id)).tags, ["a", "b", "c"]);
});

test("batches: one task, several tasks, items with options, the order of the items", async () => {
  const items = Array.from({ length: 25 }, (_, row) => ({ payload: { row }, options: { metadata: { row }, tags: ["b:1"] } }));
  const handle = await tasks.batchTrigger("import-csv", items);
  check.equal(handle.runCount, 25);
  const found = await batch.retrieve(handle.batchId);
  check.equal(found.runCount, 25);
  check.equal(found.runs.length, 25);
  for (const row of [0, 7, 24]) {
    const run = await runs.retrieve(found.runs[row]);
    check.deepEqual([run.payload, run.metadata, run.batchId, run.triggerFunction],
                    [{ row }, { row }, handle.batchId, "batchTrigger"]);
  }
  check.equal((await runs.list({ batch: handle.batchId, limit: 100 })).data.length, 25);
  for (const run of found.runs) await server.finish(run);
  check.equal((await batch.retrieve(handle.batchId)).status, "COMPLETED");
  const mixed = await batch.trigger([{ id: "one", payload: 1 }, { id: "two", payload: "text" }]);
  const names = await Promise.all((await batch.retrieve(mixed.batchId)).runs.map((run) => runs.retrieve(run)));
  check.deepEqual(names.map((run) => run.taskIdentifier), ["one", "two"]);
  const cached = { idempotencyKey: "bk" };
  const once = await tasks.batchTrigger("t", [{ payload: 1 }], cached);
  const twice = await tasks.batchTrigger("t", [{ payload: 1 }], cached);
  check.equal(twice.batchId, once.batchId);
  check.equal((await errorOf(() => batch.retrieve("batch_nope", { retry: { maxAttempts: 1 } }))).status, 404);
});

test("the task's own calls, and those that take a handle or a task", async () => {
  const { task } = await import("@trigger.dev/sdk");
  const mine = task({ id: "mine", run: async () => {} });
  const handle = await mine.trigger({ a: 1 }, { metadata: { m: 1 } });
  check.deepEqual((await runs.retrieve(handle)).metadata, { m: 1 });
  const of_task = await mine.batchTrigger([{ payload: 1 }, { payload: 2, options: { metadata: { m: 2 } } }]);
  const by_task = await batch.triggerByTask([{ task: mine, payload: 3 }]);
  const all = [...(await batch.retrieve(of_task.batchId)).runs, ...(await batch.retrieve(by_task.batchId)).runs];
  const found = await Promise.all(all.map((id) => runs.retrieve(id)));
  check.deepEqual(found.map((run) => [run.taskIdentifier, run.payload, run.metadata]),
                  [["mine", 1, undefined], ["mine", 2, { m: 2 }], ["mine", 3, undefined]]);
  async function* items() { for (let row = 0; row < 3; row++) yield { payload: { row } }; }
  const streamed = await tasks.batchTrigger("mine", items());
  check.equal((await batch.retrieve(streamed.batchId)).runs.length, 3);
});

test("errors have the client's classes", async () => {
  const once = { retry: { maxAttempts: 1 } };
  const sdk = await import("@trigger.dev/core/v3");
  const missing = await errorOf(() => runs.retrieve("run_nope", once));
  check.ok(missing instanceof sdk.NotFoundError);
  check.match(missing.message, /Not found/);
  for (const [options, status, name, text] of [
    [{ metadata: [1] }, 400, "BadRequestError", /metadata must be a JSON object/],
    [{ metadata: "text" }, 400, "BadRequestError", /metadata must be a JSON object/],
    [{ metadata: { a: "x".repeat(5000) } }, 413, "ApiError", /exceeds maximum size of 4096 bytes/],
    [{ tags: Array.from({ length: 11 }, (_, i) => `t${i}`) }, 422, "UnprocessableEntityError", /10 tags/],
    [{ tags: "x".repeat(129) }, 400, "BadRequestError", /tags/],
    [{ delay: "soon" }, 422, "UnprocessableEntityError", /delay/],
    [{ ttl: "ever" }, 422, "UnprocessableEntityError", /ttl/],
  ]) {
    const error = await errorOf(() => tasks.trigger("t", 1, options, once));
    check.equal(error.status, status, JSON.stringify(options).slice(0, 60));
    check.ok(error instanceof sdk[name], `${error.constructor.name} is no ${name}`);
    check.match(error.message, text);
  }
  const { auth } = await import("@trigger.dev/sdk");
  const wrong = await errorOf(() => auth.withAuth({ accessToken: "tr_wrong_key_0123456789" }, () => runs.list()));
  check.ok(wrong instanceof sdk.AuthenticationError);
  check.equal(wrong.message, "Invalid API key");
});

test("what is not served says so at once", async () => {
  const { envvars, queues, schedules, streams, wait } = await import("@trigger.dev/sdk");
  const begin = Date.now();
  for (const [what, work, status] of [
    ["queues", () => queues.list(), 404], ["schedules", () => schedules.list(), 404],
    ["environment variables", () => envvars.list("proj_1", "dev"), 404], ["waitpoints", () => wait.createToken(), 404],
    ["bulk actions", () => runs.bulk.list(), 404],
  ]) {
    const error = await errorOf(work);
    check.equal(error.status, status, what);
    check.match(error.message, new RegExp(what));
  }
  check.match((await errorOf(() => tasks.trigger("t", "x".repeat(200_000)))).message, /128 KiB/);
  check.equal(typeof streams, "object");
  check.ok(Date.now() - begin < 8000, `it took ${Date.now() - begin} ms`);
});
