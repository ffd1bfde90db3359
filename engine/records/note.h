// What a store remembers besides its runs, for a time: which requests it has answered, and what keys stand for.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::engine {

/// Stored; never renumbered.
enum class NoteKind : uint8_t {
  kRequest = 1,    // a request that was answered: so many are kept as kRequestNotesMax, the oldest go first
  kUsedToken = 2,  // a token that was good for one use
  kRunKey = 3,     // an idempotency key of a trigger: the run that it made
  kBatchKey = 4,   // an idempotency key of a batch
  kBatch = 5,      // a batch, under its id
  kBatchRun = 6,   // BATCH:INDEX: the run that an idempotency key gave this item of a batch
};
inline constexpr uint64_t kRequestNotesMax = 200'000;
/// A batch is kept for so long, and again for so long as it has runs here.
inline constexpr int64_t kBatchKeptUs = int64_t{30} * 86'400 * 1'000'000;
inline constexpr NoteKind kNoteKindLast = NoteKind::kBatchRun;
inline constexpr size_t kNoteNameBytesMax = 64;
inline constexpr size_t kNoteValueBytesMax = 4096;
inline constexpr int64_t kNoteForever = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kNoteErased = std::numeric_limits<int64_t>::min();

struct Note {
  NoteKind kind = NoteKind::kRequest;
  std::string name;      // 1 to kNoteNameBytesMax bytes: an id, or a digest
  int64_t until_us = 0;  // wall clock: from then on it counts for nothing; kNoteErased: it is taken back
  std::string value;
  bool operator==(const Note&) const = default;
};

/// The name of what may be longer than a name: 16 bytes, the XXH3-128 of `text`.
std::string note_digest(std::string_view text);

/// The name of the idempotency key `key` of a task, in kRunKey.
std::string run_key_name(std::string_view task, std::string_view key);

/// kTooLarge, kInvalidArgument.
Status check_note(const Note& note);

/// u8 kind, u8 bytes of the name, the name, i64 until, and the value to the end. Little-endian.
void append_note(std::string& out, const Note& note);
/// kCorrupt; kVersion for a kind that this version does not know.
Result<Note> decode_note(std::string_view bytes);

}  // namespace cairn::engine
