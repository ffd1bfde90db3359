#include "api/server/store_facts.h"

#include <string>

#include "engine/records/run_id.h"
#include "engine/store/upstream.h"

namespace cairn::server {

int64_t StoreFacts::now_us() const {
  const engine::Hooks& hooks = store_.options().hooks;
  return hooks.wall_us(hooks.context);
}

// What waits is looked at before the run: a change that comes between the two counts as not sent.
Result<std::optional<RunDurability>> StoreFacts::durability(std::string_view id) {
  if (!engine::valid_run_id(id)) {
    return std::optional<RunDurability>();
  }
  engine::Upstream::State sync;
  CAIRN_TRY(store_.upstream().state(sync));
  engine::Upstream::RunState waits;
  if (sync.sender.attached) {
    const Status status = store_.upstream().state(id, waits);
    if (status.code == Code::kNoSuchRun) {
      return std::optional<RunDurability>();
    }
    CAIRN_TRY(status);
  }
  CAIRN_TRY_ASSIGN(const auto positions, store_.positions(id));
  CAIRN_TRY_ASSIGN(const auto run, store_.peek(id, false));
  if (!positions || !run || run->erased) {
    return std::optional<RunDurability>();
  }
  RunDurability out;
  const auto reached = [&positions](uint64_t sequence) {
    return ChangeReached{sequence, sequence == positions->sequence ? positions->updated_us : 0};
  };
  out.memory = reached(positions->sequence);
  out.process = reached(positions->process_sequence);
  out.power = reached(positions->power_sequence);
  out.why = report::why_of(run->record, sync.sender, waits.outbox, now_us());
  if (out.why.acknowledged_sequence) {
    out.upstream = {*out.why.acknowledged_sequence, sync.sender.acked_us};
  }
  return std::optional(std::move(out));
}

}  // namespace cairn::server
