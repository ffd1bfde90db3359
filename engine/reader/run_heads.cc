#include "engine/reader/run_heads.h"

#include <algorithm>
#include <cstring>

#include "engine/records/log_record.h"
#include "wal/xxh3.h"

namespace cairn::engine {

namespace {

constexpr uint64_t kIdsBytes = 64u << 10;
constexpr size_t kIdPiecesMax = 64u << 10;  // as many as `id_at` can address
constexpr uint32_t kStatusSuits = 1;
constexpr uint32_t kTagsSuit = 2;
constexpr uint32_t kRelativesSuit = 4;  // and the task
constexpr uint32_t kAllSuits = kStatusSuits | kTagsSuit | kRelativesSuit;

uint32_t filters_without(const RunQuery& q) {
  return (q.statuses == 0 ? kStatusSuits : 0) | (q.tags.empty() ? kTagsSuit : 0) |
         (q.task.empty() && q.parent.empty() && q.root.empty() ? kRelativesSuit : 0);
}

}  // namespace

RunHeads::RunHeads(const RunPage& page, Replay::Find find)
    : page_(page), find_(std::move(find)), any_match_(filters_without(page.query())) {}

std::string_view RunHeads::id_of(const Head& head) const {
  const char* at = ids_[head.id_at / kIdsBytes].get() + head.id_at % kIdsBytes;
  return {at + 1, static_cast<uint8_t>(*at)};
}

RunHeads::Slot RunHeads::slot_of(std::string_view id) const {
  const size_t mask = table_.size() - 1;
  Slot slot;
  slot.tag = static_cast<uint32_t>(xxh3(id.data(), id.size()));
  for (slot.at = slot.tag & mask; table_[slot.at] != 0; slot.at = (slot.at + 1) & mask) {
    const uint64_t entry = table_[slot.at];
    if (entry >> 32 != slot.tag) {
      continue;
    }
    Head& head = head_at(static_cast<uint32_t>(entry) - 1);
    if (id_of(head) == id) {
      slot.head = &head;
      break;
    }
  }
  return slot;
}

RunHeads::Head* RunHeads::add(const Slot& slot, std::string_view id, uint64_t lsn) {
  if (ids_end_ + 1 + id.size() > ids_.size() * kIdsBytes) {
    if (ids_.size() == kIdPiecesMax) {
      return nullptr;
    }
    ids_end_ = ids_.size() * kIdsBytes;
    ids_.emplace_back(new char[kIdsBytes]);
  }
  if (count_ % kHeadsInPiece == 0) {
    heads_.push_back(std::make_unique<std::array<Head, kHeadsInPiece>>());
  }
  Head& head = head_at(count_);
  head.id_at = static_cast<uint32_t>(ids_end_);
  head.first =
      static_cast<uint32_t>(std::min<uint64_t>(lsn - begin_lsn_, (1u << kFirstBits) - 1)) & ((1u << kFirstBits) - 1);
  char* at = ids_.back().get() + ids_end_ % kIdsBytes;
  *at = static_cast<char>(id.size());
  std::memcpy(at + 1, id.data(), id.size());
  ids_end_ += 1 + id.size();
  table_[slot.at] = uint64_t{slot.tag} << 32 | ++count_;
  if (count_ * 3 > table_.size() * 2) {
    grow_table();
  }
  return &head;
}

void RunHeads::grow_table() {
  std::vector<uint64_t> grown(2 * table_.size());
  const size_t mask = grown.size() - 1;
  for (const uint64_t entry : table_) {
    if (entry != 0) {
      size_t at = (entry >> 32) & mask;
      while (grown[at] != 0) {
        at = (at + 1) & mask;
      }
      grown[at] = entry;
    }
  }
  table_ = std::move(grown);
}

uint64_t RunHeads::held_bytes() const {
  return table_.size() * sizeof(uint64_t) + heads_.size() * kHeadsInPiece * sizeof(Head) + ids_.size() * kIdsBytes;
}

Result<RunHeads::Met> RunHeads::meet(std::string_view id, uint64_t lsn) {
  const Slot slot = slot_of(id);
  if (slot.head != nullptr) {
    return Met{slot.head, false};
  }
  Head* head = add(slot, id, lsn);
  if (head == nullptr) {
    return Status(Code::kNoMemory, "too many runs wait for a checkpoint");
  }
  return Met{head, true};
}

// The tables have the run, or have already erased it: then its erase record follows.
void RunHeads::begin(Head& head, uint64_t created_lsn, uint64_t last, int64_t updated_us) const {
  head.created_lsn = created_lsn;
  head.sequence = last;
  head.updated_us = updated_us;
  head.there = 1;
  head.matches = head.known = any_match_;
}

void RunHeads::note(Head& head, uint32_t bit, bool matches) {
  head.matches = matches ? head.matches | bit : head.matches & ~bit;
  head.known |= bit;
}

template <class Record>
void RunHeads::take(Head& head, const Record& record) const {
  head.created_lsn = record.created_lsn;
  head.sequence = record.sequence;
  head.updated_us = record.updated_us;
  head.there = 1;
  head.asked = 1;
  head.foreign = record.foreign ? 1 : 0;
  note(head, kStatusSuits, page_.matches_status(record.status, record.foreign));
  note(head, kTagsSuit, page_.matches_tags(record.tags));
  note(head, kRelativesSuit, page_.matches_relatives(record.task, record.parent, record.root));
}

Status RunHeads::take_stored(Head& head, std::string_view id) const {
  CAIRN_TRY_ASSIGN(const auto&& found, find_(id));
  if (found) {
    take(head, *found);
  }
  return {};
}

Status RunHeads::ask_tables(Head& head, std::string_view id) const {
  CAIRN_TRY_ASSIGN(const auto&& found, find_(id));
  if (!found || found->created_lsn != head.created_lsn) {
    head.there = 0;
    return {};
  }
  const RunRecord& r = *found;
  head.asked = 1;
  head.foreign = r.foreign ? 1 : 0;
  if ((head.known & kStatusSuits) == 0 || r.foreign) {
    note(head, kStatusSuits, page_.matches_status(r.status, r.foreign));
  }
  if ((head.known & kTagsSuit) == 0) {
    note(head, kTagsSuit, page_.matches_tags(r.tags));
  }
  note(head, kRelativesSuit, page_.matches_relatives(r.task, r.parent, r.root));
  return {};
}

void RunHeads::take_change(Head& head, const RunChange& change) const {
  if (change.status) {
    note(head, kStatusSuits, page_.matches_status(*change.status, head.foreign != 0));
  }
  if (change.tags) {
    note(head, kTagsSuit, page_.matches_tags(*change.tags));
  }
}

RunStep RunHeads::classify(const Head& head, uint64_t lsn, uint64_t created_lsn, uint64_t base, uint64_t last) {
  const RunStep step =
      head.there != 0 ? classify_step(head.created_lsn, head.sequence, created_lsn, base, last) : RunStep::kUnknownRun;
  if (step == RunStep::kUnknownRun) {
    unknown_[std::string(id_of(head))] = lsn;
  } else if (step == RunStep::kGap) {
    gaps_.push_back({std::string(id_of(head)), lsn, head.sequence, base});
  }
  return step;
}

Status RunHeads::visit_start(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY(view_run_record(payload, start_));
  CAIRN_TRY_ASSIGN(const auto&& met, meet(start_.id, lsn));
  Head& head = *met.head;
  if (head.there != 0 && head.created_lsn >= lsn) {
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
  CAIRN_TRY_ASSIGN(const auto&& d, decode_run_diff_head(payload));
  CAIRN_TRY_ASSIGN(const auto&& met, meet(d.id, lsn));
  Head& head = *met.head;
  // 0: the run starts in this same record.
  const uint64_t created_lsn = d.created_lsn == 0 ? lsn : d.created_lsn;
  if (met.first) {
    begin(head, created_lsn, d.diff.last, d.diff.updated_us);
  } else if (classify(head, lsn, created_lsn, d.diff.base, d.diff.last) == RunStep::kNext) {
    head.sequence = d.diff.last;
    head.updated_us = d.diff.updated_us;
  }
  return {};
}

Status RunHeads::visit_transaction(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY_ASSIGN(auto&& diffs, split_transaction(payload));
  for (const std::string_view diff : diffs) {
    CAIRN_TRY(visit_diff(diff, lsn));
  }
  return {};
}

Status RunHeads::visit_change(std::string_view payload, uint64_t lsn, bool erase) {
  CAIRN_TRY_ASSIGN(const auto&& c, decode_change(payload));
  CAIRN_TRY_ASSIGN(const auto&& met, meet(c.id, lsn));
  Head& head = *met.head;
  if (met.first) {
    begin(head, c.created_lsn, c.sequence, c.updated_us);
  } else {
    const RunStep step = classify(head, lsn, c.created_lsn, c.sequence - 1, c.sequence);
    if (erase && step == RunStep::kUnknownRun) {
      unknown_.erase(c.id);
    }
    if (step != RunStep::kNext) {
      return {};
    }
    head.sequence = c.sequence;
    head.updated_us = c.updated_us;
  }
  head.there = erase ? 0 : 1;
  take_change(head, c);
  return {};
}

Status RunHeads::visit_received(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY_ASSIGN(const auto&& received, decode_received(payload, false));
  for (const ReceivedPart& part : received.parts) {
    CAIRN_TRY(visit_one(part.type, part.payload, lsn));
  }
  return {};
}

Status RunHeads::visit_rebase(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY_ASSIGN(const auto&& rebase, decode_rebase(payload));
  CAIRN_TRY_ASSIGN(const auto&& met, meet(rebase.id, lsn));
  Head& head = *met.head;
  if (met.first) {
    CAIRN_TRY(take_stored(head, rebase.id));
  } else if (head.there != 0 && head.asked == 0) {
    CAIRN_TRY(ask_tables(head, rebase.id));  // whether it is owned elsewhere
  }
  if (head.there != 0 && head.foreign != 0 && head.created_lsn >= rebase.created_lsn) {
    return {};
  }
  if (classify(head, lsn, rebase.created_lsn, rebase.base, rebase.last) != RunStep::kNext) {
    return {};
  }
  head.sequence = rebase.last;
  head.updated_us = rebase.updated_us;
  if (rebase.head) {
    take_change(head, *rebase.head);
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
    case LogType::kGroup: {
      CAIRN_TRY_ASSIGN(const auto&& parts, split_group(payload));
      for (const LogPart& part : parts) {
        CAIRN_TRY(visit_one(part.type, part.payload, lsn));
      }
      return {};
    }
    case LogType::kTexts:
    case LogType::kNote:
      return {};
  }
  return {Code::kVersion, "a log record of a type that this version does not know"};
}

Status RunHeads::visit(const wal::RecordView& record) {
  begin_lsn_ = begin_lsn_ == 0 ? record.lsn : begin_lsn_;
  return visit_one(static_cast<LogType>(record.type), record.payload, record.lsn);
}

Status RunHeads::fold_staged(const std::vector<StagedDiff>& staged) {
  for (const StagedRun& run : by_staged_run(staged)) {
    CAIRN_TRY_ASSIGN(const auto&& met, meet(run.id, UINT64_MAX));
    Head& head = *met.head;
    if (met.first) {
      CAIRN_TRY(take_stored(head, run.id));
    }
    if (head.there == 0 || head.created_lsn != run.created_lsn) {
      continue;  // the run is erased, or was never durable
    }
    while (const StagedDiff* next = run.next_after(head.sequence)) {
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

// In an order by time, begins with the heads that come first in it: so the page is full early.
Status RunHeads::offer(RunPage& page) {
  const bool back = page.query().order == RunOrder::kNewestFirst;
  for (size_t i = 0; i < count_; ++i) {
    Head& head = head_at(back ? count_ - 1 - i : i);
    if (head.there == 0 || (head.known & ~head.matches) != 0 || !page.takes(head.updated_us, id_of(head))) {
      continue;
    }
    if (head.known != kAllSuits) {
      CAIRN_TRY(ask_tables(head, id_of(head)));
    }
    if (head.there != 0 && head.matches == kAllSuits) {
      RunRecord place;
      place.id = id_of(head);
      place.updated_us = head.updated_us;
      page.add(std::move(place), false);
    }
  }
  return {};
}

}  // namespace cairn::engine
