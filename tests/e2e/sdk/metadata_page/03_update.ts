import { metadata, task } from "@trigger.dev/sdk/v3";

export const train = task({
  id: "train",
  run: async ({ epochs }: { epochs: number }) => {
    for (let epoch = 1; epoch <= epochs; ++epoch) await metadata.set("progress", epoch / epochs);
  },
});
