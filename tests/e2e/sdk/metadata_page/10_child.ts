import { metadata, task } from "@trigger.dev/sdk/v3";

export const train = task({
  id: "train",
  run: async (payload: { epochs: number }) => {
    await metadata.set("progress", 0.5);
    await evaluate.trigger(payload, { metadata: metadata.current() });
  },
});
