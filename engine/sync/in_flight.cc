#include "engine/sync/in_flight.h"

#include <utility>

#include "engine/sync/outbox_rows.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

Status InFlight::load(Tables& tables) {
  return tables.look([this](TablesTxn& txn) { return load(txn); });
}

Status InFlight::load(TablesTxn& txn) {
  bytes_.clear();
  header_ = BatchHeader();
  parts_.clear();
  forms_ = 0;
  CAIRN_TRY_ASSIGN(const auto stranded, keys_after(txn, Table::kInflight, std::string(1, '\xfe'), 1));
  has_stranded_ = !stranded.empty();
  CAIRN_TRY_ASSIGN(auto&& all, frozen_batches(txn));
  if (!all.empty()) {
    forms_ = all.size();
    bytes_ = std::move(all.back().bytes);
    header_ = all.back().header;
    note_parts(all.front().parts);
  }
  return {};
}

InFlight InFlight::of(FrozenBatch& frozen) {
  InFlight batch;
  batch.forms_ = 1;
  batch.bytes_ = std::move(frozen.bytes);
  batch.header_ = frozen.header;
  batch.note_parts(frozen.parts);
  return batch;
}

void InFlight::begin(InFlight&& batch) noexcept {
  batch.has_stranded_ = has_stranded_;
  *this = std::move(batch);
}

void InFlight::note_parts(const std::vector<FrozenPart>& parts) {
  parts_.clear();
  for (const FrozenPart& from : parts) {
    Part& part = parts_[from.id];
    part.kind = from.kind;
    if (from.kind == FrozenPart::Kind::kRow) {
      part.base = from.row.base();
      part.since_lsn = from.row.since_lsn;
      part.since_us = from.row.since_us;
    } else if (from.kind == FrozenPart::Kind::kTombstone) {
      part.since_us = from.tombstone.since_us;
    }
  }
}

const InFlight::Part* InFlight::find(std::string_view id) const {
  const auto at = parts_.find(id);
  return at != parts_.end() ? &at->second : nullptr;
}

}  // namespace cairn::engine::sync
