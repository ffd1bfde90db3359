#include "engine/sync/outbox.h"

#include <algorithm>
#include <cstring>

#include "engine/sync/outbox_rows.h"
#include "engine/tables_format.h"

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

/// Forms as they travel: a constant with its value, all else without.
std::vector<DiffEntry> forms_of(const Diff& diff) {
  std::vector<DiffEntry> changes = diff.entries;
  for (DiffEntry& e : changes) {
    if (e.form.kind != FormKind::kSet) {
      e.value.reset();
      e.gone = false;
    }
  }
  return changes;
}

/// What the keys are now.
std::vector<DiffEntry> values_of(const Diff& diff) {
  std::vector<DiffEntry> changes = diff.entries;
  for (DiffEntry& e : changes) {
    if (e.gone) {
      e = {e.key, Form(FormKind::kDelete), std::nullopt};
    }
  }
  return changes;
}

/// Of a run whose later changes go behind its first word: its end is one of them.
Head first_head_of(const RunRecord& record) {
  Head head = head_of(record);
  if (record.outbox.behind[0].head && is_final(head.status)) {
    head.status = RunStatus::kExecuting;
    head.finished_us = 0;
    head.error.clear();
  }
  return head;
}

bool starts_here(const OutboxRow& row) { return row.full || row.diff.base == 0; }

}  // namespace

Outbox::Outbox(Tables& tables, Seams seams) : tables_(tables), seams_(std::move(seams)) {}

Status Outbox::read_in_flight() {
  in_flight_.clear();
  in_flight_header_ = BatchHeader();
  has_stranded_ = false;
  return tables_.look([&](TablesTxn& txn) -> Status {
    auto behind = keys_behind(txn, Table::kInflight, std::string(1, '\xfe'), 1);
    CAIRN_TRY(behind.status());
    has_stranded_ = !behind->empty();
    auto all = frozen_batches(txn);
    if (all.ok() && !all->empty()) {
      in_flight_ = std::move(all->back().bytes);
      in_flight_header_ = all->back().header;
    }
    return all.status();
  });
}

// --- freezing ---

// Appends what waits of one run, and how it came about; nothing when nothing does.
Status Outbox::add_part(TablesTxn& txn, const std::string& id, std::string& body, int64_t wall_us, bool resend,
                        std::vector<FrozenPart>& parts) const {
  auto found = txn.find(id);
  CAIRN_TRY(found.status());
  Entry entry;
  entry.id = id;
  FrozenPart part;
  part.id = id;
  // It goes before what waits of a run owned elsewhere that has the id of the erased one.
  auto tombstone = tombstone_of(txn, id);
  CAIRN_TRY(tombstone.status());
  if (*tombstone && !resend) {
    part.kind = FrozenPart::Kind::kTombstone;
    part.tombstone = **tombstone;
    entry.kind = EntryKind::kErase;
    entry.life = part.life = part.tombstone.created_lsn;
    entry.sequence = part.sequence = part.tombstone.sequence;
  } else if (!*found) {
    return {};
  } else {
    const RunRecord& record = **found;
    const OutboxRow& row = record.outbox;
    const bool nothing = row.diff.entries.empty() && !row.diff.replace;
    if ((!row.waits() && !resend) || (record.foreign && (resend || nothing))) {
      return {};
    }
    part.kind = row.waits() ? FrozenPart::Kind::kRow : FrozenPart::Kind::kWhole;
    part.foreign = record.foreign;
    part.row = row;
    part.life = record.created_lsn;
    part.sequence = row.waits() ? record.sequence : record.shared_sequence();
    entry.updated_us = record.updated_us;
    if (record.foreign) {
      entry.kind = EntryKind::kDelta;
      entry.hops = row.hops;
      entry.replace = row.diff.replace;
      entry.changes = forms_of(row.diff);
    } else {
      entry.life = record.created_lsn;
      part.row.full = row.full || (resend && !row.is_first_word());
      if (!row.behind.empty()) {
        part.sequence = row.diff.last;
        entry.updated_us = row.diff.updated_us;
        entry.kind = EntryKind::kValues;
        entry.head = first_head_of(record);
        entry.replace = true;
        entry.changes = row.diff.entries;
      } else if (resend || starts_here(row)) {
        entry.kind = EntryKind::kValues;
        entry.head = head_of(record);
        entry.replace = true;
        entry.changes = whole_document(record.document);
        if (row.over) {
          entry.kind = EntryKind::kForms;
        }
      } else {
        entry.kind = record.ships_forms ? EntryKind::kForms : EntryKind::kValues;
        entry.replace = row.diff.replace;
        entry.changes = record.ships_forms ? forms_of(row.diff) : values_of(row.diff);
        if (row.head) {
          entry.head = head_of(record);
        }
      }
      entry.sequence = part.sequence;
    }
  }
  sync::append_entry(body, entry, wall_us);
  parts.push_back(std::move(part));
  return {};
}

// What goes with the batch leaves the outbox; what goes behind it waits on.
Status Outbox::take_out(TablesTxn& txn, FrozenPart& part) {
  if (part.kind == FrozenPart::Kind::kTombstone) {
    CAIRN_TRY(txn.erase(Table::kTombstones, part.id));
    return put_in_order(txn, part.id);
  }
  if (part.row.behind.empty()) {
    CAIRN_TRY(txn.erase(Table::kOutbox, part.id));
    return txn.erase(Table::kOutboxOrder, outbox_order_key(part.row.since_lsn, part.id));
  }
  auto record = txn.find(part.id);
  CAIRN_TRY(record.status());
  if (!*record) {
    return {Code::kInternal, "a run that was just there"};
  }
  (*record)->outbox = OutboxRow(std::move(part.row.behind[0]));
  part.row.behind.clear();
  return txn.put_run(**record);
}

Status Outbox::freeze(const FreezeLimits& limits, uint64_t lsn_hi,
                      const std::function<void(const std::string& id, uint64_t last)>& taken) {
  if (!in_flight_.empty() || !state_.attached || state_.halt != Halt::kNone || state_.pulls()) {
    return {};
  }
  if (!state_.resends) {
    // An idle store is not written to.
    bool waits = false;
    CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
      auto order = txn.entries(Table::kOutboxOrder);
      CAIRN_TRY(order.status());
      waits = *order > 0;
      return {};
    }));
    if (!waits) {
      return {};
    }
  }
  FrozenBatch frozen;
  SenderState next;
  const int64_t wall_us = seams_.wall_us();
  CAIRN_TRY(tables_.transact(3 * limits.bytes + 256 * limits.entries, [&](TablesTxn& txn) -> Status {
    frozen = FrozenBatch();
    next = state_;
    std::string body;
    const auto held = txn.entries(Table::kDead);
    CAIRN_TRY(held.status());
    bool full = false;
    std::unordered_set<std::string> goes_on;  // something may wait behind what is in this batch
    // False: the batch has no room for it.
    const auto add = [&](const std::string& id, bool resend) -> Result<bool> {
      if (*held > 0) {
        auto dead = txn.get(Table::kDead, id);
        CAIRN_TRY(dead.status());
        const bool holds = dead->has_value() && !is_sent_again(**dead);
        auto erased = tombstone_of(txn, id);
        CAIRN_TRY(erased.status());
        if (holds && !*erased) {
          return true;
        }
      }
      const size_t before = body.size();
      const size_t parts = frozen.parts.size();
      CAIRN_TRY(add_part(txn, id, body, wall_us, resend, frozen.parts));
      if (parts > 0 && body.size() > limits.bytes) {
        body.resize(before);
        frozen.parts.resize(parts);
        full = true;
        return false;
      }
      full = frozen.parts.size() >= limits.entries || body.size() >= limits.bytes;
      return true;
    };
    const bool resends = next.resends;
    auto unsent = resends ? Outbox::unsent(txn) : Result<uint64_t>(0);
    CAIRN_TRY(unsent.status());
    uint64_t passed = 0;
    size_t out = 0;
    while (next.resends && !full) {
      auto ids = keys_behind(txn, Table::kRuns, next.resend_after, std::min(kIdsAtOnce, limits.entries));
      CAIRN_TRY(ids.status());
      next.resends = !ids->empty();
      for (size_t i = 0; i < ids->size() && !full; ++i) {
        const std::string& id = (*ids)[i];
        const size_t parts = frozen.parts.size();
        auto added = add(id, true);
        CAIRN_TRY(added.status());
        if (!*added) {
          continue;
        }
        next.resend_after = id;
        if (frozen.parts.size() > parts) {
          passed += frozen.parts.back().kind == FrozenPart::Kind::kWhole ? 1 : 0;
        } else {
          auto skipped = txn.find(id);
          CAIRN_TRY(skipped.status());
          passed += *skipped && !(*skipped)->foreign && !(*skipped)->outbox.waits() ? 1 : 0;
        }
      }
      // What was taken is out of the outbox before the order of it is walked.
      for (; out < frozen.parts.size(); ++out) {
        FrozenPart& part = frozen.parts[out];
        if (part.kind == FrozenPart::Kind::kRow) {
          if (!part.row.behind.empty()) {
            goes_on.insert(part.id);
          }
          CAIRN_TRY(take_out(txn, part));
        }
      }
    }
    if (resends) {
      CAIRN_TRY(save_unsent(txn, next.resends ? *unsent - std::min(*unsent, passed) : 0));
    }
    std::string after;
    while (!full) {
      auto keys = keys_behind(txn, Table::kOutboxOrder, after, std::min(kIdsAtOnce, limits.entries));
      CAIRN_TRY(keys.status());
      if (keys->empty()) {
        break;
      }
      after = keys->back();
      for (size_t i = 0; i < keys->size() && !full; ++i) {
        const auto id = id_of_order_key((*keys)[i]);
        if (!id) {
          return {Code::kCorrupt, "an entry of the order of sending that is none"};
        }
        const std::string run(*id);
        if (goes_on.count(run) != 0) {
          continue;
        }
        auto added = add(run, false);
        CAIRN_TRY(added.status());
        if (!*added) {
          break;
        }
        FrozenPart* const part =
            !frozen.parts.empty() && frozen.parts.back().id == run ? &frozen.parts.back() : nullptr;
        if (part != nullptr && !part->row.behind.empty()) {
          goes_on.insert(run);
          CAIRN_TRY(take_out(txn, *part));
          continue;
        }
        CAIRN_TRY(
            txn.erase(Table::kOutboxOrder, (*keys)[i]));  // also of a run that is held: its release brings it back
        if (part != nullptr && part->kind == FrozenPart::Kind::kTombstone) {
          goes_on.insert(run);
        }
        if (part != nullptr) {
          CAIRN_TRY(take_out(txn, *part));
        }
      }
    }
    if (!frozen.parts.empty()) {
      BatchHeader header;
      header.owner = next.owner;
      header.stream = next.stream;
      header.seq = next.seq + 1;
      header.generation = next.generation;
      header.lsn_hi = lsn_hi;
      header.deltas = next.deltas;
      header.parent = next.seq == 0 ? next.parent : StreamId{};
      header.parent_seq = next.seq == 0 ? next.parent_seq : 0;
      header.wall_us = wall_us;
      header.prev = next.digest;
      frozen.bytes = seal_batch(header, static_cast<uint32_t>(frozen.parts.size()), body);
      std::memcpy(&frozen.header, frozen.bytes.data(), sizeof frozen.header);
      CAIRN_TRY(txn.put(Table::kInflight, std::string(1, '\0'), encode_frozen_batch(frozen)));
    }
    return save(txn, next);
  }));
  note(std::move(next));
  if (frozen.parts.empty()) {
    return {};
  }
  in_flight_ = std::move(frozen.bytes);
  in_flight_header_ = frozen.header;
  for (const FrozenPart& part : frozen.parts) {
    if (part.foreign && taken) {
      taken(part.id, part.row.diff.last);
    }
  }
  return tables_.sync();  // a commit alone may be lost, and with it the number that the upstream then has
}

Result<bool> Outbox::split(VerdictCode code, const std::string& why) {
  CAIRN_TRY(seams_.fold());
  bool alone = false;
  CAIRN_TRY(tables_.transact(3 * in_flight_.size() + 4096, [&](TablesTxn& txn) -> Status {
    auto all = frozen_batches(txn);
    CAIRN_TRY(all.status());
    if (all->empty() || all->size() >= UINT8_MAX) {
      return {Code::kInternal, "nothing is in flight that could be split"};
    }
    FrozenBatch& last = all->back();
    alone = last.parts.size() == 1;
    if (alone) {
      CAIRN_TRY(bury(txn, last.parts[0], code, why));
      for (size_t i = 1; i < all->front().parts.size(); ++i) {
        CAIRN_TRY(put_back(txn, all->front().parts[i], false));
      }
      return erase_frozen_batches(txn);
    }
    // The entries stand one behind the other: half of them is the front of the body.
    const size_t keep = last.parts.size() / 2;
    Result<size_t> bytes = bytes_of_entries(std::string_view(last.bytes).substr(sizeof(BatchHeader)), keep);
    CAIRN_TRY(bytes.status());
    FrozenBatch half;
    half.header = last.header;
    half.parts.assign(last.parts.begin(), last.parts.begin() + static_cast<ptrdiff_t>(keep));
    half.bytes = seal_batch(half.header, static_cast<uint32_t>(keep),
                            std::string_view(last.bytes).substr(sizeof(BatchHeader), *bytes));
    return txn.put(Table::kInflight, std::string(1, static_cast<char>(all->size())), encode_frozen_batch(half));
  }));
  CAIRN_TRY(tables_.sync());
  CAIRN_TRY(read_in_flight());
  return !alone;
}

// --- answers ---

Status Outbox::put_back(TablesTxn& txn, const FrozenPart& part, bool whole) {
  auto found = txn.find(part.id);
  CAIRN_TRY(found.status());
  if (part.kind == FrozenPart::Kind::kTombstone) {
    return put_back_tombstone(txn, part, *found ? &**found : nullptr);
  }
  if (*found && part.foreign && !(*found)->foreign) {
    return strand(txn, part);
  }
  if (!*found || (*found)->created_lsn != part.life) {
    return {};  // erased meanwhile
  }
  RunRecord& record = **found;
  if (record.foreign) {
    returned_.push_back(part.id);
  }
  const OutboxRow newer = record.outbox;
  if (part.kind == FrozenPart::Kind::kWhole) {
    record.outbox = newer.waits() ? newer : whole_row(record);
    whole = true;
  } else {
    record.outbox = part.row;
    if (newer.waits() && record.others_write && part.row.is_first_word() && !newer.full) {
      record.outbox.diff.last = newer.diff.base;
      record.outbox.behind.push_back(newer);
    } else if (newer.waits()) {
      record.outbox.diff.last = newer.diff.base;
      CAIRN_TRY(fold(record.outbox.diff, newer.diff, kStoredOperationsMax));
      record.outbox.head = record.outbox.head || newer.head;
      record.outbox.full = record.outbox.full || newer.full;
      record.outbox.over = record.outbox.over || newer.over;
      record.outbox.hops = std::max(record.outbox.hops, newer.hops);
    } else {
      record.outbox.diff.last = record.sequence;  // a rebase may have gone on from there
    }
  }
  record.shared = 0;
  record.outbox.full = record.outbox.full || whole;
  return txn.put_run(record);
}

// `now`: the run of this id, if there is one.
Status Outbox::put_back_tombstone(TablesTxn& txn, const FrozenPart& part, const RunRecord* now) {
  auto later = tombstone_of(txn, part.id);
  CAIRN_TRY(later.status());
  if (*later || (now != nullptr && !now->foreign)) {
    return {};  // its next life, or the erase of that, takes the old one's place upstream
  }
  uint64_t since = part.tombstone.since_lsn;
  if (now != nullptr && now->outbox.waits()) {
    // One owned elsewhere, that goes behind the erase again: both have one place in the order.
    CAIRN_TRY(txn.erase(Table::kOutboxOrder, outbox_order_key(now->outbox.since_lsn, part.id)));
    since = std::min(since, now->outbox.since_lsn);
  }
  std::string payload;
  append_tombstone(payload, part.tombstone);
  CAIRN_TRY(txn.put(Table::kTombstones, part.id, payload));
  return txn.put(Table::kOutboxOrder, outbox_order_key(since, part.id), {});
}

// The owner's first word came here while they were on their way, and now they go no further: they belong into the run
// that is here. A batch of their own, so that they are taken once, as any that comes in.
Status Outbox::strand(TablesTxn& txn, const FrozenPart& part) const {
  Entry entry;
  entry.kind = EntryKind::kDelta;
  entry.id = part.id;
  entry.updated_us = part.row.diff.updated_us;
  entry.replace = part.row.diff.replace;
  entry.changes = forms_of(part.row.diff);
  entry.hops = part.row.hops;
  BatchHeader header;
  header.owner = state_.owner;
  header.seq = 1;
  header.wall_us = seams_.wall_us();
  seams_.random_bytes(header.stream.data(), header.stream.size());
  std::string body;
  sync::append_entry(body, entry, header.wall_us);
  std::string key(1, kStranded);
  key.append(reinterpret_cast<const char*>(header.stream.data()), header.stream.size());
  return txn.put(Table::kInflight, key, seal_batch(header, 1, body));
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

Status Outbox::landed(const Batch& batch, const std::vector<Verdict>& verdicts) {
  const std::string_view stream(reinterpret_cast<const char*>(batch.header.stream.data()), batch.header.stream.size());
  CAIRN_TRY(tables_.transact(1u << 16, [&](TablesTxn& txn) -> Status {
    for (const Verdict& v : verdicts) {
      FrozenPart part;
      part.id = batch.entries[v.entry].id;
      part.foreign = true;
      part.row.diff.last = 1;
      part.row.diff.updated_us = batch.entries[v.entry].updated_us;
      part.row.diff.replace = batch.entries[v.entry].replace;
      part.row.diff.entries = batch.entries[v.entry].changes;
      part.row.hops = batch.entries[v.entry].hops;
      CAIRN_TRY(bury(txn, part, v.code, v.text));
    }
    CAIRN_TRY(txn.erase(Table::kInflight, kStranded + std::string(stream)));
    return txn.erase(Table::kCursors, stream);
  }));
  count_backlogged();
  return read_in_flight();
}

Status Outbox::bury(TablesTxn& txn, const FrozenPart& part, VerdictCode code, const std::string& text) const {
  if (part.kind == FrozenPart::Kind::kTombstone) {
    return {};  // the run is not there, or not ours
  }
  DeadLetter letter;
  letter.code = code;
  letter.text = text.empty() ? verdict_name(code) : text;
  letter.since_us = seams_.wall_us();
  letter.foreign = part.foreign;
  letter.row = part.row;
  // One that is held already keeps its reason, and what waited behind it joins it.
  auto held = txn.get(Table::kDead, part.id);
  CAIRN_TRY(held.status());
  auto before = held->has_value() ? decode_dead_letter(**held) : Result<DeadLetter>(DeadLetter());
  CAIRN_TRY(before.status());
  if (held->has_value() && !before->row.waits()) {
    letter.since_us = before->since_us;
  }
  if (before->row.waits() && part.row.waits()) {
    Diff behind = part.row.diff;
    behind.base = before->row.diff.last;
    behind.last = std::max(behind.last, behind.base + 1);
    CAIRN_TRY(fold(before->row.diff, behind, kStoredOperationsMax));
    before->row.head = before->row.head || part.row.head;
    before->row.hops = std::max(before->row.hops, part.row.hops);
    letter = std::move(*before);
  }
  letter.is_long = letter.foreign && is_long(letter.row, seams_.letter_bytes_max);
  return txn.put(Table::kDead, part.id, encode_dead_letter(letter));
}

Status Outbox::acknowledge(const ReplyHeader& header, const std::vector<Verdict>& verdicts) {
  // What goes back is put beside what the tables have: if the run was started here meanwhile, they must know it.
  bool halved = false;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto forms = txn.entries(Table::kInflight);
    CAIRN_TRY(forms.status());
    halved = *forms > 1;
    return {};
  }));
  if (!verdicts.empty() || halved || header.digest != in_flight_header_.digest) {
    CAIRN_TRY(seams_.fold());
  }
  SenderState next;
  CAIRN_TRY(tables_.transact(4 * in_flight_.size() + 4096, [&](TablesTxn& txn) -> Status {
    next = state_;
    auto all = frozen_batches(txn);
    CAIRN_TRY(all.status());
    const auto taken = std::find_if(all->begin(), all->end(), [&](const FrozenBatch& f) {
      return f.header.seq == header.seq && f.header.digest == header.digest && f.header.stream == header.stream;
    });
    if (taken == all->end()) {
      return {Code::kCorrupt, "an answer about a batch that was not sent"};
    }
    std::vector<const Verdict*> of(taken->parts.size(), nullptr);
    for (const Verdict& v : verdicts) {
      if (v.entry >= of.size() || of[v.entry] != nullptr) {
        return {Code::kCorrupt, "an answer about an entry that was not sent"};
      }
      of[v.entry] = &v;
    }
    CAIRN_TRY(erase_frozen_batches(txn));
    uint64_t deltas = 0;
    for (size_t i = 0; i < of.size(); ++i) {
      const FrozenPart& part = taken->parts[i];
      deltas += part.foreign ? 1 : 0;
      if (of[i] == nullptr) {
        if (backlogged_ > 0 && part.kind != FrozenPart::Kind::kTombstone) {
          auto dead = txn.get(Table::kDead, part.id);
          CAIRN_TRY(dead.status());
          if (dead->has_value() && is_sent_again(**dead)) {
            CAIRN_TRY(txn.erase(Table::kDead, part.id));
          }
        }
        continue;
      }
      const bool starts = part.kind == FrozenPart::Kind::kWhole || starts_here(part.row);
      // Sent whole, what waited of it is all that is to be sent if the upstream has what was before.
      const bool fits =
          part.kind == FrozenPart::Kind::kRow && of[i]->sequence != 0 && part.row.base() == of[i]->sequence;
      if (of[i]->code == VerdictCode::kShared && (!starts || fits) && !part.foreign) {
        FrozenPart forms = part;
        forms.row.full = false;
        if (std::exchange(forms.row.anew, false)) {
          ++forms.row.diff.base;
        }
        CAIRN_TRY(put_back(txn, forms, false));
        auto record = txn.find(part.id);
        CAIRN_TRY(record.status());
        if (*record && (*record)->created_lsn == part.life) {
          (*record)->ships_forms = true;
          CAIRN_TRY(txn.put_run(**record));
        }
      } else if (of[i]->code == VerdictCode::kWantFull && !starts && !part.foreign) {
        CAIRN_TRY(put_back(txn, part, true));
      } else {
        CAIRN_TRY(bury(txn, part, of[i]->code, of[i]->text));
      }
    }
    for (size_t i = taken->parts.size(); i < all->front().parts.size(); ++i) {
      CAIRN_TRY(put_back(txn, all->front().parts[i], false));
    }
    next.seq = taken->header.seq;
    next.digest = taken->header.digest;
    next.deltas += deltas;
    ++next.batches;
    next.entries += of.size();
    next.bytes += taken->bytes.size();
    next.acked_us = seams_.wall_us();
    next.last_error.clear();
    next.told = false;
    return save(txn, next);
  }));
  note(std::move(next));
  if (backlogged_ > 0 ||
      std::any_of(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.code == VerdictCode::kBacklog; })) {
    count_backlogged();
  }
  return read_in_flight();
}

Status Outbox::take_back() {
  CAIRN_TRY(seams_.fold());
  CAIRN_TRY(tables_.transact(4 * in_flight_.size() + 4096, [&](TablesTxn& txn) -> Status {
    auto all = frozen_batches(txn);
    CAIRN_TRY(all.status());
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      CAIRN_TRY(put_back(txn, all->front().parts[i], false));
    }
    return erase_frozen_batches(txn);
  }));
  return read_in_flight();
}

}  // namespace cairn::engine::sync
