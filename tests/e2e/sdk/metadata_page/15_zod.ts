import { metadata, task } from "@trigger.dev/sdk/v3";
import { z } from "zod";

const Progress = z.object({ owner: z.object({ name: z.string(), team: z.string() }), begun: z.coerce.date() });

export const train = task({
  id: "train",
  run: async () => {
    const { owner, begun } = Progress.parse(metadata.current());
    console.log(owner.name);
    console.log(owner.team);
    console.log(begun);
  },
});
