import { defineConfig, metadata } from "@trigger.dev/sdk/v3";

export default defineConfig({
  project: "proj_cairn",
  onStart: async () => {
    await metadata.set("stage", "begun");
  },
});
