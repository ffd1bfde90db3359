// node:assert, which counts: how many checks a file made is written where run.sh adds them up.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { test as node_test } from "node:test";

let count = 0;
export const check = new Proxy(assert, {
  get: (of, name) => (...values) => {
    count++;
    return of[name](...values);
  },
});
process.on("exit", () => {
  if (process.env.CAIRN_SDK_COUNTS && count > 0) appendFileSync(process.env.CAIRN_SDK_COUNTS, `${count}\n`);
});

/// A test that waits for ever fails after a minute.
export const test = (name, options, work) =>
  node_test(name, { timeout: 60_000, ...(work && options) }, work ?? options);

/// The error that `work` ends with; ending without one is a failure.
export async function errorOf(work) {
  count++;
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    return error;
  }
  assert.fail("it did not fail");
}

/// Asks until it is true, or throws after `seconds`.
export async function until(what, question, seconds = 20) {
  count++;
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) assert.fail(`not within ${seconds} s: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
