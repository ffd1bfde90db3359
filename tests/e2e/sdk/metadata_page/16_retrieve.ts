import { runs } from "@trigger.dev/sdk/v3";

const run = await runs.retrieve("run_to_look_at");
console.log(run.metadata);
