// A page of another origin that follows runs with Trigger.dev's React hooks. The test drives it by window.show(), which
// mounts one view, and reads what the view has in window.state.
import { createElement as h, useEffect } from "react";
import { createRoot } from "react-dom/client";
import {
  TriggerAuthContext, useRealtimeBatch, useRealtimeRun, useRealtimeRunWithStreams, useRealtimeRunsWithTag,
  useRealtimeTaskTrigger, useRun, useTaskTrigger,
} from "@trigger.dev/react-hooks";
import { useReadmeLine } from "../made/readme_line.jsx";

window.seen = [];
function Shown({ value }) {
  const text = JSON.stringify(value);
  useEffect(() => {
    window.state = JSON.parse(text);
    window.seen.push(window.state);
  }, [text]);
  return h("pre", { id: "state" }, text);
}
const error_of = (error) => error && { name: error.name, status: error.status, message: error.message };
const brief = (run) => run && { id: run.id, status: run.status, metadata: run.metadata, output: run.output,
                                payload: run.payload, isCompleted: run.isCompleted, tags: run.tags };

const views = {
  run({ id, options }) {
    const { run, error } = useRealtimeRun(id, { ...options, onComplete: (ended) => { window.completed = ended.id; } });
    return h(Shown, { value: { run: brief(run), error: error_of(error) } });
  },
  readme({ id, address, accessToken }) {
    return h(Shown, { value: { run: brief(useReadmeLine(id, address, accessToken)) } });
  },
  run_with_streams({ id }) {
    const { run, streams, error } = useRealtimeRunWithStreams(id);
    return h(Shown, { value: { run: brief(run), streams, error: error_of(error) } });
  },
  tag({ tag, options }) {
    const { runs, error } = useRealtimeRunsWithTag(tag, options);
    return h(Shown, { value: { runs: runs.map(brief), error: error_of(error) } });
  },
  batch({ id }) {
    const { runs, error } = useRealtimeBatch(id);
    return h(Shown, { value: { runs: runs.map(brief), error: error_of(error) } });
  },
  retrieve({ id }) {
    const { run, error } = useRun(id, { refreshInterval: 200 });
    return h(Shown, { value: { run: brief(run), error: error_of(error) } });
  },
  trigger({ task }) {
    const { submit, handle, isLoading, error } = useTaskTrigger(task);
    window.submit = submit;
    return h(Shown, { value: { handle, isLoading, error: error_of(error) } });
  },
  trigger_and_follow({ task }) {
    const { submit, run, handle, error } = useRealtimeTaskTrigger(task);
    window.submit = submit;
    return h(Shown, { value: { handle, run: brief(run), error: error_of(error) } });
  },
};

const root = createRoot(document.getElementById("root"));
let number = 0;
window.show = (view, baseURL, accessToken, properties) => {
  window.seen = [];
  window.state = window.submit = undefined;
  root.render(h(TriggerAuthContext.Provider, { value: { baseURL, accessToken }, key: ++number },
                h(views[view], properties)));
};
window.hide = () => root.render(null);
window.ready = true;
