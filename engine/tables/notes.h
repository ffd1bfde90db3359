// Notes in the tables. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/records/note.h"
#include "engine/tables/format.h"
#include "engine/tables/table_access.h"
#include "wal/function_ref.h"

namespace cairn::engine {

/// Requests stand apart from the others, so that they can be counted.
inline constexpr Table notes_table(NoteKind kind) {
  return kind == NoteKind::kRequest ? Table::kRequests : Table::kNotes;
}
inline constexpr Table notes_order(Table notes) {
  return notes == Table::kRequests ? Table::kRequestsOrder : Table::kNotesOrder;
}
/// In `notes` and `requests`: u8 kind, the name.
std::string note_key(NoteKind kind, std::string_view name);
/// In the order tables: when it ends, then the note's key.
std::string note_order_key(int64_t until_us, std::string_view note_key);
/// kCorrupt. The payload is i64 until, then the value.
Result<Note> decode_stored_note(std::string_view key, std::string_view payload);

/// Writes the note, or takes it back, with its place in the order; a note for ever has none.
Status write_note(const TableAccess& tables, MDB_txn* txn, const Note& note);
Result<std::optional<Note>> find_note(const TableAccess& tables, MDB_txn* txn, NoteKind kind, std::string_view name);
/// All in `notes`: not those of requests.
Status each_stored_note(const TableAccess& tables, MDB_txn* txn, const FunctionRef<void(Note&&)>& visit);
struct Expired {
  uint64_t gone = 0;  // requests beyond the bound that had not ended
  bool more = false;  // there may be more to erase
};
/// Erases notes that have ended, and the oldest requests beyond kRequestNotesMax: at most `most` of each.
Status expire_notes(const TableAccess& tables, MDB_txn* txn, int64_t now_us, size_t most, Expired& out);

}  // namespace cairn::engine
