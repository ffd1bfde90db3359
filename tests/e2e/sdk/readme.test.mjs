// The README's program for the npm client, as it stands there.
import { readFileSync, writeFileSync } from "node:fs";
import { after } from "node:test";
import { check, test } from "./support/check.mjs";
import { key, printed, Server, start } from "./support/server.mjs";

const server = await Server.start();
after(() => server.stop());

test("It triggers a run and follows it to its end", async () => {
  const [block] = readFileSync("README.md", "utf8").match(/(?<=^```js\n)[^]*?(?=^```$)/m);
  check.match(block, /subscribeToRun/);
  writeFileSync("follow.mjs", block);
  const follow = start(["node", "follow.mjs"], { TRIGGER_API_URL: server.url, TRIGGER_SECRET_KEY: key });
  await printed(follow, /^QUEUED { progress: 0 }$/m);
  const { json } = await server.call("GET", "/api/v1/runs");
  const [{ id }] = json.data;
  check.equal((await server.status(id, "EXECUTING")).status, 200);
  check.equal((await server.put(id, [{ type: "set", key: "progress", value: 1 }])).status, 200);
  await printed(follow, /^EXECUTING { progress: 1 }$/m);
  check.equal((await server.finish(id, { status: "COMPLETED" })).status, 200);
  check.equal(await follow.ended, 0, follow.output);
  check.match(follow.output, /^COMPLETED { progress: 1 }$/m);
});
