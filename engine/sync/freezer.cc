#include "engine/sync/freezer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/sync/batch.h"
#include "engine/sync/dead_letter.h"
#include "engine/sync/outbox_rows.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

std::vector<DiffEntry> whole_document(const Document& document) {
  std::vector<DiffEntry> changes;
  changes.reserve(static_cast<size_t>(document.size()));
  for (int i = 0; i < document.size(); ++i) {
    changes.push_back({document.member(i).key, Form(FormKind::kSet), document.member(i).value});
  }
  return changes;
}

/// The values that the keys have now.
std::vector<DiffEntry> values_of(const Diff& diff) {
  std::vector<DiffEntry> changes = diff.entries;
  for (DiffEntry& e : changes) {
    if (e.gone) {
      e = {e.key, Form(FormKind::kDelete), std::nullopt};
    }
  }
  return changes;
}

/// The head for the first send of a run whose later changes go in another batch. If it ended, the end is one of those.
Head first_head_of(const RunRecord& record) {
  Head head = head_of(record);
  if (record.outbox.later[0].sends_status && is_final(head.status)) {
    head.status = RunStatus::kExecuting;
    head.finished_us = 0;
    head.error.clear();
  }
  return head;
}

/// An entry of what waits of this run of the store's own, and with what number it ends. `resend`: all of it once more.
void fill_own(const RunRecord& record, bool resend, FrozenPart& part, Entry& entry) {
  const OutboxRow& row = record.outbox;
  entry.life = record.created_lsn;
  part.row.send_whole = row.send_whole || (resend && !row.is_first_send());
  if (!row.later.empty()) {
    part.sequence = row.diff.last;
    entry.updated_us = row.diff.updated_us;
    entry.kind = EntryKind::kValues;
    entry.head = first_head_of(record);
    entry.replace = true;
    entry.changes = row.diff.entries;
  } else if (resend || is_sent_whole(row)) {
    entry.kind = row.overwrite_upstream ? EntryKind::kForms : EntryKind::kValues;
    entry.head = head_of(record);
    entry.replace = true;
    entry.changes = whole_document(record.document);
  } else {
    entry.kind = record.ships_forms ? EntryKind::kForms : EntryKind::kValues;
    entry.replace = row.diff.replace;
    entry.changes = record.ships_forms ? forms_of(row.diff) : values_of(row.diff);
    if (row.sends_status) {
      entry.head = head_of(record);
    }
  }
  entry.sequence = part.sequence;
}

void fill_delta(const OutboxRow& row, Entry& entry) {
  entry.kind = EntryKind::kDelta;
  entry.hops = row.hops;
  entry.replace = row.diff.replace;
  entry.changes = forms_of(row.diff);
}

}  // namespace

// Those that the row queues; of a run that is sent whole all.
Status Freezer::add_texts(const RunRecord& record, const FrozenPart& part, Entry& entry) {
  const bool whole = part.kind == FrozenPart::Kind::kWhole || is_sent_whole(part.row);
  for (const TextKind kind : kTextKinds) {
    if (!whole && (part.row.texts & static_cast<uint8_t>(kind)) == 0) {
      continue;
    }
    CAIRN_TRY_ASSIGN(const auto payload, txn_.get(Table::kTexts, text_key(record.id, kind)));
    if (payload) {
      entry.texts.of(kind) = decode_text(*payload);
      if (!entry.texts.of(kind)) {
        return {Code::kCorrupt, "a run's text that does not decode"};
      }
    }
  }
  return {};
}

Status Freezer::fill(SenderState& state) {
  CAIRN_TRY_ASSIGN(held_, txn_.entries(Table::kDead));
  CAIRN_TRY(add_resent(state));
  return add_waiting();
}

Status Freezer::add_resent(SenderState& state) {
  if (!state.resends) {
    return {};
  }
  CAIRN_TRY_ASSIGN(const uint64_t unsent, read_unsent(txn_));
  uint64_t passed = 0;
  while (state.resends && !full_) {
    CAIRN_TRY_ASSIGN(const auto ids,
                     keys_after(txn_, Table::kRuns, state.resend_after, std::min(kIdsAtOnce, limits_.entries)));
    state.resends = !ids.empty();
    for (size_t i = 0; i < ids.size() && !full_; ++i) {
      CAIRN_TRY(add_resent_one(state, ids[i], passed));
    }
    CAIRN_TRY(take_out_resent());
  }
  return save_unsent(txn_, state.resends ? unsent - std::min(unsent, passed) : 0);
}

Status Freezer::add_resent_one(SenderState& state, const std::string& id, uint64_t& passed) {
  const size_t parts = parts_.size();
  CAIRN_TRY_ASSIGN(const bool added, add(id, true));
  if (!added) {
    return {};
  }
  state.resend_after = id;
  if (parts_.size() > parts) {
    passed += parts_.back().kind == FrozenPart::Kind::kWhole ? 1 : 0;
  } else {
    CAIRN_TRY_ASSIGN(const auto&& skipped, txn_.find(id));
    passed += skipped && !skipped->foreign && !skipped->outbox.waits() ? 1 : 0;
  }
  return {};
}

// Rows of this batch leave the outbox before its order is walked.
Status Freezer::take_out_resent() {
  for (; taken_out_ < parts_.size(); ++taken_out_) {
    FrozenPart& part = parts_[taken_out_];
    if (part.kind == FrozenPart::Kind::kRow) {
      if (!part.row.later.empty()) {
        goes_on_.insert(part.id);
      }
      CAIRN_TRY(take_out(part));
    }
  }
  return {};
}

Status Freezer::add_waiting() {
  std::string after;
  while (!full_) {
    CAIRN_TRY_ASSIGN(const auto keys,
                     keys_after(txn_, Table::kOutboxOrder, after, std::min(kIdsAtOnce, limits_.entries)));
    if (keys.empty()) {
      break;
    }
    after = keys.back();
    for (size_t i = 0; i < keys.size() && !full_; ++i) {
      CAIRN_TRY(add_in_order(keys[i]));
    }
  }
  return {};
}

Status Freezer::add_in_order(const std::string& order_key) {
  const auto id = id_of_order_key(order_key);
  if (!id) {
    return {Code::kCorrupt, "malformed entry in the order of sending"};
  }
  const std::string run(*id);
  if (goes_on_.count(run) != 0) {
    return {};
  }
  CAIRN_TRY_ASSIGN(const bool added, add(run, false));
  if (!added) {
    return {};
  }
  FrozenPart* const part = !parts_.empty() && parts_.back().id == run ? &parts_.back() : nullptr;
  if (part != nullptr && !part->row.later.empty()) {
    goes_on_.insert(run);
    return take_out(*part);
  }
  CAIRN_TRY(txn_.erase(Table::kOutboxOrder, order_key));  // of a held run too: its release restores it
  if (part != nullptr && part->kind == FrozenPart::Kind::kTombstone) {
    goes_on_.insert(run);
  }
  return part != nullptr ? take_out(*part) : Status();
}

// False: the batch has no room for it, and is full.
Result<bool> Freezer::add(const std::string& id, bool resend) {
  if (held_ > 0) {
    CAIRN_TRY_ASSIGN(const auto dead, txn_.get(Table::kDead, id));
    const bool holds = dead && !is_sent_again(*dead);
    CAIRN_TRY_ASSIGN(const auto erased, tombstone_of(txn_, id));
    if (holds && !erased) {
      return true;
    }
  }
  const size_t bytes = body_.size();
  const size_t parts = parts_.size();
  CAIRN_TRY(add_part(id, resend));
  if (parts > 0 && body_.size() > limits_.bytes) {
    body_.resize(bytes);
    parts_.resize(parts);
    full_ = true;
    return false;
  }
  full_ = parts_.size() >= limits_.entries || body_.size() >= limits_.bytes;
  return true;
}

// Appends what waits of one run as an entry, and the part it was made of; nothing if nothing waits.
Status Freezer::add_part(const std::string& id, bool resend) {
  CAIRN_TRY_ASSIGN(const auto&& record, txn_.find(id));
  Entry entry;
  entry.id = id;
  FrozenPart part;
  part.id = id;
  // The tombstone goes first: a row of this id is of a run owned elsewhere that came later.
  CAIRN_TRY_ASSIGN(const auto tombstone, tombstone_of(txn_, id));
  if (tombstone && !resend) {
    part.kind = FrozenPart::Kind::kTombstone;
    part.tombstone = *tombstone;
    entry.kind = EntryKind::kErase;
    entry.life = part.life = tombstone->created_lsn;
    entry.sequence = part.sequence = tombstone->sequence;
  } else if (!record) {
    return {};
  } else {
    const OutboxRow& row = record->outbox;
    const bool nothing = row.diff.entries.empty() && !row.diff.replace;
    if ((!row.waits() && !resend) || (record->foreign && (resend || nothing))) {
      return {};
    }
    part.kind = row.waits() ? FrozenPart::Kind::kRow : FrozenPart::Kind::kWhole;
    part.foreign = record->foreign;
    part.row = row;
    part.life = record->created_lsn;
    part.sequence = row.waits() ? record->sequence : record->shared_sequence();
    entry.updated_us = record->updated_us;
    if (record->foreign) {
      fill_delta(row, entry);
    } else {
      fill_own(*record, resend, part, entry);
      CAIRN_TRY(add_texts(*record, part, entry));
    }
  }
  sync::append_entry(body_, entry, wall_us_);
  parts_.push_back(std::move(part));
  return {};
}

// Removes what is in the batch from the outbox; the later row stays.
Status Freezer::take_out(FrozenPart& part) {
  if (part.kind == FrozenPart::Kind::kTombstone) {
    CAIRN_TRY(txn_.erase(Table::kTombstones, part.id));
    return put_in_order(txn_, part.id);
  }
  if (part.row.later.empty()) {
    CAIRN_TRY(txn_.erase(Table::kOutbox, part.id));
    return txn_.erase(Table::kOutboxOrder, outbox_order_key(part.row.since_lsn, part.id));
  }
  CAIRN_TRY_ASSIGN(auto&& record, txn_.find(part.id));
  if (!record) {
    return {Code::kInternal, "a run vanished while it was put into a batch"};
  }
  record->outbox = OutboxRow(std::move(part.row.later[0]));
  part.row.later.clear();
  return txn_.put_run(*record);
}

Result<FrozenBatch> Freezer::seal(const SenderState& state, uint64_t lsn_hi) {
  FrozenBatch frozen;
  if (parts_.empty()) {
    return frozen;
  }
  BatchHeader header;
  header.owner = state.owner;
  header.stream = state.stream;
  header.seq = state.seq + 1;
  header.generation = state.generation;
  header.lsn_hi = lsn_hi;
  header.deltas = state.deltas;
  header.parent = state.seq == 0 ? state.parent : StreamId{};
  header.parent_seq = state.seq == 0 ? state.parent_seq : 0;
  header.wall_us = wall_us_;
  header.prev = state.digest;
  frozen.bytes = seal_batch(header, static_cast<uint32_t>(parts_.size()), body_);
  std::memcpy(&frozen.header, frozen.bytes.data(), sizeof frozen.header);
  frozen.parts = std::move(parts_);
  CAIRN_TRY(txn_.put(Table::kInflight, std::string(1, '\0'), encode_frozen_batch(frozen)));
  return frozen;
}

}  // namespace cairn::engine::sync
