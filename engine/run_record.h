// What is stored of a run besides its pending changes: one LMDB value, and the payload of start records.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/diff.h"
#include "engine/document.h"

namespace cairn::engine {

/// Values are stored; never renumbered. The names are the model's.
enum class RunStatus : uint8_t {
  kPendingVersion = 0,
  kQueued = 1,
  kDequeued = 2,
  kExecuting = 3,
  kWaiting = 4,
  kCompleted = 5,
  kCanceled = 6,
  kFailed = 7,
  kCrashed = 8,
  kSystemFailure = 9,
  kDelayed = 10,
  kExpired = 11,
  kTimedOut = 12,
};
const char* status_name(RunStatus s);                        // "EXECUTING"
bool status_from_name(std::string_view name, RunStatus& s);  // in either case
/// COMPLETED, CANCELED, FAILED, SYSTEM_FAILURE, EXPIRED, TIMED_OUT: no more updates. CRASHED can be resumed.
bool is_final(RunStatus s);

/// Limits of a stored record. Longer input is kTooLarge at the call, kCorrupt where it is read.
inline constexpr size_t kRunIdBytesMax = 64;
inline constexpr size_t kTaskBytesMax = 1024;
inline constexpr size_t kTagsMax = 256;
inline constexpr size_t kTagBytesMax = 512;
inline constexpr size_t kErrorBytesMax = 4096;

/// [A-Za-z0-9_-][A-Za-z0-9_.:-]{0,63}: names of pods and times fit, "." and ".." and hidden files do not.
bool valid_run_id(std::string_view id);
inline constexpr const char* kRunIdRule =
    "a run id is 1 to 64 of A-Z a-z 0-9 _ - . : and begins with none of the last two";

/// Of a run that came by sync: who owns it, and which of the owner's states is in here.
struct Origin {
  std::array<uint8_t, 16> owner{};  // store id; zero: the run is this store's own
  uint64_t generation = 0;          // of the stream that brought it (sync/PROTOCOL.md)
  uint64_t life = 0;                // creation LSN of the run in the owner's store
  uint64_t sequence = 0;            // of the run in the owner's store
  [[nodiscard]] bool received() const { return owner != std::array<uint8_t, 16>{}; }
  bool operator==(const Origin&) const = default;
};

/// "the store 0a1b..", or "the upstream itself" for zero: of a run that the store which answered owns.
std::string owner_text(const std::array<uint8_t, 16>& owner);

/// Stores that one behind the other pass on what is done to a run owned elsewhere. Beyond it they form a ring.
inline constexpr uint8_t kHopsMax = 15;

/// What waits to be sent upstream, beside the record. `diff.last` 0: nothing waits.
struct OutboxRow {
  uint64_t since_lsn = 0;  // of the first change in it; 0: recovered from staging
  int64_t since_us = 0;    // wall clock of that change; data only
  bool head = false;       // status, tags and the like changed, or the run started: they go with it
  bool full = false;       // it goes whole: the upstream asked for it, or this store wants it so
  bool anew = false;       // began with nothing to be sent: the first step of the diff is none
  uint8_t hops = 0;        // of a run owned elsewhere: stores that passed on what waits, the most of it
  bool over = false;       // sent whole it also takes the place of what others wrote there: a person decided so
  Diff diff;
  // Of a run that came from its owner and was not sent yet: what was done to it since others write it too, at most one
  // row. It goes in a later batch, so that the upstream gets the forms, and `diff` as its owner had brought it.
  std::vector<OutboxRow> behind;
  [[nodiscard]] bool waits() const { return diff.last != 0; }
  /// Nothing of the run was ever sent, and the diff has all of its document.
  [[nodiscard]] bool is_first_word() const { return diff.base == 0 && diff.replace && !full && !anew; }
  /// What comes next is folded onto this one.
  [[nodiscard]] const Diff& newest() const { return behind.empty() ? diff : behind[0].diff; }
  [[nodiscard]] uint64_t last() const { return newest().last; }
  /// The sequence up to which the upstream has the run, as far as is known here.
  [[nodiscard]] uint64_t base() const { return diff.base + (anew ? 1 : 0); }
};

/// Of an erased run: that it is to be erased upstream.
struct Tombstone {
  uint64_t created_lsn = 0;
  uint64_t sequence = 0;
  uint64_t since_lsn = 0;
  int64_t since_us = 0;
};

/// The highest sequence that a run may come with from outside, by an import or an answer. It leaves room to go on from.
inline constexpr uint64_t kSequenceMax = uint64_t{1} << 62;

struct RunRecord {
  std::string id;
  uint64_t created_lsn = 0;  // LSN of its start record: tells a deleted and re-created run apart
  uint64_t sequence = 0;     // every operation, start, finish, status and tags change takes one
  uint64_t session = 0;      // of the read-write open that started or resumed it
  RunStatus status = RunStatus::kExecuting;
  std::string task;
  std::string parent;
  std::string root;
  std::vector<std::string> tags;
  int64_t created_us = 0;  // wall clock, microseconds since 1970, UTC
  int64_t updated_us = 0;
  int64_t finished_us = 0;  // 0: not finished
  bool foreign = false;     // owned elsewhere: no document here
  std::string error;        // why it failed; empty: it did not, or nobody said
  Document document;
  Origin origin;
  bool others_write = false;  // somebody beside its owner has written here: absolute values of the owner are refused
  bool ships_forms = false;   // the upstream said so of it: forms go there, not values
  uint64_t shared = 0;        // what waits nowhere is upstream under this sequence; 0: under its own (see Rebase)
  // Stored beside the record, in the table `outbox`: of a run owned elsewhere what waits for its owner; of others, with
  // an upstream, what waits for that (read by Tables::find_for_fold alone).
  OutboxRow outbox;

  /// Its status, tags and end are this store's matter.
  [[nodiscard]] bool owned_here() const { return !foreign && !origin.received(); }
  /// Up to here this store and its upstream are alike, as far as this one knows.
  [[nodiscard]] uint64_t shared_sequence() const {
    return outbox.waits() ? outbox.base() : shared != 0 ? shared : sequence;
  }
};

/// That the record can be stored: ids, lengths, UTF-8, status; a foreign run has no document. kInvalidArgument,
/// kTooLarge, kInvalidUtf8.
Status check_run_record(const RunRecord& r);

/// That it does not name itself as its parent or root: kInvalidArgument. Apart, for stores may hold runs that do.
Status check_relatives(std::string_view id, std::string_view parent, std::string_view root);

/// One row of the table `outbox`. The layout stands in TABLES.md.
void append_outbox_row(std::string& out, const OutboxRow& row);
/// What goes behind joins what goes first.
Status join_behind(OutboxRow& row);
Result<OutboxRow> decode_outbox_row(std::string_view bytes);
void append_tombstone(std::string& out, const Tombstone& t);
Result<Tombstone> decode_tombstone(std::string_view bytes);

/// msgpack array; the encoding of TABLES.md, without `outbox`. `r` passes check_run_record.
void append_run_record(std::string& out, const RunRecord& r);
/// Whole input. kVersion: written by a newer version; kCorrupt: anything else that append_run_record cannot have
/// written. Lengths are checked against what remains before memory is taken.
Result<RunRecord> decode_run_record(std::string_view bytes);
/// All but the document, which is not looked at: for indexes, at a fraction of the cost.
Result<RunRecord> decode_run_record_head(std::string_view bytes);
/// What a listing asks for, where it stands in the bytes: cheaper still. Ids, lengths and UTF-8 are not checked.
struct RunRecordView {
  std::string_view id;
  uint64_t created_lsn = 0;
  uint64_t sequence = 0;
  RunStatus status = RunStatus::kExecuting;
  std::string_view task;
  std::string_view parent;
  std::string_view root;
  std::vector<std::string_view> tags;
  int64_t updated_us = 0;
  bool foreign = false;
};
/// Into `view`, whose memory is used again.
Status view_run_record(std::string_view bytes, RunRecordView& view);
/// The id alone.
Result<std::string_view> read_record_id(std::string_view bytes);

}  // namespace cairn::engine
