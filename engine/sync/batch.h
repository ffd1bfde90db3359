// The bytes of the protocol: batches of diffs, and their answers; questions for documents, and theirs. PROTOCOL.md is
// the specification. All integers are little endian, stored as they lie in memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/diff.h"
#include "engine/run_record.h"

namespace cairn::engine::sync {

inline constexpr uint16_t kProtocolVersion = 1;
inline constexpr size_t kMessageBytesMax = 8u << 20;  // any message
inline constexpr size_t kEntriesMax = 65536;          // of a batch

using OwnerId = std::array<uint8_t, 16>;   // of a store, as owner of its runs
using StreamId = std::array<uint8_t, 16>;  // of an unbroken line of batches
using Digest = std::array<uint8_t, 16>;    // XXH3-128, big-endian: against accidents and forks, not against attackers

inline constexpr bool is_zero(const std::array<uint8_t, 16>& id) { return id == std::array<uint8_t, 16>{}; }

struct BatchHeader {
  char magic[4] = {'C', 'R', 'N', 'B'};
  uint16_t version = kProtocolVersion;
  uint16_t lane = 0;  // always 0
  uint32_t entries = 0;
  uint32_t body_bytes = 0;
  OwnerId owner{};
  StreamId stream{};
  uint64_t seq = 0;         // from 1, without holes
  uint64_t generation = 0;  // of the owner's streams: a later one has a larger one
  uint64_t lsn_hi = 0;      // up to here the owner's log was folded when this was frozen; data only
  uint64_t deltas = 0;      // entries of other owners' runs in all batches of this stream before this one
  StreamId parent{};        // the stream that this one takes the place of; zero: none
  uint64_t parent_seq = 0;  // of its last batch that was acknowledged; data only
  int64_t wall_us = 0;      // when it was frozen; data only
  Digest prev{};            // digest of the batch before, zero for the first
  Digest digest{};          // of all bytes but these
};
static_assert(sizeof(BatchHeader) == 144);
static_assert(offsetof(BatchHeader, owner) == 16 && offsetof(BatchHeader, seq) == 48);
static_assert(offsetof(BatchHeader, prev) == 112 && offsetof(BatchHeader, digest) == 128);

enum class EntryKind : uint8_t {
  kValues = 0,  // of a run of the sender's that nobody else writes, or sent whole: what keys are now
  kForms = 1,   // of a run of the sender's that others write, too: what was done to them
  kDelta = 2,   // of a run owned elsewhere: what was done
  kErase = 3,   // a run of the sender's is gone
};

/// What a run has beside its document.
struct Head {
  RunStatus status = RunStatus::kExecuting;
  std::string task;
  std::string parent;
  std::string root;
  std::vector<std::string> tags;
  int64_t created_us = 0;
  int64_t finished_us = 0;
  std::string error;
  bool operator==(const Head&) const = default;
};
Head head_of(const RunRecord& record);

struct Entry {
  EntryKind kind = EntryKind::kValues;
  std::string id;
  uint64_t life = 0;      // creation LSN at the owner; 0 for kDelta
  uint64_t sequence = 0;  // of the owner's run after this entry; 0 for kDelta
  int64_t updated_us = 0;
  std::optional<Head> head;
  bool replace = false;            // the document starts empty; kDelta: whatever its owner had there
  std::vector<DiffEntry> changes;  // kValues: kSet and kDelete alone; kForms, kDelta: without values but for kSet
  uint8_t hops = 0;                // kDelta: stores that passed it on, the most of what was folded together
  bool too_deep = false;           // one of them is nested deeper than anything is read: they are not here
  [[nodiscard]] bool whole() const { return replace && head.has_value(); }
};

/// Appends the entry. `wall_us` is the header's: times travel as distances from it.
void append_entry(std::string& body, const Entry& entry, int64_t wall_us);

/// Puts header and body together; fills in entries, body_bytes and digest.
std::string seal_batch(BatchHeader header, uint32_t entries, std::string_view body);

struct Batch {
  BatchHeader header;
  std::vector<Entry> entries;
  bool came_back = false;  // a delta of this store's own, which it accepted before the run came here from its owner
};
/// kVersion: of another version. kCorrupt: not whole, a wrong digest, or entries that are none. Lengths are checked
/// against what remains before memory is taken. An entry that is nested too deep is the receiver's matter, not the
/// batch's.
Result<BatchHeader> decode_batch_header(std::string_view bytes);
Result<Batch> decode_batch(std::string_view bytes);

/// How many bytes of a batch's body its first `count` entries take.
Result<size_t> bytes_of_entries(std::string_view body, size_t count);

// --- answers ---

enum class Answer : uint8_t {
  kOk = 0,        // taken
  kDup = 1,       // was taken before; the verdicts are those of then
  kGap = 2,       // batches before it were not taken: this side has lost its state, or was restored
  kFork = 3,      // another batch of that number was taken
  kRewind = 4,    // later batches were taken: the sender was restored
  kRetired = 5,   // another stream has taken this one's place
  kTooLarge = 6,  // more than this side takes at once: `max_bytes`
  kRefused = 7,   // no batch, or question, that can be read
  kUnable = 8,    // not now: no space, or the store is in trouble
};

enum class VerdictCode : uint8_t {
  kShared = 1,      // nothing applied: others write this run; send forms
  kWantFull = 2,    // nothing applied: the run is not here; send all of it
  kNotOwner = 3,    // another store's run
  kTooLarge = 4,    // the document would be over the limit here
  kRefusedRun = 5,  // it cannot be what this run says
  kBacklog = 6,     // too much waits here for that run's owner
  // Never sent: of dead letters that the sender wrote itself.
  kMayBeSent = 7,  // the store was restored: it may have been sent before
};
const char* verdict_name(VerdictCode code);

/// Of one entry of a batch; without one it was applied, or had been before.
struct Verdict {
  uint32_t entry = 0;
  VerdictCode code = VerdictCode::kShared;
  std::string text;
  uint64_t sequence = 0;  // kShared: of the owner's states of this life, the one that is here; else 0
  bool operator==(const Verdict&) const = default;
};
void append_verdicts(std::string& out, const std::vector<Verdict>& verdicts);
Result<std::vector<Verdict>> decode_verdicts(std::string_view bytes);

struct ReplyHeader {
  char magic[4] = {'C', 'R', 'N', 'V'};
  uint16_t version = kProtocolVersion;
  uint8_t answer = 0;
  uint8_t unused = 0;
  uint32_t verdict_bytes = 0;
  uint32_t max_bytes = 0;  // of a batch; 0: as the sender likes
  StreamId stream{};
  uint64_t for_seq = 0;  // the batch that this answers; 0: none could be read
  Digest for_digest{};   // of that batch: an answer that comes late must not pass for that of a later one
  uint64_t seq = 0;      // the cursor here: of the last batch taken
  uint64_t lsn_hi = 0;   // of that batch. kRetired, and seq 0: the generation of the stream in `digest`
  uint64_t deltas = 0;   // entries of other owners' runs taken up to it
  Digest digest{};       // of that batch. kRetired, and seq 0: the owner's stream that goes on here
  Digest check{};        // of all bytes but these
};
static_assert(sizeof(ReplyHeader) == 112);
static_assert(offsetof(ReplyHeader, stream) == 16 && offsetof(ReplyHeader, digest) == 80);

struct Reply {
  ReplyHeader header;
  std::vector<Verdict> verdicts;
  [[nodiscard]] Answer answer() const { return static_cast<Answer>(header.answer); }
};
std::string encode_reply(ReplyHeader header, const std::vector<Verdict>& verdicts);
Result<Reply> decode_reply(std::string_view bytes);

// --- questions: the documents of some runs ---

struct Question {
  struct Run {
    std::string id;
    bool if_newer = false;  // only if what is there is newer than these, of the same owner
    uint64_t generation = 0;
    uint64_t life = 0;
    uint64_t sequence = 0;
  };
  OwnerId owner{};
  uint64_t number = 0;  // the answer repeats it
  std::vector<Run> runs;
};
std::string encode_question(const Question& question);
Result<Question> decode_question(std::string_view bytes);

struct Documents {
  struct Run {
    std::string id;
    bool found = false;
    Origin origin;         // zero owner: the answering store's own
    uint64_t version = 0;  // of the run there: grows with each of its changes
    uint64_t life = 0;     // of the run there: a larger one is another run of that id
    bool others_write = false;
    Head head;
    Document document;
  };
  uint64_t number = 0;
  uint64_t generation = 0;  // of the question's owner, its latest stream's here; 0: none came
  std::vector<Run> runs;    // in the question's order; it may end before the question does: ask for the rest again
};
std::string encode_documents(const Documents& documents);
Result<Documents> decode_documents(std::string_view bytes);

enum class MessageKind : uint8_t { kUnknown, kBatch, kReply, kQuestion, kDocuments };
MessageKind kind_of(std::string_view bytes);

Digest digest_of(std::string_view a, std::string_view b = {});

}  // namespace cairn::engine::sync
