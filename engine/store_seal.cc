// Sealing: a pending diff leaves staging for the log.
//
// Seal = detach. Under the run's lock the slot is marked sealing, its diff becomes the run's detached one, and the next
// diff's base is the detached one's last sequence. The record is appended later, and only after the write returned is
// the slot freed. So an acknowledged update always stands whole in a slot or in the log.
//
// At most one detached diff a run, and its record is the run's next in the log: whoever appends anything for the run
// writes it first, if under the append mutex it is not yet written; its owner then skips it. A failed append leaves it
// detached: a short write may have left its record readable, so it is never made current again nor folded into newer
// changes.
#include <algorithm>
#include <cassert>
#include <cstring>

#include "engine/log_record.h"
#include "engine/staged_entry.h"
#include "engine/store.h"

namespace cairn::engine {

namespace {

// False: these are no entries.
bool append_staged(std::string& payload, std::string_view entries) {
  while (!entries.empty()) {
    uint32_t bytes = 0;
    if (entries.size() < sizeof bytes) {
      return false;
    }
    std::memcpy(&bytes, entries.data(), sizeof bytes);
    if (bytes < kEntryLengthBytes || bytes > entries.size()) {
      return false;
    }
    payload.append(entries.substr(kEntryLengthBytes, bytes - kEntryLengthBytes));
    entries.remove_prefix(bytes);
  }
  return true;
}

}  // namespace

void Store::mark_dirty(Run& run) {
  const std::lock_guard guard(dirty_mutex_);
  if (run.dirty_index >= 0) {
    return;
  }
  dirty_.push_back(run.shared_from_this());
  run.dirty_index = static_cast<int32_t>(dirty_.size() - 1);
  wake_for_flush();
}

void Store::mark_clean(Run& run) {
  const std::lock_guard guard(dirty_mutex_);
  if (run.dirty_index < 0) {
    return;
  }
  const auto index = static_cast<size_t>(run.dirty_index);
  run.dirty_index = -1;
  RunRef self = std::move(dirty_[index]);  // keeps the run alive to the end of the caller's lock
  if (index + 1 != dirty_.size()) {
    dirty_[index] = std::move(dirty_.back());
    dirty_[index]->dirty_index = static_cast<int32_t>(index);
  }
  dirty_.pop_back();
}

void Store::detach(Run& run) {
  assert(!run.detached && !run.live.pending().empty() && run.staged.has_slot());
  const PendingDiff& pending = run.live.pending();
  run.kept_slots.reserve(run.kept_slots.size() + 1);
  auto detached = std::make_shared<Detached>();
  append_diff_prefix(detached->payload, run.id, run.record.created_lsn);
  append_diff_head(detached->payload, pending.base, run.sequence, run.updated_us, pending.replace,
                   pending.entries.size());
  if (!append_staged(detached->payload, run.staged.newest_payload()) || !stages()) {
    // What stands in the slot is not what was put there: sigbus_guard.h. It is in memory, too.
    detached->payload.clear();
    append_diff_prefix(detached->payload, run.id, run.record.created_lsn);
    run.live.append_pending(detached->payload, run.sequence, run.updated_us);
  }
  // From here on nothing needs memory.
  detached->last = run.sequence;
  run.payload_hint_bytes = static_cast<uint32_t>(run.staged.newest_payload().size());
  staging_->mark_sealing(run.staged.slot());
  detached->slots = std::move(run.kept_slots);
  run.kept_slots.clear();
  detached->slots.push_back(run.staged.release());
  run.detached = std::move(detached);
  run.live.clear_pending(run.sequence);
}

void Store::free_detached(Run& run) {
  for (const Slot& slot : run.detached->slots) {
    staging_->give_back(slot);
  }
  run.last_lsn = std::max(run.last_lsn, run.detached->lsn);
  run.detached.reset();
}

Status Store::append_for(Run& run, const std::vector<std::pair<LogType, std::string>>& records, uint64_t* lsn) {
  {
    wal::Writer::Append append(*writer_);
    Detached* detached = run.detached.get();
    const bool help = detached != nullptr && !detached->written;
    if (help) {
      add_record(append, LogType::kDiff, detached->payload);
    }
    for (const auto& [type, payload] : records) {
      add_record(append, type, payload);
    }
    if (help || !records.empty()) {
      auto committed = append.commit_split(help ? 1 : 0);
      if (!committed.ok()) {
        return append_failed(committed.status());
      }
      run.last_lsn = *committed;
      wake_for_flush();
      if (help) {
        detached->written = true;
        detached->lsn = *committed - records.size();
      }
    }
    if (lsn != nullptr) {
      *lsn = std::max(run.last_lsn, detached != nullptr ? detached->lsn : 0);
    }
  }
  if (run.detached) {
    free_detached(run);
  }
  return {};
}

Status Store::write_detached(Run& run) { return run.detached ? append_for(run, {}, nullptr) : Status(); }

// With the run's lock held: all that was done to it is in the log.
Status Store::seal(Run& run) {
  CAIRN_TRY(write_detached(run));
  if (!run.live.pending().empty()) {
    detach(run);
    CAIRN_TRY(write_detached(run));
  }
  mark_clean(run);
  return {};
}

Status Store::append_failed(Status status) {
  if (status.code == Code::kNoSpace) {
    return fail(
        status,
        "the disk, or the store's budget, is full: nothing changed; it works again when runs are erased, or space "
        "returns");
  }
  if (writer_->latched()) {
    latch_gate();
    return fail(Status(Code::kLatched, "the log failed", status.cause),
                "writing or syncing the log failed: nothing is acknowledged until the store is opened again");
  }
  return fail(status, "appending to the log failed");
}

}  // namespace cairn::engine
