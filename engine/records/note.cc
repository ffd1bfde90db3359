#include "engine/records/note.h"

#include <array>

#include "engine/base/raw_fields.h"
#include "wal/xxh3.h"

namespace cairn::engine {

std::string note_digest(std::string_view text) {
  std::array<uint8_t, 16> digest;
  xxh3_128(text.data(), text.size(), nullptr, 0, digest.data());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string run_key_name(std::string_view task, std::string_view key) {
  return note_digest(std::string(task).append(1, '\0').append(key));
}

Status check_note(const Note& note) {
  if (note.name.empty() || note.name.size() > kNoteNameBytesMax) {
    return {Code::kInvalidArgument, "the name of a note has 1 to 64 bytes"};
  }
  if (note.value.size() > kNoteValueBytesMax) {
    return {Code::kTooLarge, "a note is over 4,096 bytes"};
  }
  return {};
}

void append_note(std::string& out, const Note& note) {
  put(out, note.kind);
  put(out, static_cast<uint8_t>(note.name.size()));
  out += note.name;
  put(out, note.until_us);
  out += note.value;
}

Result<Note> decode_note(std::string_view bytes) {
  Note note;
  uint8_t kind = 0;
  uint8_t name_bytes = 0;
  if (!take(bytes, kind) || kind == 0 || !take(bytes, name_bytes) || name_bytes == 0 || name_bytes > bytes.size()) {
    return Status{Code::kCorrupt, "malformed note"};
  }
  if (kind > static_cast<uint8_t>(kNoteKindLast)) {
    return Status{Code::kVersion, "a note of a newer version of Cairn"};
  }
  note.kind = static_cast<NoteKind>(kind);
  note.name = bytes.substr(0, name_bytes);
  bytes.remove_prefix(name_bytes);
  if (!take(bytes, note.until_us)) {
    return Status{Code::kCorrupt, "malformed note"};
  }
  note.value = bytes;
  return check_note(note).ok() ? Result<Note>(std::move(note)) : Result<Note>(Code::kCorrupt, "malformed note");
}

}  // namespace cairn::engine
