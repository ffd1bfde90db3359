// Finds damage in three rounds: the pages, by pread; every value of every table; records against indexes, both ways.
// A round runs only if the one before found nothing that could crash the reader.
#include "engine/tables/verify.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/base/error_detail.h"
#include "engine/tables/notes.h"
#include "engine/tables/pages.h"

namespace cairn::engine {
namespace {

constexpr size_t kReportsMax = 10000;

class Verifier {
 public:
  Verifier(const TableAccess& tables, MDB_txn* txn, const FunctionRef<void(const TableDamage&)>& report)
      : tables_(tables), txn_(txn), report_(report) {}

  void damage(const char* table, std::string_view key, std::string what) {
    ++found_;
    if (found_ <= kReportsMax) {
      report_({table, std::string(key), std::move(what)});
    }
  }
  [[nodiscard]] size_t found() const { return found_; }

  void runs() {
    walk(Table::kRuns, [this](std::string_view key, std::string_view payload) {
      const Result<RunRecord> r = decode_run_record(payload);
      if (!r.ok()) {
        return damage("runs", key, r.status().what);
      }
      if (r->id != key) {
        return damage("runs", key, "the record is that of run " + r->id);
      }
      const IndexKeys keys = index_keys(*r);
      for (size_t i = 0; i < kIndexes.size(); ++i) {
        if (keys[i].empty()) {
          continue;
        }
        const auto entry = tables_.get(txn_, kIndexes[i], keys[i]);
        // A wrong checksum is reported by the walk of that index.
        if (entry.ok() && !entry->has_value()) {
          damage(table_name(kIndexes[i]), keys[i], "no entry of run " + r->id);
        }
      }
    });
  }

  void index(size_t i) {
    const Table t = kIndexes[i];
    walk(t, [this, i, t](std::string_view key, std::string_view payload) {
      const std::optional<std::string_view> id = id_of_index_key(t, key);
      if (!id || !payload.empty()) {
        return damage(table_name(t), key, "no index entry");
      }
      const auto stored = tables_.get(txn_, Table::kRuns, *id);
      if (!stored.ok()) {
        return;  // reported by the walk of runs
      }
      if (!stored->has_value()) {
        return damage(table_name(t), key, "an entry of a run that is not there");
      }
      const Result<RunRecord> r = decode_run_record_head(**stored);
      if (r.ok() && index_keys(*r)[i] != key) {
        damage(table_name(t), key, "an entry that its record does not have");
      }
    });
  }

  void outbox() {
    walk(Table::kOutbox, [this](std::string_view key, std::string_view payload) {
      const Result<OutboxRow> row = decode_outbox_row(payload);
      if (!row.ok()) {
        return damage("outbox", key, row.status().what);
      }
      const auto stored = tables_.get(txn_, Table::kRuns, key);
      if (!stored.ok()) {
        return;  // reported by the walk of runs
      }
      if (!stored->has_value()) {
        return damage("outbox", key, "a row of a run that is not there");
      }
      const Result<RunRecord> r = decode_run_record_head(**stored);
      if (r.ok() && r->sequence != row->last()) {
        damage("outbox", key, "a row that does not continue to its run's sequence");
      }
    });
  }

  void sync_tables() {
    for (const Table t : {Table::kOutboxOrder, Table::kInflight, Table::kCursors, Table::kDead, Table::kTombstones}) {
      walk(t, [&](std::string_view key, std::string_view payload) {
        if (t == Table::kOutboxOrder && (!id_of_order_key(key) || !payload.empty())) {
          damage(table_name(t), key, "no entry of the order of sending");
        }
        if (t == Table::kTombstones && !decode_tombstone(payload).ok()) {
          damage(table_name(t), key, "no tombstone");
        }
      });
    }
  }

  void texts() {
    walk(Table::kTexts, [this](std::string_view key, std::string_view payload) {
      const auto id = id_of_text_key(key);
      if (!id || !decode_text(payload)) {
        return damage("texts", key, "no text of a run");
      }
      const auto stored = tables_.get(txn_, Table::kRuns, *id);
      if (stored.ok() && !stored->has_value()) {
        damage("texts", key, "a text of a run that is not there");
      }
    });
  }

  void notes() {
    for (const Table t : {Table::kNotes, Table::kRequests}) {
      walk(t, [&](std::string_view key, std::string_view payload) {
        const Result<Note> note = decode_stored_note(key, payload);
        if (!note.ok()) {
          return damage(table_name(t), key, note.status().what);
        }
        const auto place = tables_.get(txn_, notes_order(t), note_order_key(note->until_us, key));
        if (note->until_us != kNoteForever && place.ok() && !place->has_value()) {
          damage(table_name(t), key, "no place in the order");
        }
      });
      const auto notes = tables_.entries(txn_, t);
      const auto places = tables_.entries(txn_, notes_order(t));
      if (notes.ok() && places.ok() && *places > *notes) {
        damage(table_name(notes_order(t)), {}, "more places than notes");
      }
    }
  }

  void meta() {
    walk(Table::kMeta, [this](std::string_view key, std::string_view payload) {
      const size_t bytes = key == meta_key::kFormat                                                               ? 4
                           : key == meta_key::kStore                                                              ? 16
                           : key == meta_key::kAppliedLsn || key == meta_key::kSession || key == meta_key::kTouch ? 8
                           : key == meta_key::kUnsent                                                             ? 8
                           : key == meta_key::kLife                            ? kLifeBytes
                           : key == meta_key::kSync || key == meta_key::kAsked ? payload.size()
                                                                               : 0;
      if (bytes == 0) {
        return damage("meta", key, "an unknown name");
      }
      if (payload.size() != bytes) {
        damage("meta", key, "a value of the wrong length");
      }
    });
    for (const std::string_view key :
         {meta_key::kFormat, meta_key::kStore, meta_key::kAppliedLsn, meta_key::kSession}) {
      const auto value = tables_.get(txn_, Table::kMeta, key);
      if (value.ok() && !value->has_value()) {
        damage("meta", key, "missing");
      }
    }
  }

 private:
  void walk(Table t, const FunctionRef<void(std::string_view key, std::string_view payload)>& visit) {
    uint64_t count = 0;
    std::string before;
    const Status s = tables_.walk(txn_, t, {}, [&](std::string_view key, std::string_view value) {
      ++count;
      if (count > 1 && key <= before) {
        damage(table_name(t), key, "keys out of order");
        return false;  // it might never end
      }
      before.assign(key);
      const std::optional<std::string_view> payload = open_value(t, key, value);
      if (payload) {
        visit(key, *payload);
      } else {
        damage(table_name(t), key, "wrong checksum");
      }
      return true;
    });
    if (!s.ok()) {
      return damage(table_name(t), {}, std::string("the table cannot be walked: ") + s.what);
    }
    const Result<uint64_t> entries = tables_.entries(txn_, t);
    if (entries.ok() && *entries != count) {
      damage(table_name(t), {}, "the count of entries is wrong");
    }
  }

  const TableAccess& tables_;
  MDB_txn* const txn_;
  const FunctionRef<void(const TableDamage&)>& report_;
  size_t found_ = 0;
};

// From child to parent: messages {kind u8, three texts of u32 length and bytes}; the last one is kEnd, whose first text
// is the Status' code and cause.

}  // namespace

Status verify_tables(Environment& environment, const FunctionRef<void(const TableDamage&)>& report) {
  CAIRN_TRY_ASSIGN(auto&& txn, environment.read());
  Verifier verifier(environment.tables(), txn.get(), report);
  CAIRN_TRY_ASSIGN(const auto&& pages, check_pages(environment.fd(), SIZE_MAX, txn.number()));
  if (pages) {
    verifier.damage("environment", std::to_string(pages->page), pages->what);
  } else {
    verifier.meta();
    verifier.runs();
    for (size_t i = 0; i < kIndexes.size(); ++i) {
      verifier.index(i);
    }
    verifier.outbox();
    verifier.sync_tables();
    verifier.texts();
    verifier.notes();
  }
  if (verifier.found() == 0) {
    return {};
  }
  return {Code::kCorrupt, "the tables are damaged"};
}

}  // namespace cairn::engine
