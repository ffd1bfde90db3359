#include "engine/sync/outbox.h"

#include <algorithm>
#include <cstring>

#include "engine/sync/raw_fields.h"
#include "engine/tables_format.h"

namespace cairn::engine::sync {

namespace {

constexpr size_t kIdsAtOnce = 4096;  // taken out of a table before any of them is changed
constexpr uint8_t kPartForeign = 0x10;
constexpr char kStranded = '\xff';  // keys in `inflight` of deltas that have no way upstream; behind all batches
constexpr uint8_t kLetterForeign = 1;
constexpr Status kBadFrozen{Code::kCorrupt, "a frozen batch does not decode"};
constexpr Status kBadLetter{Code::kCorrupt, "a dead letter does not decode"};

std::string encode_letter(const DeadLetter& letter) {
  std::string out;
  put(out, static_cast<uint8_t>(letter.code));
  put(out, static_cast<uint8_t>(letter.foreign ? kLetterForeign : 0));
  put(out, letter.since_us);
  put_text(out, letter.text);
  if (letter.row.waits()) {
    append_outbox_row(out, letter.row);
  }
  return out;
}

Result<DeadLetter> decode_letter(std::string_view payload) {
  DeadLetter letter;
  uint8_t code = 0;
  uint8_t flags = 0;
  std::string_view text;
  if (!take(payload, code) || code == 0 || code > static_cast<uint8_t>(VerdictCode::kMayBeSent) ||
      !take(payload, flags) || flags > kLetterForeign || !take(payload, letter.since_us) || !take_text(payload, text)) {
    return kBadLetter;
  }
  letter.code = static_cast<VerdictCode>(code);
  letter.foreign = flags != 0;
  letter.text = text;
  if (!payload.empty()) {
    Result<OutboxRow> row = decode_outbox_row(payload);
    if (!row.ok()) {
      return row.status();
    }
    letter.row = std::move(*row);
  }
  return letter;
}

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
    }
  }
  return changes;
}

/// A row for a run of which nothing waits: all of it.
OutboxRow whole_row(const RunRecord& record) {
  OutboxRow row;
  row.head = row.full = row.anew = true;
  row.since_us = record.updated_us;
  row.diff.base = record.sequence - 1;
  row.diff.last = record.sequence;
  row.diff.updated_us = record.updated_us;
  return row;
}

bool starts_here(const OutboxRow& row) { return row.full || row.diff.base == 0; }

Result<std::vector<std::string>> keys_behind(TablesTxn& txn, Table t, std::string_view after, size_t most) {
  std::vector<std::string> keys;
  CAIRN_TRY(txn.walk(t, after, [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return keys.size() < most;
  }));
  return keys;
}

Status erase_all(TablesTxn& txn, Table t) {
  while (true) {
    auto keys = keys_behind(txn, t, {}, kIdsAtOnce);
    if (!keys.ok() || keys->empty()) {
      return keys.status();
    }
    for (const std::string& key : *keys) {
      CAIRN_TRY(txn.erase(t, key));
    }
  }
}

// All frozen batches; what is stranded stays.
Status erase_in_flight(TablesTxn& txn) {
  auto keys = keys_behind(txn, Table::kInflight, {}, UINT8_MAX);
  CAIRN_TRY(keys.status());
  for (const std::string& key : *keys) {
    if (key[0] != kStranded) {
      CAIRN_TRY(txn.erase(Table::kInflight, key));
    }
  }
  return {};
}

}  // namespace

bool is_stranded(Table table, std::string_view key) {
  return table == Table::kInflight && !key.empty() && key[0] == kStranded;
}

void foreign_rows(Table table, std::string_view key, std::string_view payload,
                  std::map<std::string, OutboxRow, std::less<>>& rows) {
  if (table == Table::kDead) {
    if (auto letter = decode_letter(payload); letter.ok() && letter->foreign && letter->row.waits()) {
      rows.emplace(key, std::move(letter->row));
    }
  } else if (table == Table::kInflight && key.size() == 1 && key[0] == 0) {  // the others are parts of it
    auto frozen = Outbox::decode(payload);
    for (size_t i = 0; frozen.ok() && i < frozen->parts.size(); ++i) {
      if (Outbox::Part& part = frozen->parts[i]; part.foreign && part.kind == Outbox::Part::Kind::kRow) {
        rows.emplace(part.id, std::move(part.row));
      }
    }
  }
}

Outbox::Outbox(Tables& tables, Seams seams) : tables_(tables), seams_(std::move(seams)) {}

// --- the frozen batch as it is stored: its bytes, and what it was made of ---

std::string Outbox::encode(const Frozen& frozen) {
  std::string out;
  put_text(out, frozen.bytes);
  for (const Part& part : frozen.parts) {
    put(out, static_cast<uint8_t>(static_cast<uint8_t>(part.kind) | (part.foreign ? kPartForeign : 0)));
    put(out, static_cast<uint8_t>(part.id.size()));
    out += part.id;
    put(out, part.life);
    put(out, part.sequence);
    std::string what;
    if (part.kind == Part::Kind::kRow) {
      append_outbox_row(what, part.row);
    } else if (part.kind == Part::Kind::kTombstone) {
      append_tombstone(what, part.tombstone);
    }
    put_text(out, what);
  }
  return out;
}

Result<Outbox::Frozen> Outbox::decode(std::string_view payload) {
  Frozen frozen;
  std::string_view bytes;
  if (!take_text(payload, bytes)) {
    return kBadFrozen;
  }
  Result<BatchHeader> header = decode_batch_header(bytes);
  if (!header.ok()) {
    return kBadFrozen;
  }
  frozen.header = *header;
  frozen.bytes = bytes;
  while (!payload.empty()) {
    Part& part = frozen.parts.emplace_back();
    uint8_t kind = 0;
    uint8_t id_bytes = 0;
    std::string_view what;
    if (!take(payload, kind) || !take(payload, id_bytes) || id_bytes > payload.size()) {
      return kBadFrozen;
    }
    part.id = payload.substr(0, id_bytes);
    payload.remove_prefix(id_bytes);
    if (!take(payload, part.life) || !take(payload, part.sequence) || !take_text(payload, what)) {
      return kBadFrozen;
    }
    part.foreign = (kind & kPartForeign) != 0;
    part.kind = static_cast<Part::Kind>(kind & ~kPartForeign);
    if (part.kind == Part::Kind::kRow) {
      Result<OutboxRow> row = decode_outbox_row(what);
      if (!row.ok()) {
        return kBadFrozen;
      }
      part.row = std::move(*row);
    } else if (part.kind == Part::Kind::kTombstone) {
      Result<Tombstone> tombstone = decode_tombstone(what);
      if (!tombstone.ok()) {
        return kBadFrozen;
      }
      part.tombstone = *tombstone;
    } else if (part.kind != Part::Kind::kWhole) {
      return kBadFrozen;
    }
  }
  if (frozen.parts.size() != frozen.header.entries) {
    return kBadFrozen;
  }
  return frozen;
}

// All of one number, the oldest and largest first.
Result<std::vector<Outbox::Frozen>> Outbox::frozen(TablesTxn& txn) const {
  std::vector<Frozen> all;
  Status bad;
  CAIRN_TRY(txn.walk(Table::kInflight, {}, [&](std::string_view key, std::string_view payload) {
    if (key[0] == kStranded) {
      return false;
    }
    Result<Frozen> one = decode(payload);
    bad = one.status();
    if (one.ok()) {
      all.push_back(std::move(*one));
    }
    return bad.ok();
  }));
  CAIRN_TRY(bad);
  return all;
}

Status Outbox::read_in_flight() {
  in_flight_.clear();
  in_flight_header_ = BatchHeader();
  has_stranded_ = false;
  return tables_.look([&](TablesTxn& txn) -> Status {
    auto behind = keys_behind(txn, Table::kInflight, std::string(1, '\xfe'), 1);
    CAIRN_TRY(behind.status());
    has_stranded_ = !behind->empty();
    auto all = frozen(txn);
    if (all.ok() && !all->empty()) {
      in_flight_ = std::move(all->back().bytes);
      in_flight_header_ = all->back().header;
    }
    return all.status();
  });
}

// --- the stream ---

Status Outbox::load() {
  state_ = SenderState();
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto payload = txn.get(Table::kMeta, meta_key::kSync);
    if (!payload.ok() || !payload->has_value()) {
      return payload.status();
    }
    auto state = decode_sender_state(**payload);
    if (state.ok()) {
      state_ = std::move(*state);
    }
    return state.status();
  }));
  tables_.ship(state_.attached);
  return read_in_flight();
}

Status Outbox::save(TablesTxn& txn, const SenderState& state) const {
  return txn.put(Table::kMeta, meta_key::kSync, encode_sender_state(state));
}

Status Outbox::begin_stream(SenderState& state) const {
  seams_.random_bytes(state.stream.data(), state.stream.size());
  if (is_zero(state.stream)) {
    return {Code::kInternal, "random bytes that are none"};
  }
  // The stream of a store that asks first has no batch, and what it asks for is compared with the generation before.
  state.generation += state.pulls() ? 0 : 1;
  state.seq = 0;
  state.digest = Digest{};
  state.deltas = 0;
  return {};
}

Status Outbox::attach(const std::string& upstream) {
  SenderState next = state_;
  next.upstream = upstream;
  if (state_.attached && next.upstream == state_.upstream) {
    return {};
  }
  const bool fresh = !state_.attached;
  if (fresh) {
    next.attached = true;
    next.owner = is_zero(next.owner) ? seams_.store : next.owner;
    // The stream from before it was detached, if the same upstream knows it: a copy of this store may be on it.
    next.parent = state_.stream;
    next.parent_seq = state_.seq;
    CAIRN_TRY(begin_stream(next));
  }
  // Another name may be another upstream, which has nothing yet.
  next.resends = true;
  next.resend_after.clear();
  CAIRN_TRY(tables_.transact(1u << 20, [&](TablesTxn& txn) -> Status {
    if (fresh) {
      // What waits for runs owned elsewhere gets its place in the order of sending.
      std::vector<std::string> order;
      CAIRN_TRY(txn.walk(Table::kOutbox, {}, [&](std::string_view id, std::string_view payload) {
        auto row = decode_outbox_row(payload);
        order.push_back(outbox_order_key(row.ok() ? row->since_lsn : 0, id));
        return true;
      }));
      for (const std::string& key : order) {
        CAIRN_TRY(txn.put(Table::kOutboxOrder, key, {}));
      }
    }
    return save(txn, next);
  }));
  state_ = std::move(next);
  tables_.ship(true);
  return {};
}

Status Outbox::detach() {
  if (!state_.attached) {
    return {};
  }
  SenderState next = state_;
  next.attached = next.resends = false;
  next.pull_after.clear();  // what was to be asked for first is asked of the next one
  next.halt = Halt::kNone;
  CAIRN_TRY(tables_.transact(1u << 20, [&](TablesTxn& txn) -> Status {
    // Own runs are sent whole when there is an upstream again.
    std::string after;
    while (true) {
      auto ids = keys_behind(txn, Table::kOutbox, after, kIdsAtOnce);
      if (!ids.ok() || ids->empty()) {
        CAIRN_TRY(ids.status());
        break;
      }
      after = ids->back();
      for (const std::string& id : *ids) {
        auto record = txn.find(id);
        CAIRN_TRY(record.status());
        if (!*record || !(*record)->foreign) {
          CAIRN_TRY(txn.erase(Table::kOutbox, id));
        }
      }
    }
    // So are dead letters, but for those of deltas: only here is that somebody made these changes.
    std::vector<std::string> own;
    CAIRN_TRY(txn.walk(Table::kDead, {}, [&](std::string_view id, std::string_view payload) {
      auto letter = decode_letter(payload);
      if (!letter.ok() || !letter->foreign || !letter->row.waits()) {
        own.emplace_back(id);
      }
      return true;
    }));
    for (const std::string& id : own) {
      CAIRN_TRY(txn.erase(Table::kDead, id));
    }
    for (const Table t : {Table::kOutboxOrder, Table::kTombstones}) {
      CAIRN_TRY(erase_all(txn, t));
    }
    return save(txn, next);
  }));
  state_ = std::move(next);
  tables_.ship(false);
  return {};
}

Status Outbox::halt(Halt why) {
  SenderState next = state_;
  next.halt = why;
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  state_ = std::move(next);
  return {};
}

Status Outbox::note_error(std::string_view text) {
  if (state_.last_error == text) {
    return {};
  }
  SenderState next = state_;
  next.last_error = text;
  next.last_error_us = seams_.wall_us();
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  state_ = std::move(next);
  return {};
}

Status Outbox::note_copied() {
  if (state_.attached) {
    return state_.halt == Halt::kNone ? halt(Halt::kCopied) : Status();
  }
  if (state_.generation != 0) {
    return halt(Halt::kCopied);  // an upstream knows its runs: whoever attaches it says which of the two it is
  }
  // No upstream knows it yet: it gets a name of its own, so that the other one may have an upstream, too.
  SenderState next = state_;
  seams_.random_bytes(next.owner.data(), next.owner.size());
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  state_ = std::move(next);
  return {};
}

void Outbox::finish_pull(SenderState& state) {
  state.generation = std::max(state.generation, state.pull_generation);
  state.pull = Pull::kNone;
  state.pull_after.clear();
}

void Outbox::begin_pull(SenderState& state, Pull why) const {
  state.pull = why;
  state.pull_after.clear();
  state.pull_generation = 0;
  seams_.random_bytes(&state.pull_number, sizeof state.pull_number);
}

Status Outbox::begin_pull() {
  // What was frozen is pending again: it goes on top of what is pulled.
  CAIRN_TRY(take_back());
  SenderState next = state_;
  begin_pull(next, Pull::kRestored);
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  state_ = std::move(next);
  return {};
}

Status Outbox::pulled(const std::string& id, bool newer, uint64_t generation) {
  SenderState next = state_;
  next.pull_after = id;
  next.pull_generation = std::max(next.pull_generation, generation);
  if (newer || generation > next.generation) {
    next.pull = Pull::kRestored;
  }
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  state_ = std::move(next);
  return {};
}

Status Outbox::end_pull() {
  if (state_.pull == Pull::kRestored) {
    return rotate(Rotation::kRestored, 0);
  }
  SenderState next = state_;
  finish_pull(next);
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  state_ = std::move(next);
  return {};
}

Status Outbox::rotate(Rotation why, uint64_t kept_deltas) {
  CAIRN_TRY(seams_.fold());
  SenderState next = state_;
  next.parent = state_.stream;
  next.parent_seq = state_.seq;
  finish_pull(next);
  next.halt = Halt::kNone;
  ++next.rotations;
  if (why == Rotation::kLost) {
    next.lost_deltas += state_.deltas - std::min(state_.deltas, kept_deltas);
    next.resends = true;
    next.resend_after.clear();
  }
  CAIRN_TRY(begin_stream(next));
  CAIRN_TRY(tables_.transact(1u << 20, [&](TablesTxn& txn) -> Status {
    auto all = frozen(txn);
    CAIRN_TRY(all.status());
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      CAIRN_TRY(put_back(txn, all->front().parts[i], false));
    }
    CAIRN_TRY(erase_in_flight(txn));
    if (why == Rotation::kRestored) {
      std::vector<Part> doubtful;
      CAIRN_TRY(txn.walk(Table::kOutbox, {}, [&](std::string_view id, std::string_view) {
        doubtful.emplace_back().id = id;
        return true;
      }));
      for (Part& part : doubtful) {
        auto record = txn.find(part.id);
        CAIRN_TRY(record.status());
        if (!*record || !(*record)->foreign || !(*record)->outbox.waits()) {
          continue;
        }
        part.foreign = true;
        part.row = (*record)->outbox;
        CAIRN_TRY(bury(
            txn, part, VerdictCode::kMayBeSent,
            "this store was restored from an earlier state, or repaired: whether this was sent before is not known"));
        (*record)->outbox = OutboxRow();
        CAIRN_TRY(txn.put_run(**record));
      }
    }
    return save(txn, next);
  }));
  state_ = std::move(next);
  return read_in_flight();
}

Status Outbox::resolve(bool moved, uint64_t* dropped) {
  if (state_.halt == Halt::kForked && moved) {
    // What the other one sent is newer where it is newer: asked for first, as after a rewind.
    CAIRN_TRY(halt(Halt::kNone));
    return begin_pull();
  }
  CAIRN_TRY(seams_.fold());
  SenderState next = state_;
  next.halt = Halt::kNone;
  uint64_t count = 0;
  if (moved && !next.pulls()) {
    begin_pull(next, Pull::kMoved);  // it may be a copy that was restored here
  }
  if (!moved) {
    finish_pull(next);
    seams_.random_bytes(next.owner.data(), next.owner.size());
    next.generation = 0;
    next.parent = StreamId{};
    next.parent_seq = 0;
    CAIRN_TRY(begin_stream(next));
  }
  CAIRN_TRY(tables_.transact(1u << 20, [&](TablesTxn& txn) -> Status {
    count = 0;
    if (!moved) {
      auto all = frozen(txn);
      CAIRN_TRY(all.status());
      for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
        CAIRN_TRY(put_back(txn, all->front().parts[i], false));
      }
      CAIRN_TRY(erase_all(txn, Table::kInflight));
      std::vector<std::string> ids;
      CAIRN_TRY(txn.walk(Table::kOutbox, {}, [&](std::string_view id, std::string_view) {
        ids.emplace_back(id);
        return true;
      }));
      for (const std::string& id : ids) {
        auto record = txn.find(id);
        CAIRN_TRY(record.status());
        if (*record && (*record)->foreign && (*record)->outbox.waits()) {
          ++count;
          (*record)->outbox = OutboxRow();
          CAIRN_TRY(txn.put_run(**record));
        }
      }
    }
    return save(txn, next);
  }));
  state_ = std::move(next);
  if (dropped != nullptr) {
    *dropped = count;
  }
  return read_in_flight();
}

// --- freezing ---

// Appends what waits of one run, and how it came about; nothing when nothing does.
Status Outbox::add_part(TablesTxn& txn, const std::string& id, std::string& body, int64_t wall_us, bool resend,
                        std::vector<Part>& parts) const {
  auto found = txn.find(id);
  CAIRN_TRY(found.status());
  Entry entry;
  entry.id = id;
  Part part;
  part.id = id;
  if (!*found) {
    auto payload = txn.get(Table::kTombstones, id);
    CAIRN_TRY(payload.status());
    if (!payload->has_value()) {
      return {};
    }
    auto tombstone = decode_tombstone(**payload);
    CAIRN_TRY(tombstone.status());
    part.kind = Part::Kind::kTombstone;
    part.tombstone = *tombstone;
    entry.kind = EntryKind::kErase;
    entry.life = part.life = tombstone->created_lsn;
    entry.sequence = part.sequence = tombstone->sequence;
  } else {
    const RunRecord& record = **found;
    const OutboxRow& row = record.outbox;
    if ((!row.waits() && !resend) || (record.foreign && (resend || row.diff.entries.empty()))) {
      return {};
    }
    part.kind = row.waits() ? Part::Kind::kRow : Part::Kind::kWhole;
    part.foreign = record.foreign;
    part.row = row;
    part.life = record.created_lsn;
    part.sequence = record.sequence;
    entry.updated_us = record.updated_us;
    if (record.foreign) {
      entry.kind = EntryKind::kDelta;
      entry.changes = forms_of(row.diff);
    } else {
      entry.life = record.created_lsn;
      entry.sequence = record.sequence;
      part.row.full = part.row.full || resend;
      if (resend || starts_here(row)) {
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
        entry.changes = record.ships_forms ? forms_of(row.diff) : row.diff.entries;
        if (row.head) {
          entry.head = head_of(record);
        }
      }
    }
  }
  sync::append_entry(body, entry, wall_us);
  parts.push_back(std::move(part));
  return {};
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
  Frozen frozen;
  SenderState next;
  const int64_t wall_us = seams_.wall_us();
  CAIRN_TRY(tables_.transact(3 * limits.bytes + 256 * limits.entries, [&](TablesTxn& txn) -> Status {
    frozen = Frozen();
    next = state_;
    std::string body;
    const auto held = txn.entries(Table::kDead);
    CAIRN_TRY(held.status());
    bool full = false;
    // False: the batch has no room for it.
    const auto add = [&](const std::string& id, bool resend) -> Result<bool> {
      if (*held > 0) {
        auto dead = txn.get(Table::kDead, id);
        CAIRN_TRY(dead.status());
        if (dead->has_value()) {
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
    while (next.resends && !full) {
      auto ids = keys_behind(txn, Table::kRuns, next.resend_after, std::min(kIdsAtOnce, limits.entries));
      CAIRN_TRY(ids.status());
      next.resends = !ids->empty();
      for (size_t i = 0; i < ids->size() && !full; ++i) {
        const std::string& id = (*ids)[i];
        auto added = add(id, true);
        CAIRN_TRY(added.status());
        if (*added) {
          next.resend_after = id;
        }
      }
      // What was taken is out of the outbox before the order of it is walked.
      for (const Part& part : frozen.parts) {
        if (part.kind == Part::Kind::kRow) {
          CAIRN_TRY(txn.erase(Table::kOutbox, part.id));
          CAIRN_TRY(txn.erase(Table::kOutboxOrder, outbox_order_key(part.row.since_lsn, part.id)));
        }
      }
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
        auto added = add(run, false);
        CAIRN_TRY(added.status());
        if (!*added) {
          break;
        }
        CAIRN_TRY(
            txn.erase(Table::kOutboxOrder, (*keys)[i]));  // also of a run that is held: its release brings it back
        if (!frozen.parts.empty() && frozen.parts.back().id == run) {
          const bool row = frozen.parts.back().kind == Part::Kind::kRow;
          CAIRN_TRY(txn.erase(row ? Table::kOutbox : Table::kTombstones, run));
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
      CAIRN_TRY(txn.put(Table::kInflight, std::string(1, '\0'), encode(frozen)));
    }
    return save(txn, next);
  }));
  state_ = std::move(next);
  if (frozen.parts.empty()) {
    return {};
  }
  in_flight_ = std::move(frozen.bytes);
  in_flight_header_ = frozen.header;
  for (const Part& part : frozen.parts) {
    if (part.foreign && taken) {
      taken(part.id, part.row.diff.last);
    }
  }
  return tables_.sync();  // a commit alone may be lost, and with it the number that the upstream then has
}

Result<bool> Outbox::split(size_t max_bytes) {
  CAIRN_TRY(seams_.fold());
  bool alone = false;
  CAIRN_TRY(tables_.transact(3 * in_flight_.size() + 4096, [&](TablesTxn& txn) -> Status {
    auto all = frozen(txn);
    CAIRN_TRY(all.status());
    if (all->empty() || all->size() >= UINT8_MAX) {
      return {Code::kInternal, "nothing is in flight that could be split"};
    }
    Frozen& last = all->back();
    alone = last.parts.size() == 1;
    if (alone) {
      CAIRN_TRY(bury(txn, last.parts[0], VerdictCode::kTooLarge,
                     "the upstream takes at most " + std::to_string(max_bytes) + " bytes at once"));
      for (size_t i = 1; i < all->front().parts.size(); ++i) {
        CAIRN_TRY(put_back(txn, all->front().parts[i], false));
      }
      return erase_in_flight(txn);
    }
    // The entries stand one behind the other: half of them is the front of the body.
    const size_t keep = last.parts.size() / 2;
    Result<size_t> bytes = bytes_of_entries(std::string_view(last.bytes).substr(sizeof(BatchHeader)), keep);
    CAIRN_TRY(bytes.status());
    Frozen half;
    half.header = last.header;
    half.parts.assign(last.parts.begin(), last.parts.begin() + static_cast<ptrdiff_t>(keep));
    half.bytes = seal_batch(half.header, static_cast<uint32_t>(keep),
                            std::string_view(last.bytes).substr(sizeof(BatchHeader), *bytes));
    return txn.put(Table::kInflight, std::string(1, static_cast<char>(all->size())), encode(half));
  }));
  CAIRN_TRY(tables_.sync());
  CAIRN_TRY(read_in_flight());
  return !alone;
}

// --- answers ---

Status Outbox::put_back(TablesTxn& txn, const Part& part, bool whole) const {
  auto found = txn.find(part.id);
  CAIRN_TRY(found.status());
  if (part.kind == Part::Kind::kTombstone) {
    if (*found) {
      return {};  // its next life takes the old one's place upstream
    }
    std::string payload;
    append_tombstone(payload, part.tombstone);
    CAIRN_TRY(txn.put(Table::kTombstones, part.id, payload));
    return txn.put(Table::kOutboxOrder, outbox_order_key(part.tombstone.since_lsn, part.id), {});
  }
  if (*found && part.foreign && !(*found)->foreign) {
    return strand(txn, part);
  }
  if (!*found || (*found)->created_lsn != part.life) {
    return {};  // erased meanwhile
  }
  RunRecord& record = **found;
  const OutboxRow newer = record.outbox;
  if (part.kind == Part::Kind::kWhole) {
    record.outbox = newer.waits() ? newer : whole_row(record);
    whole = true;
  } else {
    record.outbox = part.row;
    if (newer.waits()) {
      record.outbox.diff.last = newer.diff.base;
      CAIRN_TRY(fold(record.outbox.diff, newer.diff, kStoredOperationsMax));
      record.outbox.head = record.outbox.head || newer.head;
      record.outbox.full = record.outbox.full || newer.full;
      record.outbox.over = record.outbox.over || newer.over;
    } else {
      record.outbox.diff.last = record.sequence;  // a rebase may have gone on from there
    }
  }
  record.outbox.full = record.outbox.full || whole;
  return txn.put_run(record);
}

// The owner's first word came here while they were on their way, and now they go no further: they belong into the run
// that is here. A batch of their own, so that they are taken once, as any that comes in.
Status Outbox::strand(TablesTxn& txn, const Part& part) const {
  Entry entry;
  entry.kind = EntryKind::kDelta;
  entry.id = part.id;
  entry.updated_us = part.row.diff.updated_us;
  entry.changes = forms_of(part.row.diff);
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
      Part part;
      part.id = batch.entries[v.entry].id;
      part.foreign = true;
      part.row.diff.last = 1;
      part.row.diff.updated_us = batch.entries[v.entry].updated_us;
      part.row.diff.entries = batch.entries[v.entry].changes;
      CAIRN_TRY(bury(txn, part, v.code, v.text));
    }
    CAIRN_TRY(txn.erase(Table::kInflight, kStranded + std::string(stream)));
    return txn.erase(Table::kCursors, stream);
  }));
  return read_in_flight();
}

Status Outbox::bury(TablesTxn& txn, const Part& part, VerdictCode code, const std::string& text) const {
  if (part.kind == Part::Kind::kTombstone) {
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
  auto before = held->has_value() ? decode_letter(**held) : Result<DeadLetter>(DeadLetter());
  CAIRN_TRY(before.status());
  if (before->row.waits() && part.row.waits()) {
    Diff behind = part.row.diff;
    behind.base = before->row.diff.last;
    behind.last = std::max(behind.last, behind.base + 1);
    CAIRN_TRY(fold(before->row.diff, behind, kStoredOperationsMax));
    before->row.head = before->row.head || part.row.head;
    letter = std::move(*before);
  }
  return txn.put(Table::kDead, part.id, encode_letter(letter));
}

Status Outbox::acknowledge(const ReplyHeader& header, const std::vector<Verdict>& verdicts) {
  if (!verdicts.empty() || header.digest != in_flight_header_.digest) {
    CAIRN_TRY(seams_.fold());
  }
  SenderState next;
  CAIRN_TRY(tables_.transact(4 * in_flight_.size() + 4096, [&](TablesTxn& txn) -> Status {
    next = state_;
    auto all = frozen(txn);
    CAIRN_TRY(all.status());
    const auto taken = std::find_if(all->begin(), all->end(), [&](const Frozen& f) {
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
    CAIRN_TRY(erase_in_flight(txn));
    uint64_t deltas = 0;
    for (size_t i = 0; i < of.size(); ++i) {
      const Part& part = taken->parts[i];
      deltas += part.foreign ? 1 : 0;
      if (of[i] == nullptr) {
        continue;
      }
      const bool starts = part.kind == Part::Kind::kWhole || starts_here(part.row);
      // Sent whole, what waited of it is all that is to be sent if the upstream has what was before.
      const bool fits = part.kind == Part::Kind::kRow && of[i]->sequence != 0 && part.row.base() == of[i]->sequence;
      if (of[i]->code == VerdictCode::kShared && (!starts || fits) && !part.foreign) {
        Part forms = part;
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
    return save(txn, next);
  }));
  state_ = std::move(next);
  return read_in_flight();
}

Status Outbox::take_back() {
  CAIRN_TRY(seams_.fold());
  CAIRN_TRY(tables_.transact(4 * in_flight_.size() + 4096, [&](TablesTxn& txn) -> Status {
    auto all = frozen(txn);
    CAIRN_TRY(all.status());
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      CAIRN_TRY(put_back(txn, all->front().parts[i], false));
    }
    return erase_in_flight(txn);
  }));
  return read_in_flight();
}

// --- dead letters ---

Result<std::vector<std::pair<std::string, DeadLetter>>> Outbox::dead_letters(size_t most) {
  std::vector<std::pair<std::string, DeadLetter>> all;
  Status bad;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) {
    return txn.walk(Table::kDead, {}, [&](std::string_view id, std::string_view payload) {
      auto letter = decode_letter(payload);
      bad = letter.status();
      if (letter.ok()) {
        all.emplace_back(id, std::move(*letter));
      }
      return bad.ok() && all.size() < most;
    });
  }));
  CAIRN_TRY(bad);
  return all;
}

Result<uint64_t> Outbox::dead_count() {
  uint64_t count = 0;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto entries = txn.entries(Table::kDead);
    count = entries.ok() ? *entries : 0;
    return entries.status();
  }));
  return count;
}

Status Outbox::release(const std::string& id, Release how) {
  CAIRN_TRY(seams_.fold());
  bool strands = false;
  CAIRN_TRY(tables_.transact(1u << 16, [&](TablesTxn& txn) -> Status {
    strands = false;
    auto payload = txn.get(Table::kDead, id);
    CAIRN_TRY(payload.status());
    if (!payload->has_value()) {
      return {Code::kNotFound, "the run has no dead letter"};
    }
    auto letter = decode_letter(**payload);
    CAIRN_TRY(letter.status());
    if (letter->foreign && how == Release::kReplace) {
      return {Code::kInvalidArgument, "the run is owned elsewhere: only its owner has all of it"};
    }
    CAIRN_TRY(txn.erase(Table::kDead, id));
    auto found = txn.find(id);
    CAIRN_TRY(found.status());
    if (!*found) {
      return {};
    }
    if (how == Release::kRetry && letter->row.waits()) {
      Part part;
      part.id = id;
      part.life = (*found)->created_lsn;
      part.foreign = letter->foreign;
      part.row = letter->row;
      CAIRN_TRY(put_back(txn, part, false));
      strands = !(*found)->foreign && letter->foreign;
    } else if (how == Release::kReplace || (how == Release::kRetry && !letter->foreign)) {
      if (!(*found)->outbox.waits()) {
        (*found)->outbox = whole_row(**found);
      }
      (*found)->outbox.full = true;
      (*found)->outbox.over = how == Release::kReplace;
      CAIRN_TRY(txn.put_run(**found));
    }
    auto record = txn.find(id);
    CAIRN_TRY(record.status());
    if (*record && (*record)->outbox.waits()) {
      // While it was held its place may have been taken out.
      return txn.put(Table::kOutboxOrder, outbox_order_key((*record)->outbox.since_lsn, id), {});
    }
    return {};
  }));
  return strands ? read_in_flight() : Status();
}

// --- looking ---

Result<Outbox::Waiting> Outbox::waiting() {
  Waiting w;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto rows = txn.entries(Table::kOutbox);
    CAIRN_TRY(rows.status());
    auto tombstones = txn.entries(Table::kTombstones);
    CAIRN_TRY(tombstones.status());
    auto dead = txn.entries(Table::kDead);
    CAIRN_TRY(dead.status());
    w.runs = *rows + *tombstones + in_flight_entries();
    w.held = *dead;
    auto all = frozen(txn);
    CAIRN_TRY(all.status());
    const auto older = [&w](int64_t us) { w.oldest_us = w.oldest_us == 0 ? us : std::min(w.oldest_us, us); };
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      const Part& part = all->front().parts[i];
      if (part.kind == Part::Kind::kRow) {
        older(part.row.since_us);
      }
    }
    auto keys = keys_behind(txn, Table::kOutboxOrder, {}, 1);
    CAIRN_TRY(keys.status());
    if (!keys->empty()) {
      const auto id = id_of_order_key(keys->front());
      auto row = id ? txn.get(Table::kOutbox, *id) : Result<std::optional<std::string_view>>(std::nullopt);
      CAIRN_TRY(row.status());
      if (row->has_value()) {
        auto decoded = decode_outbox_row(**row);
        CAIRN_TRY(decoded.status());
        older(decoded->since_us);
      }
    }
    return {};
  }));
  return w;
}

bool Outbox::acknowledged_up_to(uint64_t lsn) {
  if (state_.halt != Halt::kNone || state_.resends || state_.pulls() || !in_flight_.empty()) {
    return false;
  }
  bool none = false;
  const Status s = tables_.look([&](TablesTxn& txn) -> Status {
    auto dead = txn.entries(Table::kDead);
    CAIRN_TRY(dead.status());
    auto keys = keys_behind(txn, Table::kOutboxOrder, {}, 1);
    CAIRN_TRY(keys.status());
    none = *dead == 0 && (keys->empty() || keys->front() > outbox_order_key(lsn, "~"));
    return {};
  });
  return s.ok() && none;
}

Result<uint64_t> Outbox::acknowledged(const std::string& id) {
  uint64_t sequence = 0;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    if (in_flight_ids_of_ != in_flight_header_.digest) {
      in_flight_ids_.clear();
      auto all = frozen(txn);
      CAIRN_TRY(all.status());
      for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
        in_flight_ids_.insert(all->front().parts[i].id);
      }
      in_flight_ids_of_ = in_flight_header_.digest;
    }
    auto record = txn.find(id);
    CAIRN_TRY(record.status());
    auto dead = txn.get(Table::kDead, id);
    CAIRN_TRY(dead.status());
    const bool sent_anew = state_.resends && id > state_.resend_after;
    if (*record && !(*record)->outbox.waits() && !dead->has_value() && !sent_anew && !in_flight_ids_.contains(id)) {
      sequence = (*record)->sequence;
    }
    return {};
  }));
  return sequence;
}

Result<Outbox::Arrived> Outbox::arrived(const std::string& id, uint64_t lsn) {
  Arrived arrived = Arrived::kYes;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto dead = txn.get(Table::kDead, id);
    CAIRN_TRY(dead.status());
    if (dead->has_value()) {
      arrived = Arrived::kHeld;
      return {};
    }
    auto record = txn.find(id);
    CAIRN_TRY(record.status());
    auto tombstone = txn.get(Table::kTombstones, id);
    CAIRN_TRY(tombstone.status());
    const bool waits = *record && (*record)->outbox.waits() && (*record)->outbox.since_lsn <= lsn;
    const bool sent_anew = state_.resends && id > state_.resend_after;
    if (waits || sent_anew || tombstone->has_value()) {
      arrived = Arrived::kNo;
      return {};
    }
    auto all = frozen(txn);
    CAIRN_TRY(all.status());
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      const Part& part = all->front().parts[i];
      if (part.id == id && (part.kind != Part::Kind::kRow || part.row.since_lsn <= lsn)) {
        arrived = Arrived::kNo;
      }
    }
    return {};
  }));
  return arrived;
}

Result<Outbox::OfRun> Outbox::of_run(const std::string& id) {
  OfRun of;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto found = txn.find(id);
    CAIRN_TRY(found.status());
    if (*found) {
      const RunRecord& record = **found;
      of.known = true;
      of.foreign = record.foreign;
      of.ships_forms = record.ships_forms;
      of.sequence = of.acked_sequence = record.sequence;
      if (record.outbox.waits()) {
        of.waits = true;
        of.whole = record.outbox.full;
        of.acked_sequence = record.outbox.base();
        of.since_us = record.outbox.since_us;
        std::string bytes;
        append_outbox_row(bytes, record.outbox);
        of.bytes = bytes.size();
      } else if (!record.foreign && state_.resends && id > state_.resend_after) {
        of.waits = of.whole = true;
        of.acked_sequence = 0;
        of.since_us = record.updated_us;
      }
    } else {
      auto tombstone = txn.get(Table::kTombstones, id);
      CAIRN_TRY(tombstone.status());
      of.known = of.waits = tombstone->has_value();
    }
    auto all = frozen(txn);
    CAIRN_TRY(all.status());
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      const Part& part = all->front().parts[i];
      if (part.id == id) {
        of.known = of.in_flight = true;
        of.acked_sequence = part.kind == Part::Kind::kRow ? part.row.base() : 0;
        of.since_us = part.kind == Part::Kind::kRow ? part.row.since_us : of.since_us;
      }
    }
    auto dead = txn.get(Table::kDead, id);
    CAIRN_TRY(dead.status());
    if (dead->has_value()) {
      auto letter = decode_letter(**dead);
      CAIRN_TRY(letter.status());
      of.held = true;
      of.since_us = letter->since_us;
      of.acked_sequence = letter->row.waits() ? letter->row.base() : of.acked_sequence;
      of.dead = std::move(*letter);
    }
    return {};
  }));
  return of;
}

}  // namespace cairn::engine::sync
