import { metadata, task } from "@trigger.dev/sdk/v3";

export const train = task({
  id: "train",
  run: async () => {
    await metadata.set("loss", 2.5);
    console.log(metadata.current());
    await metadata.save({ loss: 1.25 });  // nothing else is left
    console.log(metadata.current());
    await metadata.del("loss");
  },
});
