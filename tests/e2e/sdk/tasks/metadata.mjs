// Tasks whose runs change metadata in every way that the client has, and one that is done by many workers.
import { batch, idempotencyKeys, metadata, tags, task, tasks, wait } from "@trigger.dev/sdk";

task({
  id: "every-call",
  run: async () => {
    const seen = [metadata.current(), metadata.get("given")];
    metadata.set("a", 1).set("b", [1]).set("$.given.deep", true).append("b", 2).append("b", 2).remove("b", 2).increment("n")
      .increment("n", 5).decrement("n", 2).set("gone", 0).del("gone").append("list", { x: 1 });
    seen.push(metadata.current());
    await metadata.flush();
    metadata.set("after", "flush");
    return seen;
  },
});

task({
  id: "replaces",
  run: async () => {
    metadata.set("x", 1);
    metadata.replace({ fresh: true });
    metadata.increment("n");
  },
});

task({
  id: "refreshes",
  run: async ({ by }) => {
    // Somebody else changes the run meanwhile: its output says when to look.
    await tasks.trigger(by.task, by.payload);
    for (let tries = 0; tries < 200 && metadata.get("other") === undefined; tries++) {
      await new Promise((done) => setTimeout(done, 50));
      await metadata.refresh();
    }
    metadata.set("mine", 1);
    return metadata.current();
  },
});

task({
  id: "grandchild",
  run: async (payload) => {
    metadata.parent.set("of", "grandchild").increment("n", 1).append("list", payload);
    metadata.root.set("of", "grandchild").increment("n", 10).append("list", payload).remove("list", "absent");
    metadata.root.decrement("n", 3);
    metadata.root.del("unwanted");
    metadata.set("own", true);
  },
});
task({
  id: "child",
  run: async (payload) => {
    metadata.parent.increment("children", 1);
    const { id } = await tasks.trigger("grandchild", payload);
    return id;
  },
});
task({
  id: "parent-of-itself",
  run: async () => {
    metadata.parent.set("p", 1);
    metadata.root.increment("r", 2);
  },
});
task({
  id: "waits-for-child",
  run: async () => {
    const result = await tasks.triggerAndSubscribe("adds", { a: 1, b: 2 });
    return { ok: result.ok, output: result.output };
  },
});
task({
  id: "cannot-wait",
  run: async () => {
    const result = await tasks.triggerAndWait("adds", { a: 1, b: 1 });
    const many = await batch.triggerAndWait([{ id: "adds", payload: { a: 1, b: 1 } }]);
    const begin = Date.now();
    const waited = await wait.for({ seconds: 60 }).then(() => "waited", (error) => error.message);
    return { ok: result.ok, code: result.error?.code ?? String(result.error), runs: many.runs.length, waited, ms: Date.now() - begin };
  },
});
task({
  id: "keys",
  run: async () => {
    const keys = [await idempotencyKeys.create("k"), await idempotencyKeys.create(["k", "l"], { scope: "run" }),
                  await idempotencyKeys.create("k", { scope: "attempt" }), await idempotencyKeys.create("k", { scope: "global" })];
    const ids = [];
    for (const idempotencyKey of [...keys, ...keys]) ids.push((await tasks.trigger("adds", { a: 1, b: 1 }, { idempotencyKey })).id);
    await idempotencyKeys.reset("adds", "k", { scope: "run" });
    ids.push((await tasks.trigger("adds", { a: 1, b: 1 }, { idempotencyKey: keys[0] })).id);
    return ids;
  },
});
task({ id: "adds", run: async ({ a, b }) => ({ sum: a + b }) });

task({ id: "tags", run: async () => tags.add(["added", "twice", "twice"]) });
task({ id: "dates", run: async ({ at, big, set }) => ({ kinds: [at instanceof Date, typeof big, set instanceof Set], at }) });
task({ id: "fails-silently", run: async () => { throw new Error(); } });
task({ id: "fails", run: async () => { metadata.set("before", true); throw new TypeError("no such column"); } });
task({
  id: "fails-twice",
  retry: { maxAttempts: 3, minTimeoutInMs: 10, maxTimeoutInMs: 20, factor: 1 },
  run: async (_payload, { ctx }) => {
    metadata.increment("attempts");
    if (ctx.attempt.number < 3) throw new Error("not yet");
    return ctx.attempt.number;
  },
});
task({
  id: "hooks",
  init: async () => { metadata.append("calls", "init"); },
  onStart: async () => { metadata.append("calls", "onStart"); },
  run: async ({ fail }) => {
    metadata.append("calls", "run");
    if (fail) throw new Error("as asked");
  },
  onSuccess: async () => { metadata.append("calls", "onSuccess"); },
  onFailure: async () => { metadata.append("calls", "onFailure"); },
  onComplete: async () => { metadata.append("calls", "onComplete"); },
  cleanup: async () => { metadata.append("calls", "cleanup"); },
});
task({ id: "too-large", run: async () => { metadata.set("fits", 1); await metadata.flush(); metadata.set("text", "x".repeat(5000)); } });
task({ id: "large-output", run: async ({ size }) => "x".repeat(size) });
task({
  id: "listens",
  run: async (_payload, { signal }) => {
    metadata.set("ready", true);
    await new Promise((done) => signal.addEventListener("abort", done));
    console.log("it was told to stop");
  },
});
task({
  id: "ticks",
  run: async ({ times }) => {
    for (let i = 0; i < times; i++) {
      metadata.increment("n");
      await new Promise((done) => setTimeout(done, 100));
    }
  },
});
task({ id: "idles", run: async () => new Promise((done) => setTimeout(done, 1500)) });
task({
  id: "counts",
  run: async ({ row }) => {
    metadata.set("row", row).increment("done");
    metadata.parent.increment("ignored", 0);
    return { row };
  },
});
