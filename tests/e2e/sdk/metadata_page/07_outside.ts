import { metadata } from "@trigger.dev/sdk/v3";

async function outside() {
  await metadata.set("progress", 0.25);
}
