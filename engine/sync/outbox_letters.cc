#include "engine/sync/outbox.h"
#include "engine/sync/outbox_rows.h"
#include "engine/tables_format.h"

namespace cairn::engine::sync {

Result<std::vector<std::pair<std::string, DeadLetter>>> Outbox::dead_letters(size_t most) {
  std::vector<std::pair<std::string, DeadLetter>> all;
  Status bad;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) {
    return txn.walk(Table::kDead, {}, [&](std::string_view id, std::string_view payload) {
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
    if (letter->foreign && how == Release::kReplace) {
      return {Code::kInvalidArgument, "the run is owned elsewhere: only its owner has all of it"};
    }
    CAIRN_TRY(txn.erase(Table::kDead, id));
    auto found = txn.find(id);
    CAIRN_TRY(found.status());
    if (!*found && !(letter->foreign && how == Release::kRetry)) {
      return {};
    }
    if (how == Release::kRetry && letter->row.waits()) {
      FrozenPart part;
      part.id = id;
      part.life = *found ? (*found)->created_lsn : 0;
      part.foreign = letter->foreign;
      part.row = letter->row;
      strands = letter->foreign && !(*found && (*found)->foreign);
      if (strands) {
        return strand(txn, part);
      }
      CAIRN_TRY(put_back(txn, part, false));
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

}  // namespace cairn::engine::sync
