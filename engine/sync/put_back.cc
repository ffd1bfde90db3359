#include "engine/sync/put_back.h"

#include <algorithm>

#include "engine/diff/fold.h"
#include "engine/sync/batch.h"
#include "engine/sync/outbox_rows.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

Status PutBack::all() {
  CAIRN_TRY(seams_.fold());
  CAIRN_TRY(tables_.transact(4 * in_flight_.bytes().size() + 4096, [&](TablesTxn& txn) { return all(txn); }));
  return in_flight_.load(tables_);
}

Status PutBack::all(TablesTxn& txn) {
  CAIRN_TRY_ASSIGN(const auto forms, frozen_batches(txn));
  if (forms.empty()) {
    return {};
  }
  for (const FrozenPart& one : forms.front().parts) {
    CAIRN_TRY(part(txn, one, false));
  }
  return erase_frozen_batches(txn);
}

Status PutBack::part(TablesTxn& txn, const FrozenPart& part, bool whole) {
  CAIRN_TRY_ASSIGN(auto&& found, txn.find(part.id));
  if (part.kind == FrozenPart::Kind::kTombstone) {
    return tombstone(txn, part, found ? &*found : nullptr);
  }
  if (found && part.foreign && !found->foreign) {
    return strand(txn, part);
  }
  if (!found || found->created_lsn != part.life) {
    return {};  // erased meanwhile
  }
  RunRecord& record = *found;
  if (record.foreign) {
    returned_.push_back(part.id);
  }
  const OutboxRow newer = record.outbox;
  if (part.kind == FrozenPart::Kind::kWhole) {
    record.outbox = newer.waits() ? newer : whole_row(record);
    whole = true;
  } else {
    record.outbox = part.row;
    if (newer.waits() && record.others_write && part.row.is_first_send() && !newer.send_whole) {
      record.outbox.diff.last = newer.diff.base;
      record.outbox.later.push_back(newer);
    } else if (newer.waits()) {
      record.outbox.diff.last = newer.diff.base;
      CAIRN_TRY(fold(record.outbox.diff, newer.diff, kStoredOperationsMax));
      record.outbox.sends_status = record.outbox.sends_status || newer.sends_status;
      record.outbox.send_whole = record.outbox.send_whole || newer.send_whole;
      record.outbox.overwrite_upstream = record.outbox.overwrite_upstream || newer.overwrite_upstream;
      record.outbox.hops = std::max(record.outbox.hops, newer.hops);
      record.outbox.texts |= newer.texts;
    } else {
      record.outbox.diff.last = record.sequence;  // a rebase may have raised the sequence
    }
  }
  record.shared = 0;
  record.outbox.send_whole = record.outbox.send_whole || whole;
  return txn.put_run(record);
}

// `now`: the run of this id, if there is one.
Status PutBack::tombstone(TablesTxn& txn, const FrozenPart& part, const RunRecord* now) {
  CAIRN_TRY_ASSIGN(const auto later, tombstone_of(txn, part.id));
  if (later || (now != nullptr && !now->foreign)) {
    return {};  // the next run of this id, or its erase, replaces the old one upstream
  }
  uint64_t since = part.tombstone.since_lsn;
  if (now != nullptr && now->outbox.waits()) {
    // A run owned elsewhere, to be sent after the erase: both have one place in the order.
    CAIRN_TRY(txn.erase(Table::kOutboxOrder, outbox_order_key(now->outbox.since_lsn, part.id)));
    since = std::min(since, now->outbox.since_lsn);
  }
  std::string payload;
  append_tombstone(payload, part.tombstone);
  CAIRN_TRY(txn.put(Table::kTombstones, part.id, payload));
  return txn.put(Table::kOutboxOrder, outbox_order_key(since, part.id), {});
}

// The run came here from its owner while this delta was on its way. So the delta is not sent any more, but applied to
// the run here. It becomes a batch of its own, so that it is applied once, like any received batch.
Status PutBack::strand(TablesTxn& txn, const FrozenPart& part) const {
  Entry entry;
  entry.kind = EntryKind::kDelta;
  entry.id = part.id;
  entry.updated_us = part.row.diff.updated_us;
  entry.replace = part.row.diff.replace;
  entry.changes = forms_of(part.row.diff);
  entry.hops = part.row.hops;
  BatchHeader header;
  header.owner = state_->owner;
  header.seq = 1;
  header.wall_us = seams_.wall_us();
  seams_.random_bytes(header.stream.data(), header.stream.size());
  std::string body;
  sync::append_entry(body, entry, header.wall_us);
  std::string key(1, kStranded);
  key.append(reinterpret_cast<const char*>(header.stream.data()), header.stream.size());
  return txn.put(Table::kInflight, key, seal_batch(header, 1, body));
}

Status PutBack::letter(TablesTxn& txn, const std::string& id, const DeadLetter& letter, bool& strands) {
  CAIRN_TRY_ASSIGN(const auto&& found, txn.find(id));
  FrozenPart refused;
  refused.id = id;
  refused.life = found ? found->created_lsn : 0;
  refused.foreign = letter.foreign;
  refused.row = letter.row;
  strands = letter.foreign && !(found && found->foreign);
  return strands ? strand(txn, refused) : part(txn, refused, false);
}

Status PutBack::hold(TablesTxn& txn, const FrozenPart& part, VerdictCode code, const std::string& text) const {
  if (part.kind == FrozenPart::Kind::kTombstone) {
    return {};  // the upstream does not have the run, or another store owns it: there is nothing to erase
  }
  DeadLetter letter;
  letter.code = code;
  letter.text = text.empty() ? verdict_name(code) : text;
  letter.since_us = seams_.wall_us();
  letter.foreign = part.foreign;
  letter.row = part.row;
  // A run that is already held keeps its reason, and the change is folded into its letter.
  CAIRN_TRY_ASSIGN(const auto held, txn.get(Table::kDead, part.id));
  auto before = held ? decode_dead_letter(*held) : Result<DeadLetter>(DeadLetter());
  if (!before.ok()) {
    // An error here would fail every answer and every rotation of the stream.
    letter.text += " (the dead letter that the run had before was damaged, and its change is lost)";
    before = DeadLetter();
  } else if (held && !before->row.waits()) {
    letter.since_us = before->since_us;
  }
  if (before->row.waits() && part.row.waits()) {
    Diff behind = part.row.diff;
    behind.base = before->row.diff.last;
    behind.last = std::max(behind.last, behind.base + 1);
    CAIRN_TRY(fold(before->row.diff, behind, kStoredOperationsMax));
    before->row.sends_status = before->row.sends_status || part.row.sends_status;
    before->row.hops = std::max(before->row.hops, part.row.hops);
    before->row.texts |= part.row.texts;
    letter = std::move(*before);
  }
  letter.is_long = letter.foreign && is_long(letter.row, seams_.letter_bytes_max);
  return txn.put(Table::kDead, part.id, encode_dead_letter(letter));
}

}  // namespace cairn::engine::sync
