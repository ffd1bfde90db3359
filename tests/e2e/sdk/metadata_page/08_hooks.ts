import { metadata, task } from "@trigger.dev/sdk/v3";

export const train = task({
  id: "train",
  onStart: async () => {
    await metadata.set("stage", "begun");
  },
  run: async () => {
    console.log(metadata.get("stage"));
  },
  onSuccess: async () => {
    await metadata.set("stage", "done");
  },
});
