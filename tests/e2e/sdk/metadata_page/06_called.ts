import { metadata, task } from "@trigger.dev/sdk/v3";

const half = () => metadata.set("progress", 0.5);

export const train = task({
  id: "train",
  run: async () => {
    await half();
  },
});
