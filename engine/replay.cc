#include "engine/replay.h"

#include "engine/log_record.h"

namespace cairn::engine {

Result<Replay::State*> Replay::state(std::string_view id) {
  auto at = states_.find(id);
  if (at == states_.end()) {
    auto found = find_(id);
    if (!found.ok()) {
      return found.status();
    }
    State fresh;
    fresh.record = std::move(*found);
    bytes_ += 256 + (fresh.record ? fresh.record->document.bytes_bound() : 0);
    at = states_.emplace(std::string(id), std::move(fresh)).first;
  }
  return &at->second;
}

Result<bool> Replay::fold_diff(RunRecord& record, const Diff& diff) {
  if (diff.last <= record.sequence) {
    return true;  // folded before
  }
  if (diff.base != record.sequence) {
    return false;
  }
  if (!record.foreign) {
    CAIRN_TRY(apply(diff, record.document));
  } else if (record.outbox.last == 0) {
    record.outbox = diff;
  } else {
    CAIRN_TRY(fold(record.outbox, diff));
  }
  record.sequence = diff.last;
  record.updated_us = diff.updated_us;
  return true;
}

Status Replay::fold_staged(
    const std::vector<StagedDiff>& staged,
    const std::function<void(const std::string& id, uint64_t created_lsn, const Diff&)>& folded) {
  std::map<std::pair<std::string_view, uint64_t>, std::vector<const StagedDiff*>> by_run;
  for (const StagedDiff& s : staged) {
    if (only_.empty() || s.run_id == only_) {
      by_run[{s.run_id, s.created_lsn}].push_back(&s);
    }
  }
  for (const auto& [run, diffs] : by_run) {
    auto found = state(run.first);
    if (!found.ok()) {
      return found.status();
    }
    std::optional<RunRecord>& record = (*found)->record;
    if (!record || record->created_lsn != run.second) {
      continue;  // of a run that is erased, or was never durable
    }
    while (true) {
      const StagedDiff* next = nullptr;
      for (const StagedDiff* s : diffs) {
        if (s->diff.base == record->sequence && (next == nullptr || s->diff.last > next->diff.last)) {
          next = s;
        }
      }
      if (next == nullptr || next->diff.last <= record->sequence) {
        break;
      }
      auto fits = fold_diff(*record, next->diff);
      if (!fits.ok()) {
        return fits.status();
      }
      (*found)->changed = true;
      (*found)->last_lsn = UINT64_MAX;
      if (folded) {
        folded(next->run_id, next->created_lsn, next->diff);
      }
    }
  }
  return {};
}

Status Replay::visit_start(const wal::RecordView& record) {
  auto decoded = decode_run_record(record.payload);
  if (!decoded.ok()) {
    return decoded.status();
  }
  if (!only_.empty() && decoded->id != only_) {
    return {};
  }
  auto found = state(decoded->id);
  if (!found.ok()) {
    return found.status();
  }
  State& s = **found;
  s.last_lsn = record.lsn;
  if (s.record && s.record->created_lsn >= record.lsn) {
    return {};  // this start, or a later life of the id, is stored already
  }
  decoded->created_lsn = record.lsn;
  s.record = std::move(*decoded);
  s.changed = true;
  s.unknown_lsn = 0;
  ++folded_;
  return {};
}

Status Replay::visit_diff(const RunDiff& d, uint64_t lsn) {
  if (!only_.empty() && d.id != only_) {
    return {};
  }
  auto found = state(d.id);
  if (!found.ok()) {
    return found.status();
  }
  State& s = **found;
  s.last_lsn = lsn;
  if (!s.record || s.record->created_lsn < d.created_lsn) {
    // The run was erased, and a part of the checkpoint that says so was written before applied_lsn moved; then its
    // erase follows.
    s.unknown_lsn = lsn;
    s.unknown_created = d.created_lsn;
    return {};
  }
  if (s.record->created_lsn > d.created_lsn) {
    return {};  // of an earlier life of the id
  }
  const uint64_t before = s.record->sequence;
  auto fold = fold_diff(*s.record, d.diff);
  if (!fold.ok()) {
    return fold.status();
  }
  if (!*fold) {
    gaps_.push_back({d.id, lsn, s.record->sequence, d.diff.base});
    return {};
  }
  if (s.record->sequence != before) {
    s.changed = true;
    ++folded_;
  }
  return {};
}

Status Replay::visit_change(const wal::RecordView& record) {
  auto decoded = decode_change(record.payload);
  if (!decoded.ok()) {
    return decoded.status();
  }
  const RunChange& c = *decoded;
  if (!only_.empty() && c.id != only_) {
    return {};
  }
  auto found = state(c.id);
  if (!found.ok()) {
    return found.status();
  }
  State& s = **found;
  s.last_lsn = record.lsn;
  const bool erase = static_cast<LogType>(record.type) == LogType::kErase;
  if (!s.record || s.record->created_lsn < c.created_lsn) {
    if (erase) {
      s.unknown_lsn = 0;
      s.changed = true;
    } else {
      s.unknown_lsn = record.lsn;
      s.unknown_created = c.created_lsn;
    }
    return {};
  }
  RunRecord& r = *s.record;
  if (r.created_lsn > c.created_lsn || c.sequence <= r.sequence) {
    return {};
  }
  if (c.sequence != r.sequence + 1) {
    gaps_.push_back({c.id, record.lsn, r.sequence, c.sequence - 1});
    return {};
  }
  s.changed = true;
  ++folded_;
  if (erase) {
    s.record.reset();
    return {};
  }
  r.sequence = c.sequence;
  r.updated_us = c.updated_us;
  if (c.status) {
    r.status = *c.status;
    r.finished_us = is_final(*c.status) ? c.updated_us : 0;
    r.error = c.error;
  }
  if (c.session) {
    r.session = *c.session;
  }
  if (c.tags) {
    r.tags = *c.tags;
  }
  return {};
}

Status Replay::visit(const wal::RecordView& record) {
  switch (static_cast<LogType>(record.type)) {
    case LogType::kStart:
      return visit_start(record);
    case LogType::kDiff: {
      auto d = decode_run_diff(record.payload);
      return d.ok() ? visit_diff(*d, record.lsn) : d.status();
    }
    case LogType::kTransaction: {
      auto diffs = decode_transaction(record.payload);
      if (!diffs.ok()) {
        return diffs.status();
      }
      for (const RunDiff& d : *diffs) {
        CAIRN_TRY(visit_diff(d, record.lsn));
      }
      return {};
    }
    case LogType::kChange:
    case LogType::kErase:
      return visit_change(record);
  }
  return Status(Code::kVersion, "a log record of an unknown type");
}

std::vector<Tables::Change> Replay::take_changes() {
  std::vector<Tables::Change> changes;
  for (auto& [id, s] : states_) {
    if (s.changed) {
      changes.push_back({id, std::move(s.record)});
    }
  }
  // A run that only an erase further on explains stays in mind.
  for (auto at = states_.begin(); at != states_.end();) {
    at = at->second.unknown_lsn == 0 ? states_.erase(at) : std::next(at);
  }
  bytes_ = 0;
  return changes;
}

std::vector<Gap> Replay::gaps() const {
  std::vector<Gap> all = gaps_;
  for (const auto& [id, s] : states_) {
    if (s.unknown_lsn != 0) {
      all.push_back({id, s.unknown_lsn, 0, 0});
    }
  }
  return all;
}

}  // namespace cairn::engine
