#include "engine/store/run_log.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "engine/base/error_detail.h"
#include "engine/staging/staged_entry.h"

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

void RunLog::mark_dirty(Run& run) {
  if (dirty_.add(run)) {
    alarm_.flush_may_be_due();
  }
}

void RunLog::detach(Run& run) {
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
  options_.staging->mark_sealing(run.staged.slot());
  detached->slots = std::move(run.kept_slots);
  run.kept_slots.clear();
  detached->slots.push_back(run.staged.release());
  run.detached = std::move(detached);
  run.live.clear_pending(run.sequence);
}

void RunLog::free_detached(Run& run) {
  for (const Slot& slot : run.detached->slots) {
    options_.staging->give_back(slot);
  }
  run.last_lsn = std::max(run.last_lsn, run.detached->lsn);
  run.detached.reset();
}

Result<std::string> RunLog::group_of(const Record& record, std::string_view run, uint64_t created_lsn,
                                     const Attachments& with) const {
  std::string group;
  if (record) {
    append_group_part(group, record->first, record->second);
  }
  if (with.texts != nullptr) {
    std::string texts;
    append_run_texts(texts, run, created_lsn, *with.texts);
    append_group_part(group, LogType::kTexts, texts);
  }
  for (const Note& note : with.notes) {
    if (const Status s = check_note(note); !s.ok()) {
      return fail(s, s.what);  // the log's reader would refuse it
    }
    std::string bytes;
    append_note(bytes, note);
    append_group_part(group, LogType::kNote, bytes);
  }
  if (group.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large({}, group.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  return group;
}

Status RunLog::append_for(Run& run, const Record& record, uint64_t* lsn, const Attachments* with) {
  if (with == nullptr || with->empty()) {
    return append_record(run, record, lsn);
  }
  const bool starts = record && record->first == LogType::kStart;  // then it has no creation LSN yet
  CAIRN_TRY_ASSIGN(auto&& group, group_of(record, run.id, starts ? 0 : run.record.created_lsn, *with));
  Notes::Prepared notes = Notes::prepare(with->notes);
  std::shared_ptr<const RunTexts> texts = with->texts;
  if (!starts && texts != nullptr && run.record.texts != nullptr) {
    RunTexts all = *run.record.texts;
    take_texts(all, *texts);
    texts = std::make_shared<const RunTexts>(std::move(all));
  }
  uint64_t appended = 0;
  CAIRN_TRY(append_record(run, {{LogType::kGroup, std::move(group)}}, &appended));
  if (lsn != nullptr) {
    *lsn = appended;
  }
  if (texts != nullptr) {
    run.record.texts = std::move(texts);
  }
  notes_.add(std::move(notes), appended);
  return {};
}

Status RunLog::append_notes(const std::vector<Note>& all, uint64_t& lsn) {
  CAIRN_TRY_ASSIGN(auto&& group, group_of({}, {}, 0, {nullptr, all}));
  Notes::Prepared notes = Notes::prepare(all);
  {
    wal::Writer::Append append(writer_);
    add_record(append, LogType::kGroup, group);
    auto committed = append.commit_split(0);
    if (!committed.ok()) {
      return append_failed(committed.status());
    }
    lsn = *committed;
    alarm_.flush_may_be_due();
  }
  notes_.add(std::move(notes), lsn);
  return {};
}

Status RunLog::append_record(Run& run, const Record& record, uint64_t* lsn) {
  bool changes = false;
  {
    wal::Writer::Append append(writer_);
    Detached* detached = run.detached.get();
    const bool help = detached != nullptr && !detached->written;
    if (help) {
      add_record(append, LogType::kDiff, detached->payload);
    }
    if (record) {
      add_record(append, record->first, record->second);
    }
    if (help || record) {
      auto committed = append.commit_split(help ? 1 : 0);
      if (!committed.ok()) {
        return append_failed(committed.status());
      }
      run.last_lsn = *committed;
      alarm_.flush_may_be_due();
      if (help) {
        detached->written = true;
        detached->lsn = *committed - (record ? 1 : 0);
      }
    }
    if (lsn != nullptr) {
      *lsn = std::max(run.last_lsn, detached != nullptr ? detached->lsn : 0);
    }
    changes = help || record;
  }
  if (changes) {
    changed_.add(run);
    unseen_.add(run);
  }
  if (run.detached) {
    free_detached(run);
  }
  return {};
}

Status RunLog::write_detached(Run& run) { return run.detached ? append_for(run, {}, nullptr) : Status(); }

Status RunLog::detach_pending(Run& run) {
  if (!run.live.pending().empty()) {
    CAIRN_TRY(write_detached(run));
    detach(run);
  }
  return {};
}

Status RunLog::seal(Run& run) {
  CAIRN_TRY(detach_pending(run));
  CAIRN_TRY(write_detached(run));
  dirty_.remove(run);
  return {};
}

Status RunLog::append_for_all(const std::vector<Run*>& runs, LogType type, const std::string& payload, uint64_t& lsn,
                              const std::vector<Note>& all_notes) {
  if (all_notes.empty()) {
    return append_record_for_all(runs, type, payload, lsn);
  }
  CAIRN_TRY_ASSIGN(auto&& group, group_of({{type, payload}}, {}, 0, {nullptr, all_notes}));
  Notes::Prepared notes = Notes::prepare(all_notes);
  CAIRN_TRY(append_record_for_all(runs, LogType::kGroup, group, lsn));
  notes_.add(std::move(notes), lsn);
  return {};
}

Status RunLog::append_record_for_all(const std::vector<Run*>& runs, LogType type, const std::string& payload,
                                     uint64_t& lsn) {
  size_t seal_bytes = 0;
  for (Run* run : runs) {
    run->lock.assert_held();
    if (run->detached) {
      seal_bytes += run->detached->payload.size() + 64;
      if (seal_bytes > options_.segment_bytes / 8) {
        CAIRN_TRY(write_detached(*run));
      }
    }
  }
  {
    wal::Writer::Append append(writer_);
    std::vector<Detached*> added;
    for (Run* run : runs) {
      run->lock.assert_held();
      if (run->detached && !run->detached->written) {
        add_record(append, LogType::kDiff, run->detached->payload);
        added.push_back(run->detached.get());
      }
    }
    add_record(append, type, payload);
    auto committed = append.commit_split(added.size());
    if (!committed.ok()) {
      return append_failed(committed.status());
    }
    lsn = *committed;
    alarm_.flush_may_be_due();
    for (Detached* detached : added) {
      detached->written = true;
      detached->lsn = lsn;  // an upper bound is all that last_lsn needs
    }
  }
  for (Run* run : runs) {
    run->lock.assert_held();
    changed_.add(*run);
    if (type != LogType::kReceived || run->detached) {
      unseen_.add(*run);
    }
    if (run->detached) {
      free_detached(*run);
    }
  }
  return {};
}

Status RunLog::write_batch(Batch& batch) {
  Status status;
  {
    wal::Writer::Append append(writer_);
    std::vector<Detached*> added;
    for (const auto& entry : batch) {
      if (!entry.second->written) {
        add_record(append, LogType::kDiff, entry.second->payload);
        added.push_back(entry.second.get());
      }
    }
    if (!added.empty()) {
      auto committed = append.commit_split(added.size());  // all of them may be found: they stay detached
      if (committed.ok()) {
        uint64_t lsn = *committed - added.size();
        for (Detached* detached : added) {
          detached->lsn = ++lsn;
          detached->written = true;
        }
      } else {
        status = append_failed(committed.status());
      }
    }
  }
  for (const auto& entry : batch) {
    Run& run = *entry.first;
    const RunGuard guard(run.lock);
    if (status.ok() && run.detached == entry.second) {
      free_detached(run);
    }
    changed_.add(run);
    unseen_.add(run);
    if (!run.detached && run.live.pending().empty()) {
      dirty_.remove(run);
    }
  }
  batch.clear();
  return status;
}

Status RunLog::sync(uint64_t lsn) {
  const Status s = writer_.sync(lsn);
  if (s.ok()) {
    return s;
  }
  if (!writer_.latched()) {
    return fail(s,
                "the log could not be synced for want of space: what was written is in the log, and not yet durable");
  }
  gate_.latch();
  if (s.code == Code::kIo && s.cause == ENOENT) {
    return fail(s, options_.directory +
                       " was removed while the store is open: nothing that is written now survives; "
                       "close it, and make or restore a store");
  }
  return fail(s,
              s.code == Code::kIndeterminate
                  ? "the sync that covers this call failed: it may or may not survive a power cut; open the store again"
                  : "writing or syncing the log failed: nothing is acknowledged until the store is opened again");
}

Status RunLog::append_failed(Status status) {
  if (status.code == Code::kNoSpace) {
    return fail(
        status,
        "the disk, or the store's budget, is full: nothing changed; it works again when runs are erased, or space "
        "returns");
  }
  if (writer_.latched()) {
    gate_.latch();
    return fail(Status(Code::kLatched, "the log failed", status.cause),
                "writing or syncing the log failed: nothing is acknowledged until the store is opened again");
  }
  return fail(status, "appending to the log failed");
}

}  // namespace cairn::engine
