// Retention of finished runs: a part of the step erases the oldest, by ordinary erases, once they are older than
// retain_finished_ms or more than retain_finished_max are left.
//
// A look lists finished runs, oldest first, kLook at a time; the runs of a look are judged one by one, each again by
// what it is under its lock, over as many steps as their budgets make of it. The first run that stays ends it, and says
// when the next look is due. Runs that may not be erased yet are passed over, and make the next one come sooner.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "engine/base/hooks.h"
#include "engine/records/run_query.h"
#include "engine/store/duty.h"
#include "engine/store/run_table.h"
#include "engine/store/status_counts.h"
#include "wal/writer.h"

namespace cairn::engine {

class Retention final : public Duty {
 public:
  struct Options {
    uint64_t age_ms_max = 0;  // 0: no bound
    uint64_t runs_max = 0;    // 0: no bound
  };
  /// What the upstream has of a run.
  struct Sent {
    bool ships = false;         // changes of runs are kept for an upstream
    uint64_t acknowledged = 0;  // up to this sequence, if nothing of the run waits, is under way or held; else 0
    bool drops = false;         // the host would rather lose finished runs than keep more of them
  };
  struct Host {
    std::function<Result<std::string>(const RunQuery&, const std::function<void(const RunPosition&)>&)> list;
    std::function<Sent(const std::string& id)> sent;
    /// kUnchanged if `only_if`, called with the run's lock held, says no.
    std::function<Status(std::string_view id, const std::function<bool(const Run&)>& only_if)> erase;
  };
  /// `counts`: exact where there is a runs_max. `dropped`: counts those erased before the upstream had all of them.
  Retention(Options options, const Hooks& hooks, const StatusCounts& counts, const RunTable& runs,
            const wal::Writer& writer, std::atomic<uint64_t>& dropped, Host host)
      : options_(options),
        hooks_(hooks),
        counts_(counts),
        runs_(runs),
        writer_(writer),
        dropped_runs_(dropped),
        host_(std::move(host)) {}

  [[nodiscard]] int64_t due_ms() const override;
  Status run(StepTime& step) override;

 private:
  Status look();
  Status judge(const RunPosition& oldest);
  [[nodiscard]] bool too_many() const { return options_.runs_max != 0 && counts_.finished() > options_.runs_max; }
  [[nodiscard]] uint64_t age_ms(int64_t finished_us) const;
  [[nodiscard]] bool is_over(int64_t finished_us) const;
  [[nodiscard]] bool may_forget(const Run& run) const CAIRN_REQUIRES(run.lock);
  void end_look(uint64_t wait_ms, int64_t now_ms);

  const Options options_;
  const Hooks& hooks_;
  const StatusCounts& counts_;
  const RunTable& runs_;
  const wal::Writer& writer_;
  std::atomic<uint64_t>& dropped_runs_;
  const Host host_;
  std::deque<RunPosition> queue_;  // finished runs, oldest first, as of a look some steps ago at most
  std::string cursor_;             // after them; "": there is no next page
  bool waits_ = false;             // for runs that may not be erased yet
  int64_t old_enough_ms_ = 0;      // when the next run is
  Retry retry_;
};

}  // namespace cairn::engine
