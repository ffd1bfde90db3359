#include "engine/store/run_table.h"

#include <algorithm>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/store/gate.h"

namespace cairn::engine {

namespace {

constexpr size_t kOnlyInLogMax = 4096;  // more are worth a checkpoint of their own: 1 KiB each, and more
constexpr size_t kEvictedAtOnce = 256;  // with the mutex held, which every start needs

/// With the table's mutex held no new reference can be made from the table, and a count of 1 is the table's own.
/// `last_lsn` is of its last record, which the tables need to have before it can go.
bool nobody_needs(const RunRef& run, uint64_t& last_lsn) {
  if (run.use_count() != 1) {
    return false;
  }
  if (!run->lock.try_lock()) {
    return false;  // the last holder's unlock is not seen yet: use_count() orders nothing
  }
  const RunGuard lock(run->lock, std::adopt_lock);
  last_lsn = run->last_lsn;
  return !run->detached && run->live.pending().empty();
}

}  // namespace

Code gate_of(const RunRecord& record) {
  if (is_final(record.status)) {
    return Code::kFinished;
  }
  return record.origin.received() && !record.others_write ? Code::kAccepted : Code::kOk;
}

void RunTable::open(std::shared_ptr<Tables> tables) {
  const MutexLock guard(mutex_);
  tables_ = std::move(tables);
}

void RunTable::begin(uint64_t lsn) {
  const MutexLock guard(mutex_);
  evicted_lsn_ = lsn;
}

void RunTable::close() {
  const MutexLock guard(mutex_);
  tables_.reset();
}

std::shared_ptr<Tables> RunTable::abandon() { return std::move(tables_); }

std::shared_ptr<Tables> RunTable::tables() const {
  const MutexLock guard(mutex_);
  return tables_;
}

RunRef RunTable::find(const std::string& id) const {
  const MutexLock guard(mutex_);
  const auto at = runs_.find(id);
  return at == runs_.end() ? RunRef() : at->second;
}

RunRef RunTable::make_run(RunRecord&& record) {
  auto run = std::make_shared<Run>(record.id, next_number_++);
  run->sequence = record.sequence;
  run->updated_us = record.updated_us;
  run->version.store(record.sequence);
  run->live.reset(std::move(record.document), record.sequence);
  run->gate = gate_of(record);
  record.document = Document();
  run->record = std::move(record);
  return run;
}

// A record that was read before an eviction may be older than what the evicted run had become: then it is read again.
Result<RunRef> RunTable::load(std::string_view id) {
  const std::string key(id);
  while (true) {
    std::shared_ptr<Tables> tables;
    uint64_t evictions = 0;
    {
      const MutexLock guard(mutex_);
      if (const auto at = runs_.find(key); at != runs_.end()) {
        return at->second;
      }
      tables = tables_;
      evictions = evictions_;
    }
    if (tables == nullptr) {
      return fail_closed();
    }
    auto record = tables->find(id);
    if (!record.ok()) {
      return fail(record.status(), "the run cannot be read from the tables", id);
    }
    const MutexLock guard(mutex_);
    if (const auto at = runs_.find(key); at != runs_.end()) {
      return at->second;
    }
    if (evictions != evictions_) {
      continue;
    }
    if (!*record) {
      return Status(Code::kNoSuchRun, "no such run");
    }
    RunRef run = make_run(std::move(**record));
    runs_.emplace(key, run);
    return run;
  }
}

size_t RunTable::count() const {
  const MutexLock guard(mutex_);
  return runs_.size();
}

RunTable::Hot RunTable::hot() const {
  Hot hot;
  const MutexLock guard(mutex_);
  hot.evicted_lsn = evicted_lsn_;
  hot.runs.reserve(runs_.size());
  for (const auto& [id, run] : runs_) {
    hot.runs.push_back(run);
  }
  return hot;
}

RunTable::Hot RunTable::hot(const std::string& id) const {
  Hot hot;
  const MutexLock guard(mutex_);
  hot.evicted_lsn = evicted_lsn_;
  if (const auto at = runs_.find(id); at != runs_.end()) {
    hot.runs.push_back(at->second);
  }
  return hot;
}

RunRef RunTable::Entering::add(RunRecord&& record) {
  Entry& entry = entries_.emplace_back();  // first: it needs memory
  const MutexLock guard(table_.mutex_);
  RunRef run = table_.make_run(std::move(record));
  RunRef& place = table_.runs_[run->id];
  run->lock.lock_unshared();
  entry.replaced = std::exchange(place, run);
  entry.run = run;
  return run;
}

RunTable::Entering::~Entering() {
  for (Entry& entry : entries_) {
    if (entry.run == nullptr) {
      continue;  // no memory
    }
    if (!kept_) {
      table_.leave(entry.run, std::move(entry.replaced));
    }
    entry.run->lock.unlock();
  }
}

// With the run's lock held.
void RunTable::leave(const RunRef& run, RunRef replaced) {
  run->gate = Code::kErased;
  run->last_lsn = UINT64_MAX;  // no checkpoint makes this one good
  const MutexLock guard(mutex_);
  const auto at = runs_.find(run->id);
  if (replaced) {
    at->second = std::move(replaced);
  } else {
    runs_.erase(at);
  }
}

// A run that nobody holds, with nothing on its way, and whose last record the tables hold, is loaded from there when it
// is asked for again. Those that only lack the last are counted: a checkpoint makes them fit.
void RunTable::evict(uint64_t applied) {
  const MutexLock guard(mutex_);
  size_t only_in_log = 0;
  for (auto at = runs_.begin(); at != runs_.end();) {
    uint64_t last_lsn = 0;
    const bool idle = nobody_needs(at->second, last_lsn);
    const bool clean = idle && last_lsn <= applied;
    only_in_log += idle && !clean ? 1 : 0;
    evictions_ += clean ? 1 : 0;
    evicted_lsn_ = clean ? std::max(evicted_lsn_, last_lsn) : evicted_lsn_;
    at = clean ? runs_.erase(at) : std::next(at);
  }
  only_in_log_ = only_in_log;
  evict_at_ = std::max(kHotRunsMin, 2 * runs_.size());
}

void RunTable::evict(const std::vector<std::string>& ids, uint64_t applied) {
  for (size_t next = 0; next < ids.size();) {
    std::vector<RunRef> gone;  // ends after the lock does
    const MutexLock guard(mutex_);
    for (const size_t end = std::min(ids.size(), next + kEvictedAtOnce); next < end; ++next) {
      const auto at = runs_.find(ids[next]);
      uint64_t last_lsn = 0;
      if (at != runs_.end() && nobody_needs(at->second, last_lsn) && last_lsn <= applied) {
        ++evictions_;
        evicted_lsn_ = std::max(evicted_lsn_, last_lsn);
        gone.push_back(std::move(at->second));
        runs_.erase(at);
      }
    }
  }
}

bool RunTable::eviction_due() const {
  const MutexLock guard(mutex_);
  return runs_.size() >= evict_at_;
}

bool RunTable::many_wait_for_checkpoint() const {
  const MutexLock guard(mutex_);
  return only_in_log_ >= kOnlyInLogMax;
}

bool RunTable::has_other_holders(const Run& run) const {
  const MutexLock guard(mutex_);
  return run.weak_from_this().use_count() > 2;
}

}  // namespace cairn::engine
