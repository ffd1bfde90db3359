#include "engine/sync/outbox.h"

#include <algorithm>
#include <utility>

#include "engine/sync/outbox_rows.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

Status Outbox::load() {
  CAIRN_TRY(state_.load());
  letters_.count_backlogged();
  return in_flight_.load(tables_);
}

// Nothing is written to an idle store.
Result<bool> Outbox::may_freeze() {
  if (!in_flight_.empty() || !state_->attached || state_->halt != Halt::kNone || state_->pulls()) {
    return false;
  }
  bool waits = state_->resends;
  if (!waits) {
    CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
      CAIRN_TRY_ASSIGN(const uint64_t order, txn.entries(Table::kOutboxOrder));
      waits = order > 0;
      return {};
    }));
  }
  return waits;
}

Status Outbox::freeze(const FreezeLimits& limits, uint64_t lsn_hi,
                      const std::function<void(const std::string& id, uint64_t last)>& taken) {
  CAIRN_TRY_ASSIGN(const bool may, may_freeze());
  if (!may) {
    return {};
  }
  FrozenBatch frozen;
  InFlight batch;
  const int64_t wall_us = seams_.wall_us();
  const uint64_t bytes = 3 * limits.bytes + 256 * limits.entries;
  CAIRN_TRY(state_.commit(*state_, bytes, [&](TablesTxn& txn, SenderState& next) -> Status {
    Freezer freezer(txn, limits, wall_us);
    CAIRN_TRY(freezer.fill(next));
    CAIRN_TRY_ASSIGN(frozen, freezer.seal(next, lsn_hi));
    batch = InFlight::of(frozen);
    return {};
  }));
  if (frozen.parts.empty()) {
    return {};
  }
  in_flight_.begin(std::move(batch));  // first: it is committed, and this cannot fail
  for (const FrozenPart& part : frozen.parts) {
    if (part.foreign && taken) {
      taken(part.id, part.row.diff.last);
    }
  }
  return tables_.sync();  // else a power cut may take the commit, and the number would be used again
}

// The larger forms stay: the upstream may have applied one of them, and only the answer was lost. Their parts go back
// or become dead letters only after the upstream has acknowledged a form of this number: else the number would be used
// again, for something else.
Status Outbox::split(VerdictCode code, const std::string& why) {
  InFlight after;  // made before the commit, so that nothing can fail after it
  CAIRN_TRY(tables_.transact(in_flight_.bytes().size() + why.size() + 4096, [&](TablesTxn& txn) -> Status {
    CAIRN_TRY_ASSIGN(const auto all, frozen_batches(txn));
    if (all.empty() || all.back().parts.empty() || all.size() >= UINT8_MAX) {
      return {Code::kInternal, "nothing is in flight that could be split"};
    }
    const FrozenBatch& last = all.back();
    // The entries follow each other: the first half of them is the front of the body.
    const size_t keep = last.parts.size() / 2;
    const std::string_view body = std::string_view(last.bytes).substr(sizeof(BatchHeader));
    CAIRN_TRY_ASSIGN(const size_t bytes, bytes_of_entries(body, keep));
    FrozenBatch half;
    half.header = last.header;
    half.parts.assign(last.parts.begin(), last.parts.begin() + static_cast<ptrdiff_t>(keep));
    half.bytes = seal_batch(half.header, static_cast<uint32_t>(keep), body.substr(0, bytes));
    half.code = code;
    half.why = why;
    CAIRN_TRY(txn.put(Table::kInflight, std::string(1, static_cast<char>(all.size())), encode_frozen_batch(half)));
    return after.load(txn);
  }));
  CAIRN_TRY(tables_.sync());
  in_flight_ = std::move(after);
  return {};
}

namespace {

/// The form of the batch in flight that the answer is about; end(): it is about another batch.
std::vector<FrozenBatch>::const_iterator answered_form(const std::vector<FrozenBatch>& forms,
                                                       const ReplyHeader& header) {
  return std::find_if(forms.begin(), forms.end(), [&](const FrozenBatch& form) {
    return form.header.seq == header.seq && form.header.digest == header.digest && form.header.stream == header.stream;
  });
}

/// One place for each entry; nullptr: the entry was applied.
Result<std::vector<const Verdict*>> by_entry(const std::vector<Verdict>& verdicts, size_t entries) {
  std::vector<const Verdict*> of(entries, nullptr);
  for (const Verdict& v : verdicts) {
    if (v.entry >= of.size() || of[v.entry] != nullptr) {
      return Status{Code::kCorrupt, "the upstream answered about an entry that was not sent"};
    }
    of[v.entry] = &v;
  }
  return of;
}

}  // namespace

Status Outbox::acknowledge(const ReplyHeader& header, const std::vector<Verdict>& verdicts) {
  // Parts that go back are compared with the tables: if a run was started here meanwhile, the tables must know it.
  if (!verdicts.empty() || in_flight_.halved() || header.digest != in_flight_.header().digest) {
    CAIRN_TRY(seams_.fold());
  }
  const uint64_t bytes = 4 * in_flight_.bytes().size() + 4096;
  InFlight after;  // made before the commit, so that nothing can fail after it
  CAIRN_TRY(state_.commit(*state_, bytes, [&](TablesTxn& txn, SenderState& next) -> Status {
    CAIRN_TRY_ASSIGN(const auto forms, frozen_batches(txn));
    const auto taken = answered_form(forms, header);
    if (taken == forms.end()) {
      return {Code::kCorrupt, "the upstream answered about a batch that was not sent"};
    }
    CAIRN_TRY_ASSIGN(const auto of, by_entry(verdicts, taken->parts.size()));
    CAIRN_TRY(erase_frozen_batches(txn));
    CAIRN_TRY(settle(txn, forms, *taken, of));
    next.seq = taken->header.seq;
    next.digest = taken->header.digest;
    next.deltas += static_cast<uint64_t>(
        std::count_if(taken->parts.begin(), taken->parts.end(), [](const FrozenPart& part) { return part.foreign; }));
    ++next.batches;
    next.entries += of.size();
    next.bytes += taken->bytes.size();
    next.acked_us = seams_.wall_us();
    next.last_error.clear();
    next.told_to_continue = false;
    return after.load(txn);
  }));
  in_flight_ = std::move(after);
  if (letters_.backlogged() > 0 ||
      std::any_of(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.code == VerdictCode::kBacklog; })) {
    letters_.count_backlogged();
  }
  return {};
}

// What became of each entry of the form that the upstream took, and of the rest, which that form lacks.
Status Outbox::settle(TablesTxn& txn, const std::vector<FrozenBatch>& forms, const FrozenBatch& taken,
                      const std::vector<const Verdict*>& verdicts) {
  for (size_t i = 0; i < verdicts.size(); ++i) {
    const FrozenPart& part = taken.parts[i];
    if (verdicts[i] != nullptr) {
      CAIRN_TRY(settle_part(txn, part, *verdicts[i]));
    } else if (part.kind != FrozenPart::Kind::kTombstone) {
      CAIRN_TRY(letters_.forget_sent_again(txn, part.id));
    }
  }
  const std::vector<FrozenPart>& all = forms.front().parts;
  size_t settled = verdicts.size();
  if (taken.parts.empty() && all.at(0).kind != FrozenPart::Kind::kTombstone) {
    CAIRN_TRY(put_back_.hold(txn, all[0], taken.code, taken.why));
    settled = 1;
  }
  for (size_t i = settled; i < all.size(); ++i) {
    CAIRN_TRY(put_back_.part(txn, all[i], false));
  }
  return {};
}

Status Outbox::settle_part(TablesTxn& txn, const FrozenPart& part, const Verdict& verdict) {
  const bool starts = part.kind == FrozenPart::Kind::kWhole || is_sent_whole(part.row);
  // Sent whole, but the upstream has the state before what waited: then only what waited has to be sent.
  const bool fits = part.kind == FrozenPart::Kind::kRow && verdict.sequence != 0 && part.row.base() == verdict.sequence;
  if (verdict.code == VerdictCode::kShared && (!starts || fits) && !part.foreign) {
    return send_as_forms(txn, part);
  }
  if (verdict.code == VerdictCode::kWantFull && !starts && !part.foreign) {
    return put_back_.part(txn, part, true);
  }
  return put_back_.hold(txn, part, verdict.code, verdict.text);
}

Status Outbox::send_as_forms(TablesTxn& txn, const FrozenPart& part) {
  FrozenPart forms = part;
  forms.row.send_whole = false;
  if (std::exchange(forms.row.starts_empty, false)) {
    ++forms.row.diff.base;
  }
  CAIRN_TRY(put_back_.part(txn, forms, false));
  CAIRN_TRY_ASSIGN(auto&& record, txn.find(part.id));
  if (record && record->created_lsn == part.life) {
    record->ships_forms = true;
    return txn.put_run(*record);
  }
  return {};
}

Result<std::vector<Batch>> Outbox::stranded() {
  std::vector<Batch> all;
  Status bad;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) {
    return txn.walk(Table::kInflight, std::string(1, '\xfe'), [&](std::string_view, std::string_view bytes) {
      auto batch = decode_batch(bytes);
      bad = batch.status();
      if (batch.ok()) {
        batch->came_back = true;
        all.push_back(std::move(*batch));
      }
      return bad.ok() && all.size() < kIdsAtOnce;
    });
  }));
  CAIRN_TRY(bad);
  return all;
}

Status Outbox::settle_stranded(const Batch& batch, const std::vector<Verdict>& verdicts) {
  const std::string_view stream(reinterpret_cast<const char*>(batch.header.stream.data()), batch.header.stream.size());
  CAIRN_TRY(tables_.transact(1u << 16, [&](TablesTxn& txn) -> Status {
    for (const Verdict& v : verdicts) {
      const Entry& entry = batch.entries[v.entry];
      FrozenPart part;
      part.id = entry.id;
      part.foreign = true;
      part.row.diff.last = 1;
      part.row.diff.updated_us = entry.updated_us;
      part.row.diff.replace = entry.replace;
      part.row.diff.entries = entry.changes;
      part.row.hops = entry.hops;
      CAIRN_TRY(put_back_.hold(txn, part, v.code, v.text));
    }
    CAIRN_TRY(txn.erase(Table::kInflight, kStranded + std::string(stream)));
    return txn.erase(Table::kCursors, stream);
  }));
  letters_.count_backlogged();
  return in_flight_.load(tables_);
}

}  // namespace cairn::engine::sync
