// The document of the routes: a linter takes it, and what the server answers fits its schemas.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";
import { after } from "node:test";
import { check, test } from "./support/check.mjs";
import { key, Server } from "./support/server.mjs";

const server = await Server.start();
after(() => server.stop());
const ask = async (line, body) => {
  const [method, path] = line.split(" ");
  const response = await fetch(server.url + path, { method, body: body === undefined ? undefined : JSON.stringify(body),
                                                    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" } });
  const text = await response.text();
  return { method, path, status: response.status, type: response.headers.get("content-type"), text };
};
const document = JSON.parse((await ask("GET /openapi.json")).text);
const ajv = new Ajv({ strict: false, formats: { "date-time": true }, allErrors: true });
ajv.addSchema({ $id: "doc", components: document.components });
const inDocument = (schema) => JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"doc#/'));

/// What the document says of the answer; fails if it says nothing.
function expectAsDescribed(answer) {
  const path = answer.path.split("?")[0];
  const found = Object.keys(document.paths).find((pattern) => // no pattern is hidden by a parameter of another
    new RegExp("^" + pattern.replaceAll(/\{[^}]*\}/g, "[^/]+") + "$").test(path));
  check.ok(found, path);
  let response = document.paths[found][answer.method.toLowerCase()].responses[answer.status];
  check.ok(response, `${answer.method} ${answer.path} answers ${answer.status}: ${answer.text}`);
  if (response.$ref !== undefined) response = document.components.responses[response.$ref.split("/").at(-1)];
  const content = response.content?.[answer.type.split(";")[0]];
  check.ok(content, `${answer.path}: ${answer.type}`);
  if (answer.type !== "application/json") return;
  const validate = ajv.compile(inDocument(content.schema));
  check.ok(validate(JSON.parse(answer.text)), `${answer.path}: ${ajv.errorsText(validate.errors)} ${answer.text}`);
}

test("a linter takes the document", () => {
  writeFileSync("made/openapi.json", JSON.stringify(document));
  writeFileSync("made/redocly.yaml", "extends: [recommended]\nrules:\n  no-server-example.com: error\n");
  const words = ["node_modules/@redocly/cli/bin/cli.js", "lint", "made/openapi.json", "--config", "made/redocly.yaml"];
  const said = execFileSync(process.execPath, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"],
                                                       env: { ...process.env, REDOCLY_TELEMETRY: "off" } });
  check.ok(!/error/i.test(said), said);
});

test("answers fit their schemas", async () => {
  const made = await ask("POST /api/v1/tasks/t/trigger",
                         { payload: { a: 1 }, options: { metadata: { n: 1, deep: { x: [null] } }, tags: ["x"], ttl: "1h" } });
  expectAsDescribed(made);
  const { id } = JSON.parse(made.text);
  expectAsDescribed(await ask(`POST /cairn/v1/runs/${id}/status`, { status: "EXECUTING", from: "QUEUED" }));
  expectAsDescribed(await ask(`POST /cairn/v1/runs/${id}/status`, { status: "EXECUTING", from: "QUEUED" }));
  expectAsDescribed(await ask(`PUT /api/v1/runs/${id}/metadata`, { operations: [{ type: "increment", key: "n", value: 1 }] }));
  for (const path of [`runs`, `runs?fields=head&limit=1`, `runs?colour=red`, `runs/${id}`, `runs/none`, `counts`,
                      `counts?metadata=n%3E0`, `sync`, `dead`, `stores`, `store`, `runs/${id}/history?key=n`,
                      `runs/${id}/history`, `runs/none/history?key=n`]) {
    expectAsDescribed(await ask(`GET /cairn/v1/${path}`));
  }
  expectAsDescribed(await ask(`POST /cairn/v1/runs/${id}/finish`, { output: { rows: 3 } }));
  for (const path of [`/cairn/v1/runs/${id}`, `/api/v3/runs/${id}`, "/api/v1/runs", `/api/v1/runs/${id}/metadata`,
                      "/openapi.json"]) {
    expectAsDescribed(await ask(`GET ${path}`));
  }
});
