// Runs tasks that were triggered at a `cairn serve`, one at a time, with the executor of Trigger.dev's npm client.
//
//   npm install @trigger.dev/sdk@4.8.3 @trigger.dev/core@4.8.3
//   TRIGGER_API_URL=http://127.0.0.1:4020 TRIGGER_SECRET_KEY=... node worker.mjs tasks.mjs [trigger.config.mjs]
//
// tasks.mjs is a module with tasks, as task({ id: "import-csv", run: async (payload) => ... }). Start as many workers as
// runs shall go at the same time: of several workers that want one run the server gives it to one. Hooks and retries
// work as the task says. What waits for other runs (triggerAndWait, wait.for) does not: that needs Trigger.dev's engine.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import {
  apiClientManager, lifecycleHooks, localsAPI, parsePacket, resourceCatalog, runMetadata, taskContext,
} from "@trigger.dev/core/v3";
import { TriggerTracer } from "@trigger.dev/core/v3/tracer";
import {
  StandardLifecycleHooksManager, StandardLocalsManager, StandardMetadataManager, StandardResourceCatalog, TaskExecutor,
} from "@trigger.dev/core/v3/workers";

const server = process.env.TRIGGER_API_URL;
const key = process.env.TRIGGER_SECRET_KEY;
const [tasksFile, configFile] = process.argv.slice(2);
if (!server || !key || !tasksFile) {
  console.error("usage: TRIGGER_API_URL=... TRIGGER_SECRET_KEY=... node worker.mjs TASKS.mjs [TRIGGER.CONFIG.mjs]");
  process.exit(64);
}

// The managers must be there before the SDK is loaded, and it is loaded by the module with the tasks: without them
// task() and metadata.* do nothing.
const client = apiClientManager.clientOrThrow();
const metadata = new StandardMetadataManager(client);
runMetadata.setGlobalManager(metadata);
resourceCatalog.setGlobalResourceCatalog(new StandardResourceCatalog());
lifecycleHooks.setGlobalLifecycleHooksManager(new StandardLifecycleHooksManager());
localsAPI.setGlobalLocalsManager(new StandardLocalsManager());

const load = (file) => import(pathToFileURL(resolve(file)));
resourceCatalog.setCurrentFileContext(tasksFile, tasksFile);
await load(tasksFile);
resourceCatalog.clearCurrentFileContext();
const tasks = resourceCatalog.listTaskManifests().map((task) => task.id);
if (tasks.length === 0) {
  console.error(`${tasksFile} has no tasks, or its @trigger.dev/sdk is of another version than this @trigger.dev/core`);
  process.exit(64);
}

const config = configFile ? (await load(configFile)).default : {};
for (const hook of ["Init", "Start", "Success", "Failure", "Complete", "Cancel"]) {
  const fn = config[hook === "Init" ? "init" : `on${hook}`];
  if (fn) lifecycleHooks[`registerGlobal${hook}Hook`]({ id: "config", fn });
}

// One request to Cairn, again while the server is not there or has no time. Each try has the same key, so that it
// counts once.
async function call(method, path, body) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json",
                    "x-trigger-request-idempotency-key": randomUUID() };
  for (let tries = 1; ; tries++) {
    try {
      const response = await fetch(server + path, { method, headers, body: body && JSON.stringify(body) });
      if (response.status < 500 || response.headers.get("x-should-retry") === "false") return response;
      console.error(`${method} ${path}: ${response.status}`);
    } catch (error) {
      console.error(`${method} ${path}: ${error.cause?.message ?? error.message}`);
    }
    await sleep(Math.min(100 * 2 ** tries, 10_000));
  }
}

// Metadata that cannot be sent now is sent later, once: the client gives up after a few tries, and forgets it.
client.updateRunMetadata = async (id, body) => {
  const response = await call("PUT", `/api/v1/runs/${id}/metadata`, body);
  if (!response.ok) throw new Error((await response.json()).error);
  return response.json();
};

// True: the run is ours. 409: another worker was faster, or the run was cancelled.
async function take(id) {
  return (await call("POST", `/cairn/v1/runs/${id}/status`, { status: "EXECUTING", from: "QUEUED" })).ok;
}

async function execute(id) {
  // The realtime row has the payload's own text, with its dates; GET /api/v3/runs/:id has it as plain JSON.
  const run = await (await call("GET", `/api/v3/runs/${id}`)).json();
  const [{ value: row }] = await (await call("GET", `/realtime/v1/runs/${id}?offset=-1`)).json();
  const of = { id: "cairn", slug: "cairn", name: "cairn", ref: "cairn", type: "PRODUCTION" };
  const context = {
    task: { id: run.taskIdentifier, filePath: tasksFile },
    run: { id, tags: run.tags, isTest: run.isTest, isReplay: false, idempotencyKey: run.idempotencyKey,
           createdAt: new Date(run.createdAt), startedAt: new Date(run.startedAt),
           parentTaskRunId: run.relatedRuns.parent?.id, rootTaskRunId: run.relatedRuns.root?.id },
    queue: { id: "cairn", name: "cairn" }, environment: of, organization: of, project: of,
    machine: { name: "small-1x", cpu: 0.5, memory: 0.5, centsPerMs: 0 },
  };
  const payload = { payload: row.payload ?? undefined, payloadType: row.payloadType ?? "application/json" };
  metadata.runId = id;
  metadata.runIdIsRoot = run.relatedRuns.root === undefined;  // then metadata.parent and .root are the run itself
  metadata.enterWithMetadata(run.metadata ?? {});
  metadata.startPeriodicFlush(1000);
  const task = resourceCatalog.getTask(run.taskIdentifier);
  const executor = new TaskExecutor(task, {
    tracer: new TriggerTracer({ name: "cairn-worker", version: "1" }),
    consoleInterceptor: { intercept: (_console, work) => work() },
    retries: config.retries,
  });
  const canceled = new AbortController();  // the task's `signal`
  const watching = setInterval(async () => {
    const now = await fetch(`${server}/api/v3/runs/${id}`, { headers: { authorization: `Bearer ${key}` } })
      .then((response) => response.json()).catch(() => undefined);
    if (now?.isCancelled) canceled.abort();
  }, 1000);
  try {
    for (let number = 1; ; number++) {
      const attempt = { ...context, attempt: { number, startedAt: new Date() } };
      taskContext.setGlobalTaskContext({ ctx: attempt, worker: { id: "cairn", version: "1" }, isWarmStart: true });
      const execution = { ...attempt, run: { ...attempt.run, ...payload, metadata: metadata.current() } };
      const { result } = await executor.execute(execution, attempt, canceled.signal);
      if (result.ok || !result.retry) return result;
      await sleep(result.retry.delay);
    }
  } finally {
    clearInterval(watching);
    await lastFlush(id);
    taskContext.setGlobalTaskContext(undefined);
    metadata.reset();
  }
}

// What the task changed since the last flush. It is sent before the run is finished, so that whoever sees the end sees
// all of it.
async function lastFlush(id) {
  while (metadata.isFlushing) await sleep(10);  // one that is under way comes first
  const rest = await parsePacket(await metadata.stopAndReturnLastFlush());
  if (!rest) return;
  try {
    await client.updateRunMetadata(id, rest);
  } catch (error) {
    console.error(`${id}: its last metadata was refused: ${error.message}`);  // larger than the limit, say
  }
}

async function finish(id, result) {
  const message = result.error?.message || result.error?.raw || result.error?.code || "the task failed";
  const failed = (message) => ({ status: "FAILED", error: { message } });
  const end = result.ok ? { status: "COMPLETED", output: result.output, outputType: result.outputType } : failed(message);
  const response = await call("POST", `/cairn/v1/runs/${id}/finish`, end);
  if (response.ok) return;
  const refusal = await response.text();
  console.error(`${id}: ${refusal}`);
  if (response.status === 409 || response.status === 404) return;  // it was cancelled or erased meanwhile, say
  await call("POST", `/cairn/v1/runs/${id}/finish`, failed(`its end was refused: ${refusal.slice(0, 1000)}`));
}

// Lists are the newest first: the last page has the runs that wait longest.
async function longestQueued() {
  const query = `page[size]=100&filter[status]=QUEUED&filter[taskIdentifier]=${tasks.map(encodeURIComponent)}`;
  for (let after = ""; ; ) {
    const response = await call("GET", `/api/v1/runs?${query}${after}`);
    const list = await response.json();
    if (!response.ok) throw new Error(`the server refused: ${list.error}`);
    if (!list.pagination.next) return list.data.reverse();
    after = `&page[after]=${encodeURIComponent(list.pagination.next)}`;
  }
}

let stops = false;  // SIGTERM or Ctrl-C: the run that is under way is done first
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => (stops = true));
console.log(`waiting for runs of ${tasks.join(", ")}`);
while (!stops) {
  let taken = 0;
  const queued = await longestQueued();
  for (const { id } of queued) {
    if (stops || !(await take(id))) continue;
    taken++;
    await finish(id, await execute(id).catch((error) => ({ ok: false, error })));
  }
  if (taken === 0) await sleep(queued.length > 0 ? 20 : 500);
}
process.exit(0);
