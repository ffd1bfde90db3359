#include "engine/sync/sending_stream.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/sync/outbox_rows.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

// Rows that wait for runs owned elsewhere get a place in the order of sending.
Status order_all_rows(TablesTxn& txn) {
  std::vector<std::string> order;
  CAIRN_TRY(txn.walk(Table::kOutbox, {}, [&](std::string_view id, std::string_view payload) {
    auto row = decode_outbox_row(payload);
    order.push_back(outbox_order_key(row.ok() ? row->since_lsn : 0, id));
    return true;
  }));
  for (const std::string& key : order) {
    CAIRN_TRY(txn.put(Table::kOutboxOrder, key, {}));
  }
  return {};
}

}  // namespace

Status SendingStream::begin_stream(SenderState& state) const {
  StreamId fresh{};
  seams_.random_bytes(fresh.data(), fresh.size());
  if (is_zero(fresh)) {
    return {Code::kInternal, "the random generator returned zeros"};
  }
  state.parent = std::exchange(state.stream, fresh);
  state.parent_seq = state.seq;
  state.add_former(state.parent);
  // A store that asks first has no batch yet in its new stream, and its question is compared with the old generation.
  state.generation += state.pulls() ? 0 : 1;
  state.seq = 0;
  state.digest = Digest{};
  state.deltas = 0;
  return {};
}

Status SendingStream::attach(const std::string& upstream) {
  if (state_->attached && upstream == state_->upstream) {
    return {};
  }
  SenderState next = *state_;
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
  CAIRN_TRY(state_.commit(next, 1u << 20, [&](TablesTxn& txn, SenderState&) -> Status {
    CAIRN_TRY(first ? order_all_rows(txn) : Status());
    return anew ? count_unsent_again(txn) : Status();
  }));
  tables_.ship(true);
  return {};
}

Status SendingStream::detach() {
  return state_->attached ? state_.change([](SenderState& state) { state.attached = false; }) : Status();
}

Result<bool> SendingStream::adopt_as_parent(const StreamId& stream, uint64_t generation) {
  const bool former = std::find(state_->former.begin(), state_->former.end(), stream) != state_->former.end();
  const bool ours = former || state_->told_to_continue;
  if (state_->seq != 0 || !ours || (state_->parent == stream && state_->generation > generation)) {
    return false;
  }
  CAIRN_TRY(put_back_.all());
  SenderState next = *state_;
  next.generation = std::max(next.generation, generation);
  CAIRN_TRY(begin_stream(next));  // a new one: the first batch of this one may have arrived at another upstream
  next.parent = stream;
  next.parent_seq = 0;
  CAIRN_TRY(state_.change([&](SenderState& state) { state = next; }));
  return true;
}

Status SendingStream::note_restored() {
  if (state_->pull == Pull::kRestored) {
    return {};
  }
  return state_.change([](SenderState& state) { state.pull = Pull::kRestored; });
}

Status SendingStream::note_older() {
  if (!state_->keeps_changes() || state_->halt != Halt::kNone) {
    return {};  // no upstream knows it; or a person has to decide what it is, and then it asks
  }
  return state_.change([this](SenderState& state) {
    state.told_to_continue = true;
    if (!state.pulls()) {
      begin_pull(state, Pull::kMoved);
    }
  });
}

Status SendingStream::halt(Halt why) {
  return state_.change([why](SenderState& state) { state.halt = why; });
}

Status SendingStream::note_error(std::string_view text) {
  if (state_->last_error == text) {
    return {};
  }
  return state_.change([&](SenderState& state) {
    state.last_error = text;
    state.last_error_us = seams_.wall_us();
  });
}

Status SendingStream::remember(const Way& way) {
  if (state_->way == way) {
    return {};
  }
  constexpr uint64_t kBytes = 16'384;  // three long paths
  return state_.change([&](SenderState& state) { state.way = way; }, kBytes);
}

Status SendingStream::note_copied() {
  if (state_->attached) {
    return state_->halt == Halt::kNone ? halt(Halt::kCopied) : Status();
  }
  if (state_->keeps_changes() || state_->halt != Halt::kNone) {
    return halt(Halt::kCopied);  // an upstream knows its runs: a person has to say which of the two this is
  }
  // No upstream knows it yet: it gets an owner id of its own, so that the original may have an upstream, too.
  return state_.change([this](SenderState& state) { seams_.random_bytes(state.owner.data(), state.owner.size()); });
}

void SendingStream::finish_pull(SenderState& state) {
  state.pull = Pull::kNone;
  state.pull_after.clear();
}

void SendingStream::begin_pull(SenderState& state, Pull why) const {
  state.pull = why;
  state.pull_after.clear();
  seams_.random_bytes(&state.pull_number, sizeof state.pull_number);
}

Status SendingStream::begin_pull() {
  // The frozen batch goes back into the outbox: it is applied on top of what is pulled.
  CAIRN_TRY(put_back_.all());
  return state_.change([this](SenderState& state) { begin_pull(state, Pull::kRestored); });
}

Status SendingStream::pulled(const std::string& id, bool newer, uint64_t generation) {
  return state_.change([&](SenderState& state) {
    state.pull_after = id;
    if (newer || generation > state.generation) {
      state.pull = Pull::kRestored;
    }
  });
}

Status SendingStream::end_pull() {
  return state_->pull == Pull::kRestored ? rotate(Rotation::kRestored, 0)
                                         : state_.change([](SenderState& state) { finish_pull(state); });
}

Status SendingStream::rotate(Rotation why, uint64_t kept_deltas) {
  CAIRN_TRY(seams_.fold());
  SenderState next = *state_;
  finish_pull(next);
  next.halt = Halt::kNone;
  ++next.rotations;
  if (why == Rotation::kLost) {
    next.lost_deltas += state_->deltas - std::min(state_->deltas, kept_deltas);
    next.resends = true;
    next.resend_after.clear();
  }
  CAIRN_TRY(begin_stream(next));
  CAIRN_TRY(state_.commit(next, 1u << 20, [&](TablesTxn& txn, SenderState&) -> Status {
    CAIRN_TRY(put_back_.all(txn));
    return why == Rotation::kRestored ? hold_foreign(txn) : count_unsent_again(txn);
  }));
  return in_flight_.load(tables_);
}

// What waits for runs of other owners becomes dead letters.
Status SendingStream::hold_foreign(TablesTxn& txn) {
  return take_foreign_rows(txn, [&](const RunRecord& record) {
    FrozenPart part;
    part.id = record.id;
    part.foreign = true;
    part.row = record.outbox;
    return put_back_.hold(
        txn, part, VerdictCode::kMayBeSent,
        "this store was restored from an earlier state, or repaired: whether this was sent before is not known");
  });
}

// Calls `take` for each row of a run owned elsewhere, and removes the row.
Status SendingStream::take_foreign_rows(TablesTxn& txn, const FunctionRef<Status(const RunRecord&)>& take) {
  std::vector<std::string> ids;
  CAIRN_TRY(txn.walk(Table::kOutbox, {}, [&](std::string_view id, std::string_view) {
    ids.emplace_back(id);
    return true;
  }));
  for (const std::string& id : ids) {
    CAIRN_TRY_ASSIGN(auto&& record, txn.find(id));
    if (record && record->foreign && record->outbox.waits()) {
      CAIRN_TRY(take(*record));
      record->outbox = OutboxRow();
      put_back_.note_returned(id);
      CAIRN_TRY(txn.put_run(*record));
    }
  }
  return {};
}

Status SendingStream::resolve(bool moved, uint64_t* dropped) {
  const bool forked = state_->halt == Halt::kForked;
  if (forked && moved) {
    CAIRN_TRY(put_back_.all());
  }
  CAIRN_TRY(seams_.fold());
  SenderState next = *state_;
  next.halt = Halt::kNone;
  next.told_to_continue = moved;
  if (moved && forked) {
    begin_pull(next, Pull::kRestored);  // take over what is newer of what the other one sent, as after a rewind
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
  uint64_t count = 0;
  CAIRN_TRY(state_.commit(next, 1u << 20, [&](TablesTxn& txn, SenderState&) -> Status {
    count = 0;
    if (moved) {
      return {};
    }
    CAIRN_TRY(put_back_.all(txn));
    CAIRN_TRY(erase_all(txn, Table::kInflight));
    return take_foreign_rows(txn, [&](const RunRecord&) {
      ++count;
      return Status();
    });
  }));
  if (dropped != nullptr) {
    *dropped = count;
  }
  return in_flight_.load(tables_);
}

}  // namespace cairn::engine::sync
