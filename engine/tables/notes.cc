#include "engine/tables/notes.h"

#include <vector>

namespace cairn::engine {

namespace {

constexpr size_t kTimeBytes = 8;

struct Ending {
  int64_t until_us = 0;
  std::string key;  // of the note
};

/// The first entries of the order, at most `most`.
Result<std::vector<Ending>> first_to_end(const TableAccess& tables, MDB_txn* txn, Table order, size_t most) {
  std::vector<Ending> first;
  CAIRN_TRY(tables.walk(txn, order, {}, [&](std::string_view key, std::string_view) {
    if (key.size() > kTimeBytes) {
      first.push_back({time_of_index_key(Table::kByUpdated, key), std::string(key.substr(kTimeBytes))});
    }
    return first.size() < most;
  }));
  return first;
}

}  // namespace

std::string note_key(NoteKind kind, std::string_view name) {
  return std::string(1, static_cast<char>(kind)).append(name);
}

std::string note_order_key(int64_t until_us, std::string_view note_key) { return by_updated_key(until_us, note_key); }

Result<Note> decode_stored_note(std::string_view key, std::string_view payload) {
  constexpr Status kBadNote{Code::kCorrupt, "malformed note"};
  const auto until = decode_u64(payload.substr(0, sizeof(uint64_t)));
  if (key.size() < 2 || key[0] == 0 || static_cast<uint8_t>(key[0]) > static_cast<uint8_t>(kNoteKindLast) || !until) {
    return kBadNote;
  }
  Note note{static_cast<NoteKind>(key[0]), std::string(key.substr(1)), static_cast<int64_t>(*until),
            std::string(payload.substr(sizeof(uint64_t)))};
  return check_note(note).ok() ? Result<Note>(std::move(note)) : kBadNote;
}

Status write_note(const TableAccess& tables, MDB_txn* txn, const Note& note) {
  const Table table = notes_table(note.kind);
  const std::string key = note_key(note.kind, note.name);
  CAIRN_TRY_ASSIGN(const auto stored, tables.get(txn, table, key));
  if (stored) {
    CAIRN_TRY_ASSIGN(const auto&& old, decode_stored_note(key, *stored));
    if (old.until_us != kNoteForever) {
      CAIRN_TRY(tables.erase(txn, notes_order(table), note_order_key(old.until_us, key)));
    }
  }
  if (note.until_us == kNoteErased) {
    return tables.erase(txn, table, key);
  }
  if (note.until_us != kNoteForever) {
    const std::string place = note_order_key(note.until_us, key);
    CAIRN_TRY(tables.put(txn, notes_order(table), place, sealed_value(notes_order(table), place, {})));
  }
  return tables.put(txn, table, key,
                    sealed_value(table, key, encode_u64(static_cast<uint64_t>(note.until_us)) + note.value));
}

Result<std::optional<Note>> find_note(const TableAccess& tables, MDB_txn* txn, NoteKind kind, std::string_view name) {
  const std::string key = note_key(kind, name);
  CAIRN_TRY_ASSIGN(const auto stored, tables.get(txn, notes_table(kind), key));
  if (!stored) {
    return std::optional<Note>();
  }
  CAIRN_TRY_ASSIGN(auto&& note, decode_stored_note(key, *stored));
  return std::optional<Note>(std::move(note));
}

Status each_stored_note(const TableAccess& tables, MDB_txn* txn, const FunctionRef<void(Note&&)>& visit) {
  Status found;
  const Status walked = tables.walk(txn, Table::kNotes, {}, [&](std::string_view key, std::string_view value) {
    const auto payload = open_value(Table::kNotes, key, value);
    Result<Note> note =
        payload ? decode_stored_note(key, *payload) : Result<Note>(Code::kCorrupt, "a note has a wrong checksum");
    found = note.status();
    if (note.ok()) {
      visit(std::move(*note));
    }
    return found.ok();
  });
  return walked.ok() ? found : walked;
}

namespace {

/// A batch that has runs is kept on.
Result<bool> renewed(const TableAccess& tables, MDB_txn* txn, const Ending& one, int64_t now_us) {
  if (one.key[0] != static_cast<char>(NoteKind::kBatch)) {
    return false;
  }
  const std::string prefix = by_batch_prefix(one.key.substr(1));
  bool has_runs = false;
  CAIRN_TRY(tables.walk(txn, Table::kByBatch, prefix, [&](std::string_view key, std::string_view) {
    has_runs = key.starts_with(prefix);
    return false;
  }));
  if (!has_runs) {
    return false;
  }
  CAIRN_TRY_ASSIGN(auto&& note, find_note(tables, txn, NoteKind::kBatch, one.key.substr(1)));
  if (note) {
    note->until_us = now_us + kBatchKeptUs;
    CAIRN_TRY(write_note(tables, txn, *note));
  }
  return note.has_value();
}

}  // namespace

Status expire_notes(const TableAccess& tables, MDB_txn* txn, int64_t now_us, size_t most, Expired& out) {
  out = Expired();
  for (const Table table : {Table::kNotes, Table::kRequests}) {
    CAIRN_TRY_ASSIGN(uint64_t entries, tables.entries(txn, notes_order(table)));
    CAIRN_TRY_ASSIGN(const auto&& first, first_to_end(tables, txn, notes_order(table), most));
    size_t left = first.size();
    for (const Ending& one : first) {
      const bool over = one.until_us <= now_us;
      if (!over && (table != Table::kRequests || entries <= kRequestNotesMax)) {
        break;
      }
      CAIRN_TRY_ASSIGN(const bool kept, over ? renewed(tables, txn, one, now_us) : Result<bool>(false));
      --left;
      if (kept) {
        continue;
      }
      out.gone += over ? 0 : 1;
      CAIRN_TRY(tables.erase(txn, notes_order(table), note_order_key(one.until_us, one.key)));
      CAIRN_TRY(tables.erase(txn, table, one.key));
      --entries;
    }
    out.more = out.more || (first.size() == most && left == 0);
  }
  return {};
}

}  // namespace cairn::engine
