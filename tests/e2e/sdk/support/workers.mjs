// Workers: the example that users copy, each a process of its own.
import { fileURLToPath } from "node:url";
import { key, printed, start } from "./server.mjs";

const path = (file) => fileURLToPath(new URL(file, import.meta.url));

export const startProgram = (tasks, server, config) =>
  start([process.execPath, path("../worker.mjs"), tasks, ...(config ? [config] : [])],
        { TRIGGER_API_URL: server.url, TRIGGER_SECRET_KEY: key });

export async function startWorker(server, tasks, config) {
  const child = startProgram(tasks, server, config);
  await printed(child, /waiting for runs of .*\n/);
  child.stop = () => {
    child.kill("SIGTERM");
    return child.ended;
  };
  return child;
}
