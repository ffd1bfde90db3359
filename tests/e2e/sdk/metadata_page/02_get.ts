import { metadata, task } from "@trigger.dev/sdk/v3";

export const train = task({
  id: "train",
  run: async () => {
    const owner = metadata.get("owner");
    console.log(owner.name);
    console.log(owner.team);
  },
});
