#include <algorithm>

#include "engine/sync/outbox.h"
#include "engine/sync/outbox_rows.h"
#include "engine/tables_format.h"

namespace cairn::engine::sync {

// The stream: what upstream it goes to, under which name, and what happens when either is not what it was.

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
  tables_.ship(state_.keeps_changes());
  note(std::move(state_));
  count_backlogged();
  return read_in_flight();
}

// The state as it is committed now, and what the tables count by it.
void Outbox::note(SenderState state) {
  state_ = std::move(state);
  tables_.count_unsent(state_.resends ? std::optional(state_.resend_after) : std::nullopt);
}

Status Outbox::save_unsent(TablesTxn& txn, uint64_t count) {
  return txn.put(Table::kMeta, meta_key::kUnsent, encode_u64(count));
}

Result<uint64_t> Outbox::unsent(TablesTxn& txn) {
  auto payload = txn.get(Table::kMeta, meta_key::kUnsent);
  CAIRN_TRY(payload.status());
  const auto count = payload->has_value() ? decode_u64(**payload) : std::optional<uint64_t>(0);
  return count ? Result<uint64_t>(*count) : Result<uint64_t>(Status{Code::kCorrupt, "the count of unsent runs"});
}

Status Outbox::save(TablesTxn& txn, const SenderState& state) const {
  return txn.put(Table::kMeta, meta_key::kSync, encode_sender_state(state));
}

Status Outbox::begin_stream(SenderState& state) const {
  StreamId fresh{};
  seams_.random_bytes(fresh.data(), fresh.size());
  if (is_zero(fresh)) {
    return {Code::kInternal, "random bytes that are none"};
  }
  state.parent = std::exchange(state.stream, fresh);
  state.parent_seq = state.seq;
  state.add_former(state.parent);
  // The stream of a store that asks first has no batch, and what it asks for is compared with the generation before.
  state.generation += state.pulls() ? 0 : 1;
  state.seq = 0;
  state.digest = Digest{};
  state.deltas = 0;
  return {};
}

Status Outbox::attach(const std::string& upstream) {
  if (state_.attached && upstream == state_.upstream) {
    return {};
  }
  SenderState next = state_;
  const bool first = is_zero(next.stream);
  next.attached = true;
  if (first) {
    next.owner = is_zero(next.owner) ? seams_.store : next.owner;
    CAIRN_TRY(begin_stream(next));
  }
  const bool anew = first || next.upstream != upstream;
  if (anew) {
    // Another name may be another upstream, which has nothing yet.
    next.resends = true;
    next.resend_after.clear();
    if (next.pulls()) {
      begin_pull(next, next.pull);
    }
  }
  next.upstream = upstream;
  CAIRN_TRY(tables_.transact(1u << 20, [&](TablesTxn& txn) -> Status {
    if (first) {
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
    if (anew) {
      auto unsent = txn.count_without_row();
      CAIRN_TRY(unsent.status());
      CAIRN_TRY(save_unsent(txn, *unsent));
    }
    return save(txn, next);
  }));
  note(std::move(next));
  tables_.ship(true);
  return {};
}

Status Outbox::detach() {
  if (!state_.attached) {
    return {};
  }
  SenderState next = state_;
  next.attached = false;
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
  return {};
}

Result<bool> Outbox::succeed(const StreamId& stream, uint64_t generation) {
  const bool former = std::find(state_.former.begin(), state_.former.end(), stream) != state_.former.end();
  if (state_.seq != 0 || !(former || state_.told) || (state_.parent == stream && state_.generation > generation)) {
    return false;
  }
  CAIRN_TRY(take_back());
  SenderState next = state_;
  next.generation = std::max(next.generation, generation);
  CAIRN_TRY(begin_stream(next));  // not the same one: its first batch may have arrived at another upstream
  next.parent = stream;
  next.parent_seq = 0;
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
  return true;
}

Status Outbox::note_restored() {
  if (state_.pull == Pull::kRestored) {
    return {};
  }
  SenderState next = state_;
  next.pull = Pull::kRestored;
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
  return {};
}

Status Outbox::note_older() {
  if (!state_.keeps_changes() || state_.halt != Halt::kNone) {
    return {};  // no upstream knows it, or somebody is to say what it is, and then it asks
  }
  SenderState next = state_;
  next.told = true;
  if (!next.pulls()) {
    begin_pull(next, Pull::kMoved);
  }
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
  return {};
}

Status Outbox::halt(Halt why) {
  SenderState next = state_;
  next.halt = why;
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
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
  note(std::move(next));
  return {};
}

Status Outbox::remember(const Way& way) {
  if (state_.way == way) {
    return {};
  }
  SenderState next = state_;
  next.way = way;
  CAIRN_TRY(tables_.transact(16'384, [&](TablesTxn& txn) { return save(txn, next); }));
  state_ = std::move(next);
  return {};
}

Status Outbox::note_copied() {
  if (state_.attached) {
    return state_.halt == Halt::kNone ? halt(Halt::kCopied) : Status();
  }
  if (state_.keeps_changes() || state_.halt != Halt::kNone) {
    return halt(Halt::kCopied);  // an upstream knows its runs: whoever attaches it says which of the two it is
  }
  // No upstream knows it yet: it gets a name of its own, so that the other one may have an upstream, too.
  SenderState next = state_;
  seams_.random_bytes(next.owner.data(), next.owner.size());
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
  return {};
}

void Outbox::finish_pull(SenderState& state) {
  state.pull = Pull::kNone;
  state.pull_after.clear();
}

void Outbox::begin_pull(SenderState& state, Pull why) const {
  state.pull = why;
  state.pull_after.clear();
  seams_.random_bytes(&state.pull_number, sizeof state.pull_number);
}

Status Outbox::begin_pull() {
  // What was frozen is pending again: it goes on top of what is pulled.
  CAIRN_TRY(take_back());
  SenderState next = state_;
  begin_pull(next, Pull::kRestored);
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
  return {};
}

Status Outbox::pulled(const std::string& id, bool newer, uint64_t generation) {
  SenderState next = state_;
  next.pull_after = id;
  if (newer || generation > next.generation) {
    next.pull = Pull::kRestored;
  }
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
  return {};
}

Status Outbox::end_pull() {
  if (state_.pull == Pull::kRestored) {
    return rotate(Rotation::kRestored, 0);
  }
  SenderState next = state_;
  finish_pull(next);
  CAIRN_TRY(tables_.transact(4096, [&](TablesTxn& txn) { return save(txn, next); }));
  note(std::move(next));
  return {};
}

Status Outbox::rotate(Rotation why, uint64_t kept_deltas) {
  CAIRN_TRY(seams_.fold());
  SenderState next = state_;
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
    auto all = frozen_batches(txn);
    CAIRN_TRY(all.status());
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      CAIRN_TRY(put_back(txn, all->front().parts[i], false));
    }
    CAIRN_TRY(erase_frozen_batches(txn));
    if (why == Rotation::kRestored) {
      std::vector<FrozenPart> doubtful;
      CAIRN_TRY(txn.walk(Table::kOutbox, {}, [&](std::string_view id, std::string_view) {
        doubtful.emplace_back().id = id;
        return true;
      }));
      for (FrozenPart& part : doubtful) {
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
        returned_.push_back(part.id);
        CAIRN_TRY(txn.put_run(**record));
      }
    }
    if (why == Rotation::kLost) {
      auto unsent = txn.count_without_row();
      CAIRN_TRY(unsent.status());
      CAIRN_TRY(save_unsent(txn, *unsent));
    }
    return save(txn, next);
  }));
  note(std::move(next));
  return read_in_flight();
}

Status Outbox::resolve(bool moved, uint64_t* dropped) {
  const bool forked = state_.halt == Halt::kForked;
  if (forked && moved) {
    CAIRN_TRY(take_back());
  }
  CAIRN_TRY(seams_.fold());
  SenderState next = state_;
  next.halt = Halt::kNone;
  next.told = moved;
  uint64_t count = 0;
  if (moved && forked) {
    begin_pull(next, Pull::kRestored);  // what the other one sent is newer where it is newer: as after a rewind
  }
  if (moved && !next.pulls()) {
    begin_pull(next, Pull::kMoved);  // it may be a copy that was restored here
  }
  if (!moved) {
    finish_pull(next);
    seams_.random_bytes(next.owner.data(), next.owner.size());
    next.generation = 0;
    next.stream = StreamId{};
    next.former.clear();
    CAIRN_TRY(begin_stream(next));
  }
  CAIRN_TRY(tables_.transact(1u << 20, [&](TablesTxn& txn) -> Status {
    count = 0;
    if (!moved) {
      auto all = frozen_batches(txn);
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
          returned_.push_back(id);
          CAIRN_TRY(txn.put_run(**record));
        }
      }
    }
    return save(txn, next);
  }));
  note(std::move(next));
  if (dropped != nullptr) {
    *dropped = count;
  }
  return read_in_flight();
}

}  // namespace cairn::engine::sync
