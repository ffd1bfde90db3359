// What the page "Run metadata" of Trigger.dev's documentation shows, in the page's order: metadata_page/ has a program
// for each of its blocks, with the same calls. Those with a task run in a worker; the others get what they use (train).
import { readFileSync, writeFileSync } from "node:fs";
import { transformSync } from "esbuild";
import { after } from "node:test";
import { check, errorOf, test } from "./support/check.mjs";
import { Server, useServer } from "./support/server.mjs";
import { startWorker } from "./support/workers.mjs";

const server = await Server.start();
useServer(server);
const { metadata, runs, task } = await import("@trigger.dev/sdk/v3");
after(() => server.stop());

const text = (block) => readFileSync(`metadata_page/${block}.ts`, "utf8");
/// The block as a module: `before` and `rest` are put around it.
function made(block, before = "", rest = "") {
  const file = `made/${block}.mjs`;
  writeFileSync(file, transformSync(before + text(block) + rest, { loader: "ts" }).code);
  return file;
}
/// A block of statements that use train; its handle.
async function trigger(block) {
  const of_block = await import(`./${made(block, "export async function run(train, Clock) {\n", "\nreturn handle; }")}`);
  class Clock { zone = "UTC"; }
  return of_block.run(task({ id: "train", run: async () => {} }), Clock);
}
const given = { owner: { name: "Ada", team: "vision" } };
/// Runs the block's task once; what its worker printed, and the run as it is then.
async function work(block, first = given, config, before, rest) {
  const worker = await startWorker(server, made(block, before, rest), config);
  try {
    const { id } = await task({ id: "train", run: async () => {} }).trigger({ epochs: 3 },
                                                                           first ? { metadata: first } : {});
    const run = await runs.poll(id, { pollIntervalMs: 50 });
    check.equal(run.status, "COMPLETED", worker.output + (run.error?.message ?? ""));
    return { said: worker.output.split("\n").slice(1).join("\n"), run };
  } finally {
    check.equal(await worker.stop(), 0);
  }
}

test("Usage: trigger with metadata", async () => {
  const handle = await trigger("01_trigger");
  check.deepEqual((await runs.retrieve(handle.id)).metadata, given);
  await runs.cancel(handle.id);
});
test("Usage: read it in the run", async () => {
  check.equal((await work("02_get")).said, "Ada\nvision\n");
});
test("Usage: update it", async () => {
  check.deepEqual((await work("03_update")).run.metadata, { ...given, progress: 1 });
});
test("Usage: current() and get()", async () => {
  check.equal((await work("04_current")).said, "{ owner: { name: 'Ada', team: 'vision' } }\nAda\n");
});
test("Usage: set, save, del", async () => {
  const { said, run } = await work("05_set_save_del");
  check.equal(said, "{ owner: { name: 'Ada', team: 'vision' }, loss: 2.5 }\n{ loss: 1.25 }\n");
  check.equal(run.metadata, undefined);  // none is left
});
test("Usage: in functions that the run calls", async () => {
  check.deepEqual((await work("06_called")).run.metadata, { ...given, progress: 0.5 });
});
test("Usage: outside of a run nothing happens", async () => {
  const { said, run } = await work("07_outside", null, undefined, 'import { task } from "@trigger.dev/sdk/v3";', `
    await outside();
    const read = [metadata.current(), metadata.get("progress")];
    task({ id: "train", run: async () => console.log(read, metadata.current()) });`);
  check.equal(said, "[ undefined, undefined ] {}\n");
  check.equal(run.metadata, undefined);
  // In a process without the client's managers the client itself throws, whatever the page says.
  check.match((await errorOf(async () => metadata.current())).message, /not implemented/);
});
test("Usage: in hooks of the task", async () => {
  const { said, run } = await work("08_hooks");
  check.equal(said, "begun\n");
  check.deepEqual(run.metadata, { ...given, stage: "done" });
});
test("Usage: in hooks of trigger.config.ts", async () => {
  check.deepEqual((await work("06_called", given, made("09_config"))).run.metadata,
                  { ...given, stage: "begun", progress: 0.5 });
  check.deepEqual((await work("02_get", given, made("09_config"))).run.metadata, { ...given, stage: "begun" });
});
test("Propagation: only what is passed on", async () => {
  const child = 'const evaluate = task({ id: "evaluate", run: async () => {} });\n';
  const { run } = await work("10_child", given, undefined, child);
  const [related] = run.relatedRuns.children;
  check.deepEqual((await runs.retrieve(related.id)).metadata, { ...given, progress: 0.5 });
  const { run: alone } = await work("10_child", given, undefined, child.replace("evaluate", "theirs") +
    "const evaluate = { trigger: (payload) => theirs.trigger(payload) };\n");
  check.equal((await runs.retrieve(alone.relatedRuns.children[0].id)).metadata, undefined);
});
test("Types: no array, no text; dates become texts", async () => {
  check.match((await errorOf(() => trigger("11_array"))).message, /metadata must be a JSON object/);
  check.match((await errorOf(() => trigger("12_text"))).message, /metadata must be a JSON object/);
  // The client's own JSON.stringify drops the function and makes the instance an object, before anything is sent.
  const odd = await trigger("13_function");
  check.deepEqual((await runs.retrieve(odd.id)).metadata, { clock: { zone: "UTC" } });
  const dated = await trigger("14_date");
  const found = await runs.retrieve(dated.id);
  check.match(found.metadata.begun, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  for (const handle of [odd, dated]) await runs.cancel(handle.id);
});
test("Types: a schema of Zod", async () => {
  const begun = new Date("2026-11-23T10:00:00.000Z");
  check.equal((await work("15_zod", { ...given, begun })).said, "Ada\nvision\n2026-11-23T10:00:00.000Z\n");
});
test("Inspecting: runs.retrieve", async () => {
  const { id } = await task({ id: "train", run: async () => {} }).trigger({}, { metadata: given });
  const file = made("16_retrieve", "", "\nexport { run };");
  writeFileSync(file, readFileSync(file, "utf8").replace("run_to_look_at", id));
  check.deepEqual((await import(`./${file}`)).run.metadata, given);
  await runs.cancel(id);
});
test("Size limit: 4,096 bytes pass, 4,097 do not", async () => {
  const of_size = (bytes) => ({ text: "x".repeat(bytes - '{"text":""}'.length) });
  const train = task({ id: "train", run: async () => {} });
  const { id } = await train.trigger({}, { metadata: of_size(4096) });
  check.equal((await runs.retrieve(id)).metadata.text.length, 4085);
  const error = await errorOf(() => train.trigger({}, { metadata: of_size(4097) }));
  check.deepEqual([error.status, error.message], [413, "Metadata exceeds maximum size of 4096 bytes"]);
  check.equal((await server.put(id, [{ type: "set", key: "a", value: 1 }])).status, 413);
  await runs.cancel(id);
});
