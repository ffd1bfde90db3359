#include <algorithm>

#include "engine/sync/outbox.h"
#include "engine/sync/outbox_rows.h"
#include "engine/tables_format.h"

namespace cairn::engine::sync {

Result<std::vector<std::pair<std::string, DeadLetter>>> Outbox::dead_letters(const std::string& after, size_t most) {
  std::vector<std::pair<std::string, DeadLetter>> all;
  Status bad;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) {
    return txn.walk(Table::kDead, after, [&](std::string_view id, std::string_view payload) {
      auto letter = decode_dead_letter(payload);
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

// The change that was refused waits again, in front of what came after it. `strands`: its run came here from its owner
// meanwhile, or is not here any more, and it is to be taken here.
Status Outbox::put_back_letter(TablesTxn& txn, const std::string& id, const DeadLetter& letter, bool& strands) {
  auto found = txn.find(id);
  CAIRN_TRY(found.status());
  FrozenPart part;
  part.id = id;
  part.life = *found ? (*found)->created_lsn : 0;
  part.foreign = letter.foreign;
  part.row = letter.row;
  strands = letter.foreign && !(*found && (*found)->foreign);
  return strands ? strand(txn, part) : put_back(txn, part, false);
}

// While a run is held its place in the order of sending may be taken out; not where an erase of its id waits.
Status Outbox::put_in_order(TablesTxn& txn, const std::string& id) {
  auto record = txn.find(id);
  CAIRN_TRY(record.status());
  auto tombstone = tombstone_of(txn, id);
  CAIRN_TRY(tombstone.status());
  if (!*tombstone && *record && (*record)->outbox.waits()) {
    return txn.put(Table::kOutboxOrder, outbox_order_key((*record)->outbox.since_lsn, id), {});
  }
  return {};
}

// A letter that cannot be read counts for none: whoever lists them hears of it.
void Outbox::count_backlogged() {
  backlogged_ = 0;
  (void)tables_.look([&](TablesTxn& txn) {
    return txn.walk(Table::kDead, {}, [&](std::string_view, std::string_view payload) {
      backlogged_ += is_backlog(payload) ? 1 : 0;
      return true;
    });
  });
}

namespace {

// Of what is stored of one run. Not of the tables: those stop everything.
bool is_about_one_run(Code code) {
  return code == Code::kCorrupt || code == Code::kVersion || code == Code::kInvalidArgument || code == Code::kTooLarge;
}

}  // namespace

// One that cannot go back stays as it is: the other runs do not wait for it, and whoever lists the letters hears of it.
Status Outbox::send_backlogged(size_t most) {
  CAIRN_TRY(seams_.fold());
  bool strands = false;
  std::vector<std::string> ids;
  CAIRN_TRY(tables_.transact(1u << 20, [&](TablesTxn& txn) -> Status {
    strands = false;
    ids.clear();
    // Not always from the first one: those that the upstream refuses each time do not keep the others waiting.
    for (const std::string& after : {backlog_after_, std::string()}) {
      if (ids.empty()) {
        CAIRN_TRY(txn.walk(Table::kDead, after, [&](std::string_view id, std::string_view payload) {
          if (is_backlog(payload)) {
            ids.emplace_back(id);
          }
          return ids.size() < most;
        }));
      }
    }
    for (const std::string& id : ids) {
      auto payload = txn.get(Table::kDead, id);
      CAIRN_TRY(payload.status());
      auto letter = decode_dead_letter(**payload);
      if (!letter.ok()) {
        continue;
      }
      if (!letter->row.waits()) {
        // Nothing is in flight: a change that does not wait any more is gone, with its run, say.
        auto row = txn.get(Table::kOutbox, id);
        CAIRN_TRY(row.status());
        CAIRN_TRY(row->has_value() ? Status() : txn.erase(Table::kDead, id));
        continue;
      }
      bool stranded = false;
      const Status back = put_back_letter(txn, id, *letter, stranded);
      if (is_about_one_run(back.code)) {
        continue;
      }
      CAIRN_TRY(back);
      strands = strands || stranded;
      if (stranded) {
        CAIRN_TRY(txn.erase(Table::kDead, id));
        continue;
      }
      letter->row = OutboxRow();
      CAIRN_TRY(txn.put(Table::kDead, id, encode_dead_letter(*letter)));
      CAIRN_TRY(put_in_order(txn, id));
    }
    return {};
  }));
  backlog_after_ = ids.size() < most ? std::string() : ids.back();
  count_backlogged();
  return strands ? read_in_flight() : Status();
}

Result<bool> Outbox::is_in_flight(TablesTxn& txn, const std::string& id) {
  auto all = frozen_batches(txn);
  CAIRN_TRY(all.status());
  return !all->empty() && std::any_of(all->front().parts.begin(), all->front().parts.end(),
                                      [&](const FrozenPart& part) { return part.id == id; });
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
    auto letter = decode_dead_letter(**payload);
    CAIRN_TRY(letter.status());
    const bool sent_again = is_sent_again(**payload);
    if (sent_again) {
      auto goes = is_in_flight(txn, id);
      CAIRN_TRY(goes.status());
      if (*goes) {
        return {Code::kAgain, "the change is on its way again: decide when the upstream has answered"};
      }
    }
    if (letter->foreign && how == Release::kReplace) {
      return {Code::kInvalidArgument, "the run is owned elsewhere: only its owner has all of it"};
    }
    CAIRN_TRY(txn.erase(Table::kDead, id));
    auto found = txn.find(id);
    CAIRN_TRY(found.status());
    if (sent_again && *found && (*found)->foreign && (*found)->outbox.waits()) {
      // The change waits in the outbox again, one with what came since.
      returned_.push_back(id);
      if (how == Release::kSkip) {
        (*found)->outbox = OutboxRow();
        return txn.put_run(**found);
      }
      (*found)->outbox.hops = 0;  // somebody saw to it that they are no ring
      CAIRN_TRY(txn.put_run(**found));
      return put_in_order(txn, id);
    }
    // The run that it was about is erased; one that is owned elsewhere may have its id since.
    const bool gone = !*found || (!letter->foreign && (*found)->foreign);
    if (gone && !(letter->foreign && how == Release::kRetry)) {
      return put_in_order(txn, id);
    }
    if (how == Release::kRetry && letter->row.waits()) {
      letter->row.hops = 0;  // somebody saw to it that they are no ring
      CAIRN_TRY(put_back_letter(txn, id, *letter, strands));
    } else if (how == Release::kReplace || (how == Release::kRetry && !letter->foreign)) {
      if (!(*found)->outbox.waits()) {
        (*found)->outbox = whole_row(**found);
      }
      CAIRN_TRY(join_behind((*found)->outbox));
      (*found)->outbox.full = true;
      (*found)->outbox.over = how == Release::kReplace;
      CAIRN_TRY(txn.put_run(**found));
    }
    return strands ? Status() : put_in_order(txn, id);
  }));
  if (backlogged_ > 0) {
    count_backlogged();
  }
  return strands ? read_in_flight() : Status();
}

}  // namespace cairn::engine::sync
