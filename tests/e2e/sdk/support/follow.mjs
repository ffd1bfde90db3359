// A subscription that is read until it ends: `seen` has its rows, `error` why it ended if not by itself.
export function follow(subscription) {
  const out = { seen: [], ended: false };
  out.done = (async () => {
    for await (const run of subscription) out.seen.push(run);
  })().then(() => { out.ended = true; }, (error) => { out.error = error; out.ended = true; });
  out.stop = () => subscription.unsubscribe();
  out.last = () => out.seen.at(-1);
  return out;
}
