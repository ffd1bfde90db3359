// Public tokens: what the client signs, or asks for, and what they open.
import { after } from "node:test";
import { check, errorOf, test } from "./support/check.mjs";
import { Server, key, useServer } from "./support/server.mjs";

const server = await Server.start();
useServer(server);
const { auth, batch, configure, runs, tasks } = await import("@trigger.dev/sdk");
after(() => server.stop());
const as = (accessToken, work) => auth.withAuth({ accessToken }, work);
const once = { retry: { maxAttempts: 1 } };

/// The status that the work is refused with.
const refused = async (accessToken, work) => (await errorOf(() => as(accessToken, work))).status;

test("configure gives the client its server and key, too", async () => {
  configure({ baseURL: server.url, accessToken: key });
  check.equal((await runs.retrieve((await tasks.trigger("t", 1)).id)).status, "QUEUED");
});

test("a handle's token reads its run and no other", async () => {
  const [a, b] = [await tasks.trigger("t", 1, { tags: ["x"] }), await tasks.trigger("t", 1)];
  check.equal((await as(a.publicAccessToken, () => runs.retrieve(a.id))).id, a.id);
  check.equal(await refused(a.publicAccessToken, () => runs.retrieve(b.id, once)), 403);
  check.equal(await refused(a.publicAccessToken, () => runs.list({}, once)), 403);
  check.equal(await refused(a.publicAccessToken, () => runs.cancel(a.id, once)), 403);
  check.equal(await refused(a.publicAccessToken, () => tasks.trigger("t", 1, {}, once)), 403);
});

test("createPublicToken: runs, tags, tasks, batches, writing", async () => {
  const { id } = await tasks.trigger("scoped", 1, { tags: ["user:1"] });
  const other = await tasks.trigger("unscoped", 1);
  const { batchId } = await tasks.batchTrigger("in-batch", [{ payload: 1 }]);
  const token = (scopes, options = {}) => auth.createPublicToken({ scopes, ...options });
  const [of_run, of_runs, of_all, of_tag, of_task, of_batch, of_write] = await Promise.all([
    token({ read: { runs: id } }), token({ read: { runs: [id, other.id] } }), token({ read: { runs: true } }),
    token({ read: { tags: "user:1" } }), token({ read: { tasks: "scoped" } }), token({ read: { batch: batchId } }),
    token({ write: { runs: id } })]);
  for (const [name, of] of Object.entries({ of_run, of_runs, of_all, of_tag, of_task })) {
    check.equal((await as(of, () => runs.retrieve(id))).id, id, name);
  }
  check.equal(await refused(of_run, () => runs.retrieve(other.id, once)), 403);
  check.equal(await refused(of_tag, () => runs.retrieve(other.id, once)), 403);
  check.equal(await refused(of_task, () => runs.retrieve(other.id, once)), 403);
  check.equal((await as(of_runs, () => runs.retrieve(other.id))).id, other.id);
  check.ok((await as(of_all, () => runs.list())).data.length >= 3);
  check.equal((await as(of_task, () => runs.list({ taskIdentifier: "scoped" }))).data.length, 1);
  check.equal((await as(of_batch, () => batch.retrieve(batchId))).runCount, 1);
  check.equal(await refused(of_batch, () => runs.retrieve(id, once)), 403);
  check.equal(await refused(of_write, () => runs.retrieve(id, once)), 403);
  check.equal((await as(of_write, () => runs.cancel(id))).id, id);
  const error = await errorOf(() => as(of_run, () => runs.retrieve(other.id, once)));
  check.deepEqual([error.code, error.param, error.type], ["unauthorized", "access_token", "authorization"]);
});

test("a token of no scope opens nothing; an expired one says so", async () => {
  const { id } = await tasks.trigger("t", 1);
  check.equal(await refused(await auth.createPublicToken({}), () => runs.retrieve(id, once)), 403);
  const old = await auth.createPublicToken({ scopes: { read: { runs: true } }, expirationTime: new Date(Date.now() - 1000) });
  const error = await errorOf(() => as(old, () => runs.retrieve(id, once)));
  check.deepEqual([error.status, error.message], [401, "Public Access Token has expired."]);
  const forged = old.slice(0, -4) + "AAAA";
  check.equal(await refused(forged, () => runs.retrieve(id, once)), 401);
});

test("a trigger token is good for one run; more of them if asked for", async () => {
  const single = await auth.createTriggerPublicToken("import-csv");
  check.equal(await refused(single, () => tasks.trigger("other", 1, {}, once)), 403);
  const handle = await as(single, () => tasks.trigger("import-csv", { row: 1 }));
  check.deepEqual((await as(handle.publicAccessToken, () => runs.retrieve(handle.id))).payload, { row: 1 });
  const again = await errorOf(() => as(single, () => tasks.trigger("import-csv", 1, {}, once)));
  check.equal(again.status, 422);
  check.match(again.message, /used/);
  // A token is its claims, and those have whole seconds: two of one second that say the same are one, used up at once.
  const twins = await Promise.all([1, 2].map(() => auth.createTriggerPublicToken("twins", { expirationTime: "1h" })));
  await as(twins[0], () => tasks.trigger("twins", 1));
  if (twins[0] === twins[1]) check.equal(await refused(twins[1], () => tasks.trigger("twins", 1, {}, once)), 422);
  const many = await auth.createTriggerPublicToken("import-csv", { multipleUse: true });
  check.notEqual((await as(many, () => tasks.trigger("import-csv", 1))).id,
                 (await as(many, () => tasks.trigger("import-csv", 1))).id);
  const short = await auth.createTriggerPublicToken("import-csv", { expirationTime: new Date(Date.now() - 1000) });
  check.equal(await refused(short, () => tasks.trigger("import-csv", 1, {}, once)), 401);
});

test("a batch trigger token makes a batch with its items", async () => {
  const token = await auth.createBatchTriggerPublicToken("import-csv");
  const handle = await as(token, () => tasks.batchTrigger("import-csv", [{ payload: 1 }, { payload: 2 }]));
  check.equal((await as(handle.publicAccessToken, () => batch.retrieve(handle.batchId))).runs.length, 2);
});

test("what public tokens may not do, whatever their scopes", async () => {
  const { id } = await tasks.trigger("t", 1, { delay: "1h" });
  const all = await auth.createPublicToken({ scopes: { admin: true, read: { runs: true }, write: { runs: true } } });
  check.equal(await refused(all, () => runs.replay(id, {}, once)), 401);
  check.equal(await refused(all, () => runs.reschedule(id, { delay: "2h" }, once)), 401);
  for (const [method, path] of [["PUT", `/api/v1/runs/${id}/metadata`], ["GET", `/api/v1/runs/${id}/metadata`],
                                ["POST", `/api/v1/runs/${id}/tags`], ["POST", "/api/v1/auth/jwt/claims"],
                                ["POST", `/cairn/v1/runs/${id}/status`], ["POST", `/cairn/v1/runs/${id}/finish`]]) {
    const body = method === "GET" ? undefined : "{}";
    check.equal((await server.call(method, path, body, { authorization: `Bearer ${all}` })).status, 401, path);
  }
});

test("a server without a token asks nobody", async () => {
  const open = await Server.start({ token: null });
  await auth.withAuth({ baseURL: open.url, accessToken: "anything" }, async () => {
    const handle = await tasks.trigger("t", 1);
    check.equal((await runs.retrieve(handle.id)).id, handle.id);
    check.equal(typeof handle.publicAccessToken, "string");
  });
  await open.stop();
});

test("both keys count while they are exchanged", async () => {
  const { writeFileSync } = await import("node:fs");
  const { join } = await import("node:path");
  const both = await Server.start();
  const other = "the-new-key-of-the-tests-0123456789-abcdef";
  const file = join(both.directory, "new-token");
  writeFileSync(file, other, { mode: 0o600 });
  await both.stop();
  both.words.push("--token-file", file);
  await both.go();
  for (const accessToken of [key, other]) {
    await auth.withAuth({ baseURL: both.url, accessToken }, async () => {
      const { id } = await tasks.trigger("t", 1);
      const token = await auth.createPublicToken({ scopes: { read: { runs: id } } });
      check.equal((await as(token, () => runs.retrieve(id))).id, id);
    });
  }
  await both.stop();
});
