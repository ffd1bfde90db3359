#include "engine/run_heads.h"

#include <algorithm>
#include <cstring>

#include "engine/log_record.h"
#include "wal/xxh3.h"

namespace cairn::engine {

namespace {

constexpr uint64_t kIdsBytes = 64u << 10;
constexpr size_t kIdPiecesMax = 64u << 10;  // all that `id_at` can name
constexpr uint8_t kStatusSuits = 1;
constexpr uint8_t kTagsSuit = 2;
constexpr uint8_t kRelativesSuit = 4;  // and the task
constexpr uint8_t kAllSuits = kStatusSuits | kTagsSuit | kRelativesSuit;

}  // namespace

std::string_view RunHeads::id_of(const Head& head) const {
  return {ids_[head.id_at / kIdsBytes].get() + head.id_at % kIdsBytes, head.id_bytes};
}

size_t RunHeads::slot_of(std::string_view id) const {
  const size_t mask = table_.size() - 1;
  size_t slot = xxh3(id.data(), id.size()) & mask;
  while (table_[slot] != 0 && id_of(heads_[table_[slot] - 1]) != id) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

Result<RunHeads::Head*> RunHeads::head_of(std::string_view id) {
  const size_t slot = slot_of(id);
  if (table_[slot] != 0) {
    return &heads_[table_[slot] - 1];
  }
  auto found = find_(id);
  if (!found.ok()) {
    return found.status();
  }
  if (ids_end_ + id.size() > ids_.size() * kIdsBytes) {
    if (ids_.size() == kIdPiecesMax) {
      return Status(Code::kNoMemory, "too many runs wait for a checkpoint");
    }
    ids_end_ = ids_.size() * kIdsBytes;
    ids_.emplace_back(new char[kIdsBytes]);
  }
  Head& head = heads_.emplace_back();
  head.id_at = static_cast<uint32_t>(ids_end_);
  head.id_bytes = static_cast<uint8_t>(id.size());
  std::memcpy(ids_.back().get() + ids_end_ % kIdsBytes, id.data(), id.size());
  ids_end_ += id.size();
  table_[slot] = static_cast<uint32_t>(heads_.size());
  if (heads_.size() * 3 > table_.size() * 2) {
    grow_table();
  }
  if (*found) {
    take(head, **found);
  }
  return &head;
}

void RunHeads::grow_table() {
  const size_t slots = 2 * table_.size();
  table_ = {};  // before the new one is there: the heads have it all
  table_.resize(slots);
  for (size_t i = 0; i < heads_.size(); ++i) {
    table_[slot_of(id_of(heads_[i]))] = static_cast<uint32_t>(i + 1);
  }
}

void RunHeads::note(Head& head, uint8_t bit, bool suits) {
  head.suits = static_cast<uint8_t>(suits ? head.suits | bit : head.suits & ~bit);
}

template <class Record>
void RunHeads::take(Head& head, const Record& record) const {
  head.created_lsn = record.created_lsn;
  head.sequence = record.sequence;
  head.updated_us = record.updated_us;
  head.there = true;
  head.foreign = record.foreign;
  note(head, kStatusSuits, page_.suits_status(record.status, record.foreign));
  note(head, kTagsSuit, page_.suits_tags(record.tags));
  note(head, kRelativesSuit, page_.suits_relatives(record.task, record.parent, record.root));
}

void RunHeads::take_change(Head& head, const RunChange& change) const {
  if (change.status) {
    note(head, kStatusSuits, page_.suits_status(*change.status, head.foreign));
  }
  if (change.tags) {
    note(head, kTagsSuit, page_.suits_tags(*change.tags));
  }
}

RunStep RunHeads::judge(const Head& head, uint64_t lsn, uint64_t created_lsn, uint64_t base, uint64_t last) {
  const RunStep step =
      head.there ? judge_step(head.created_lsn, head.sequence, created_lsn, base, last) : RunStep::kUnknownRun;
  if (step == RunStep::kUnknownRun) {
    unknown_[std::string(id_of(head))] = lsn;
  } else if (step == RunStep::kGap) {
    gaps_.push_back({std::string(id_of(head)), lsn, head.sequence, base});
  }
  return step;
}

Status RunHeads::visit_start(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY(view_run_record(payload, start_));
  auto found = head_of(start_.id);
  if (!found.ok()) {
    return found.status();
  }
  Head& head = **found;
  if (head.there && head.created_lsn >= lsn) {
    return {};
  }
  take(head, start_);
  head.created_lsn = lsn;
  if (const auto unknown = unknown_.find(start_.id); unknown != unknown_.end()) {
    unknown_.erase(unknown);
  }
  return {};
}

Status RunHeads::visit_diff(std::string_view payload, uint64_t lsn) {
  const auto d = decode_run_diff_head(payload);
  if (!d.ok()) {
    return d.status();
  }
  auto found = head_of(d->id);
  if (!found.ok()) {
    return found.status();
  }
  Head& head = **found;
  // 0: of a run that starts in this very record.
  const uint64_t created_lsn = d->created_lsn == 0 ? lsn : d->created_lsn;
  if (judge(head, lsn, created_lsn, d->diff.base, d->diff.last) == RunStep::kNext) {
    head.sequence = d->diff.last;
    head.updated_us = d->diff.updated_us;
  }
  return {};
}

Status RunHeads::visit_transaction(std::string_view payload, uint64_t lsn) {
  auto diffs = split_transaction(payload);
  if (!diffs.ok()) {
    return diffs.status();
  }
  for (const std::string_view diff : *diffs) {
    CAIRN_TRY(visit_diff(diff, lsn));
  }
  return {};
}

Status RunHeads::visit_change(std::string_view payload, uint64_t lsn, bool erase) {
  const auto c = decode_change(payload);
  if (!c.ok()) {
    return c.status();
  }
  auto found = head_of(c->id);
  if (!found.ok()) {
    return found.status();
  }
  Head& head = **found;
  const RunStep step = judge(head, lsn, c->created_lsn, c->sequence - 1, c->sequence);
  if (erase && step == RunStep::kUnknownRun) {
    unknown_.erase(c->id);
  }
  if (step != RunStep::kNext) {
    return {};
  }
  head.sequence = c->sequence;
  head.updated_us = c->updated_us;
  head.there = !erase;
  take_change(head, *c);
  return {};
}

Status RunHeads::visit_received(std::string_view payload, uint64_t lsn) {
  const auto received = decode_received(payload, false);
  if (!received.ok()) {
    return received.status();
  }
  for (const ReceivedPart& part : received->parts) {
    CAIRN_TRY(visit_one(part.type, part.payload, lsn));
  }
  return {};
}

Status RunHeads::visit_rebase(std::string_view payload, uint64_t lsn) {
  const auto rebase = decode_rebase(payload);
  if (!rebase.ok()) {
    return rebase.status();
  }
  auto found = head_of(rebase->id);
  if (!found.ok()) {
    return found.status();
  }
  Head& head = **found;
  if (head.there && head.foreign && head.created_lsn >= rebase->created_lsn) {
    return {};
  }
  if (judge(head, lsn, rebase->created_lsn, rebase->base, rebase->last) != RunStep::kNext) {
    return {};
  }
  head.sequence = rebase->last;
  head.updated_us = rebase->updated_us;
  if (rebase->head) {
    take_change(head, *rebase->head);
  }
  return {};
}

Status RunHeads::visit_one(LogType type, std::string_view payload, uint64_t lsn) {
  switch (type) {
    case LogType::kStart:
      return visit_start(payload, lsn);
    case LogType::kDiff:
      return visit_diff(payload, lsn);
    case LogType::kTransaction:
      return visit_transaction(payload, lsn);
    case LogType::kChange:
    case LogType::kErase:
    case LogType::kForget:
      return visit_change(payload, lsn, type != LogType::kChange);
    case LogType::kReceived:
      return visit_received(payload, lsn);
    case LogType::kRebase:
      return visit_rebase(payload, lsn);
  }
  return {Code::kVersion, "a log record of an unknown type"};
}

Status RunHeads::visit(const wal::RecordView& record) {
  return visit_one(static_cast<LogType>(record.type), record.payload, record.lsn);
}

Status RunHeads::fold_staged(const std::vector<StagedDiff>& staged) {
  for (const StagedRun& run : by_staged_run(staged)) {
    auto found = head_of(run.id);
    if (!found.ok()) {
      return found.status();
    }
    Head& head = **found;
    if (!head.there || head.created_lsn != run.created_lsn) {
      continue;  // of a run that is erased, or was never durable
    }
    while (const StagedDiff* next = run.next_behind(head.sequence)) {
      head.sequence = next->diff.last;
      head.updated_us = next->diff.updated_us;
    }
  }
  return {};
}

std::vector<Gap> RunHeads::gaps() const {
  std::vector<Gap> all = gaps_;
  for (const auto& [id, lsn] : unknown_) {
    all.push_back({id, lsn, 0, 0});
  }
  return all;
}

void RunHeads::offer(RunPage& page) const {
  for (const Head& head : heads_) {
    if (head.there && head.suits == kAllSuits && page.takes(head.updated_us, id_of(head))) {
      RunRecord place;
      place.id = id_of(head);
      place.updated_us = head.updated_us;
      page.add(std::move(place), false);
    }
  }
}

}  // namespace cairn::engine
