// What watches and the history see of the store: looks at the runs in memory, and their turn behind the steps.
//
// A look takes the position of the log first. A change that returned before has its record at or below it, or stands in
// the run as pending or detached; one that is being made holds the run's lock, which the look waits for. So what a look
// does not see has its record above the position, and the next look finds it.
#include <algorithm>
#include <limits>
#include <new>

#include "engine/history.h"
#include "engine/store.h"

namespace cairn::engine {

namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

Store::Looked Store::look(uint64_t since, std::string_view only, const FunctionRef<void(const Run&)>& visit) {
  Looked looked;
  looked.lsn = writer_->written_lsn();
  std::vector<RunRef> runs;
  if (!only.empty() || looked.lsn != since) {
    const std::lock_guard guard(table_mutex_);
    looked.all = evicted_lsn_ <= since;
    if (only.empty()) {
      runs.reserve(runs_.size());
      for (const auto& [id, run] : runs_) {
        runs.push_back(run);
      }
    } else if (const auto at = runs_.find(std::string(only)); at != runs_.end()) {
      looked.all = true;
      runs.push_back(at->second);
    }
  } else {
    const std::lock_guard guard(dirty_mutex_);  // what is not in the log yet
    runs = dirty_;
  }
  for (const RunRef& run : runs) {
    const std::lock_guard guard(run->lock);
    const bool started = run->record.created_lsn != 0;
    if (started && (run->last_lsn > since || !run->live.pending().empty() || run->detached)) {
      visit(*run);
    }
  }
  return looked;
}

Result<std::optional<RunView>> Store::peek(std::string_view id, bool with_document) {
  if (gate_.load() == static_cast<int32_t>(Code::kClosed)) {
    return fail(Code::kClosed, "the store is closed");
  }
  RunRef run;
  std::shared_ptr<Tables> tables;
  {
    const std::lock_guard guard(table_mutex_);
    if (const auto at = runs_.find(std::string(id)); at != runs_.end()) {
      run = at->second;
    }
    tables = tables_;
  }
  if (run != nullptr) {
    return std::optional<RunView>(view(*run, with_document));
  }
  if (tables == nullptr) {
    return fail(Code::kClosed, "the store is closed");
  }
  auto record = tables->find(id);
  if (!record.ok()) {
    return fail(record.status(), "the run cannot be read from the tables", id);
  }
  if (!*record) {
    return std::optional<RunView>();
  }
  RunView view;
  view.record = std::move(**record);
  view.orphaned = !is_final(view.record.status) && view.record.owned_here() && view.record.session != session_;
  return std::optional<RunView>(std::move(view));
}

void Store::add_listener(std::shared_ptr<StepListener> listener) {
  {
    const std::lock_guard guard(listeners_mutex_);
    const uint32_t interval_ms = listener->interval_ms();
    // What is there already is new to it: the first turn is at once.
    listeners_.push_back({std::move(listener), now_ms(), std::numeric_limits<uint64_t>::max()});
    listen_ms_ = listen_ms_ == 0 ? interval_ms : std::min<uint32_t>(listen_ms_, interval_ms);
  }
  const std::lock_guard guard(step_mutex_);
  arm_timer();
}

void Store::remove_listener(const StepListener* listener) {
  std::shared_ptr<StepListener> removed;  // destroyed without the mutex
  const std::lock_guard guard(listeners_mutex_);
  const auto at = std::find_if(listeners_.begin(), listeners_.end(),
                               [listener](const Listening& l) { return l.listener.get() == listener; });
  if (at == listeners_.end()) {
    return;
  }
  removed = std::move(at->listener);
  listeners_.erase(at);
  uint32_t shortest = 0;
  for (const Listening& l : listeners_) {
    const uint32_t interval_ms = l.listener->interval_ms();
    shortest = shortest == 0 ? interval_ms : std::min(shortest, interval_ms);
  }
  listen_ms_ = shortest;
}

// With step_mutex_ held. A run that is dirty may change without a word to anybody, so it makes the next turn due; what
// is in the log does so once.
int64_t Store::listeners_deadline() {
  if (listen_ms_ == 0) {
    return kNever;
  }
  bool dirty = false;
  {
    const std::lock_guard guard(dirty_mutex_);
    dirty = !dirty_.empty();
  }
  const uint64_t lsn = writer_->written_lsn();
  int64_t deadline = kNever;
  const std::lock_guard guard(listeners_mutex_);
  for (const Listening& l : listeners_) {
    if (dirty || l.seen_lsn != lsn) {
      deadline = std::min(deadline, l.due_ms);
    }
  }
  return deadline;
}

// With step_mutex_ held: whose turn it is, noted before it looks.
std::vector<std::shared_ptr<StepListener>> Store::listeners_due(int64_t now) {
  std::vector<std::shared_ptr<StepListener>> due;
  if (listen_ms_ == 0) {
    return due;
  }
  bool dirty = false;
  {
    const std::lock_guard guard(dirty_mutex_);
    dirty = !dirty_.empty();
  }
  const uint64_t lsn = writer_->written_lsn();
  const std::lock_guard guard(listeners_mutex_);
  for (Listening& l : listeners_) {
    if (l.due_ms <= now && (dirty || l.seen_lsn != lsn)) {
      due.push_back(l.listener);
      l.due_ms = now + l.listener->interval_ms();
      l.seen_lsn = lsn;
    }
  }
  return due;
}

void Store::run_listeners(const std::vector<std::shared_ptr<StepListener>>& due) {
  bool more = false;
  for (const std::shared_ptr<StepListener>& listener : due) {
    if (listener->stepped()) {
      continue;
    }
    const std::lock_guard guard(listeners_mutex_);
    for (Listening& l : listeners_) {
      if (l.listener == listener) {
        l.seen_lsn = std::numeric_limits<uint64_t>::max();
        more = true;
      }
    }
  }
  if (more) {
    const std::lock_guard guard(step_mutex_);
    arm_timer();
  }
}

}  // namespace cairn::engine
