#include "engine/sync/dead_letters.h"

#include "engine/sync/outbox_rows.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

// The error is about the stored data of one run. Errors of the tables stop everything.
bool is_about_one_run(Code code) {
  return code == Code::kCorrupt || code == Code::kVersion || code == Code::kInvalidArgument || code == Code::kTooLarge;
}

}  // namespace

Result<std::vector<std::pair<std::string, DeadLetter>>> DeadLetters::list(const std::string& after, size_t most) {
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

// A letter that cannot be read is not counted: listing the letters reports it.
void DeadLetters::count_backlogged() {
  backlogged_ = 0;
  (void)tables_.look([&](TablesTxn& txn) {
    return txn.walk(Table::kDead, {}, [&](std::string_view, std::string_view payload) {
      backlogged_ += is_backlog(payload) ? 1 : 0;
      return true;
    });
  });
}

Status DeadLetters::send_backlogged(size_t most) {
  CAIRN_TRY(seams_.fold());
  bool strands = false;
  std::vector<std::string> ids;
  CAIRN_TRY(tables_.transact(1u << 20, [&](TablesTxn& txn) -> Status {
    strands = false;
    CAIRN_TRY(next_backlogged(txn, most, ids));
    for (const std::string& id : ids) {
      CAIRN_TRY(send_again(txn, id, strands));
    }
    return {};
  }));
  backlog_after_ = ids.size() < most ? std::string() : ids.back();
  count_backlogged();
  return strands ? in_flight_.load(tables_) : Status();
}

// Continues where the last call ended, so that letters which are refused each time do not delay the others.
Status DeadLetters::next_backlogged(TablesTxn& txn, size_t most, std::vector<std::string>& ids) const {
  ids.clear();
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
  return {};
}

// A letter that cannot be put back stays as it is: the other runs do not wait for it, and listing the letters reports
// it.
Status DeadLetters::send_again(TablesTxn& txn, const std::string& id, bool& strands) {
  CAIRN_TRY_ASSIGN(const auto payload, txn.get(Table::kDead, id));
  auto letter = decode_dead_letter(*payload);
  if (!letter.ok()) {
    return {};
  }
  if (!letter->row.waits()) {
    // Nothing is in flight: a change that does not wait any more is gone, for example with its run.
    CAIRN_TRY_ASSIGN(const auto row, txn.get(Table::kOutbox, id));
    return row ? Status() : txn.erase(Table::kDead, id);
  }
  bool stranded = false;
  const Status back = put_back_.letter(txn, id, *letter, stranded);
  if (is_about_one_run(back.code)) {
    return {};
  }
  CAIRN_TRY(back);
  if (stranded) {
    strands = true;
    return txn.erase(Table::kDead, id);
  }
  letter->row = OutboxRow();
  CAIRN_TRY(txn.put(Table::kDead, id, encode_dead_letter(*letter)));
  return put_in_order(txn, id);
}

Status DeadLetters::forget_sent_again(TablesTxn& txn, const std::string& id) const {
  if (backlogged_ == 0) {
    return {};
  }
  CAIRN_TRY_ASSIGN(const auto letter, txn.get(Table::kDead, id));
  return letter && is_sent_again(*letter) ? txn.erase(Table::kDead, id) : Status();
}

Status DeadLetters::release(const std::string& id, Release how) {
  CAIRN_TRY(seams_.fold());
  bool strands = false;
  CAIRN_TRY(tables_.transact(1u << 16, [&](TablesTxn& txn) {
    strands = false;
    return release(txn, id, how, strands);
  }));
  if (backlogged_ > 0) {
    count_backlogged();
  }
  return strands ? in_flight_.load(tables_) : Status();
}

Status DeadLetters::release(TablesTxn& txn, const std::string& id, Release how, bool& strands) {
  CAIRN_TRY_ASSIGN(const auto payload, txn.get(Table::kDead, id));
  if (!payload) {
    return {Code::kNotFound, "the run has no dead letter"};
  }
  CAIRN_TRY_ASSIGN(auto&& letter, decode_dead_letter(*payload));
  const bool sent_again = is_sent_again(*payload);
  if (sent_again && in_flight_.find(id) != nullptr) {
    return {Code::kAgain, "the change is on its way again: decide when the upstream has answered"};
  }
  if (letter.foreign && how == Release::kReplace) {
    return {Code::kInvalidArgument, "the run is owned elsewhere: only its owner has all of it"};
  }
  CAIRN_TRY(txn.erase(Table::kDead, id));
  CAIRN_TRY_ASSIGN(auto&& found, txn.find(id));
  if (sent_again && found && found->foreign && found->outbox.waits()) {
    return release_waiting(txn, *found, how);
  }
  // The run that it was about is erased; a run that is owned elsewhere may have its id now.
  const bool gone = !found || (!letter.foreign && found->foreign);
  if (gone && !(letter.foreign && how == Release::kRetry)) {
    return put_in_order(txn, id);
  }
  if (how == Release::kRetry && letter.row.waits()) {
    letter.row.hops = 0;  // a person has made sure that the stores form no ring
    CAIRN_TRY(put_back_.letter(txn, id, letter, strands));
  } else if (how == Release::kReplace || (how == Release::kRetry && !letter.foreign)) {
    if (!found->outbox.waits()) {
      found->outbox = whole_row(*found);
    }
    CAIRN_TRY(join_later(found->outbox));
    found->outbox.send_whole = true;
    found->outbox.overwrite_upstream = how == Release::kReplace;
    CAIRN_TRY(txn.put_run(*found));
  }
  return strands ? Status() : put_in_order(txn, id);
}

// The change is in the outbox again, and later changes are folded into it.
Status DeadLetters::release_waiting(TablesTxn& txn, RunRecord& record, Release how) {
  put_back_.note_returned(record.id);
  if (how == Release::kSkip) {
    record.outbox = OutboxRow();
    return txn.put_run(record);
  }
  record.outbox.hops = 0;  // a person has made sure that the stores form no ring
  CAIRN_TRY(txn.put_run(record));
  return put_in_order(txn, record.id);
}

}  // namespace cairn::engine::sync
