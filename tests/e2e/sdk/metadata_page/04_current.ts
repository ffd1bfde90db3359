import { metadata, task } from "@trigger.dev/sdk/v3";

export const train = task({
  id: "train",
  run: async () => {
    console.log(metadata.current());
    console.log(metadata.get("owner").name);
  },
});
