// What is stored of a run apart from its pending changes: one LMDB value, and the payload of start records.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/base/boxed.h"
#include "engine/diff/diff.h"
#include "engine/document/document.h"
#include "engine/records/run_details.h"
#include "engine/records/run_id.h"
#include "engine/records/run_status.h"
#include "engine/records/run_texts.h"

namespace cairn::engine {

/// Limits of a stored record. Longer input is kTooLarge at the call, kCorrupt where it is read.
inline constexpr size_t kTaskBytesMax = 1024;
inline constexpr size_t kTagsMax = 256;
inline constexpr size_t kTagBytesMax = 512;
inline constexpr size_t kErrorBytesMax = 4096;

/// For a run that came by sync: its owner, and which of the owner's states this store has.
struct Origin {
  std::array<uint8_t, 16> owner{};  // store id; zero: the run is this store's own
  uint64_t generation = 0;          // of the stream that brought it (sync/PROTOCOL.md)
  uint64_t life = 0;                // creation LSN of the run in the owner's store
  uint64_t sequence = 0;            // of the run in the owner's store
  [[nodiscard]] bool received() const { return owner != std::array<uint8_t, 16>{}; }
  bool operator==(const Origin&) const = default;
};

/// "the store 0a1b..". Zero is "the upstream itself": the store that answered owns the run.
std::string owner_text(const std::array<uint8_t, 16>& owner);

/// Through how many stores, one after the other, a change of a run owned elsewhere may pass. More mean a ring of
/// stores.
inline constexpr uint8_t kHopsMax = 15;

/// What waits to be sent upstream, stored next to the record. `diff.last` 0: nothing waits.
struct OutboxRow {
  uint64_t since_lsn = 0;     // of the first change in it; 0: recovered from staging
  int64_t since_us = 0;       // wall clock of that change; data only
  bool sends_status = false;  // status, tags and the like changed, or the run started: they are sent with the diff
  bool send_whole = false;    // the whole run is sent: the upstream asked for it, or this store decided so
  bool starts_empty = false;  // made when nothing waited: the first step of the diff changes nothing
  uint8_t hops = 0;           // of a run owned elsewhere: through how many stores the changes came, at most
  bool overwrite_upstream = false;  // sent whole it also replaces what others wrote upstream: a person decided so
  uint8_t texts = 0;                // of a run of this store: which of its texts go with it, as bits of TextKind
  Diff diff;
  // At most one row. A run that was never sent, and that others have begun to write: what was done to it since then. It
  // is sent in a later batch, as forms; `diff` is sent first, as its owner wrote it.
  std::vector<OutboxRow> later;
  [[nodiscard]] bool waits() const { return diff.last != 0; }
  /// Nothing of the run was ever sent, and the diff has its whole document.
  [[nodiscard]] bool is_first_send() const { return diff.base == 0 && diff.replace && !send_whole && !starts_empty; }
  /// The next change is folded onto this one.
  [[nodiscard]] const Diff& newest() const { return later.empty() ? diff : later[0].diff; }
  [[nodiscard]] uint64_t last() const { return newest().last; }
  /// The sequence up to which the upstream has the run, as far as this store knows.
  [[nodiscard]] uint64_t base() const { return diff.base + (starts_empty ? 1 : 0); }
};

/// Queues these texts of the run, in the row that its newest change waits in. Nothing waits: nothing is queued.
void queue_texts(OutboxRow& row, uint8_t kinds);

/// What is kept of an erased run: it is to be erased upstream too.
struct Tombstone {
  uint64_t created_lsn = 0;
  uint64_t sequence = 0;
  uint64_t since_lsn = 0;
  int64_t since_us = 0;
};

/// The highest sequence that a run may have when it comes from outside, by an import or an answer. It leaves room for
/// changes after that.
inline constexpr uint64_t kSequenceMax = uint64_t{1} << 62;

/// The session of a run on which no process works: it was triggered, and belongs to the store until it is resumed.
inline constexpr uint64_t kSessionOfNone = UINT64_MAX;

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
  int64_t finished_us = 0;    // 0: not finished
  bool foreign = false;       // owned elsewhere: no document here
  std::string error;          // why it failed; empty: it did not, or no reason was given
  Boxed<RunDetails> details;  // most runs have none
  Document document;
  Origin origin;
  bool others_write = false;  // another store than its owner has written here: absolute values of the owner are refused
  bool ships_forms = false;   // the upstream asked for it: forms are sent, not values
  uint64_t shared = 0;        // if nothing waits: the sequence of this state upstream; 0: the same as here (see Rebase)
  // Stored next to the record, in the table `outbox`. For a run owned elsewhere: what waits for its owner. For others,
  // if there is an upstream: what waits for that (only Tables::find_for_fold reads it).
  OutboxRow outbox;
  // Stored next to the record, in the table `texts`. Only those that the tables lack yet, or are to get; null: none.
  std::shared_ptr<const RunTexts> texts;

  /// This store decides its status, tags and end.
  [[nodiscard]] bool owned_here() const { return !foreign && !origin.received(); }
  /// Unfinished, owned by this store, and of a session that is over. Computed, never stored.
  [[nodiscard]] bool is_orphaned(uint64_t now) const {
    return !is_final(status) && session != now && session != kSessionOfNone && owned_here();
  }
  /// The sequence up to which this store and its upstream are equal, as far as this one knows.
  [[nodiscard]] uint64_t shared_sequence() const {
    return outbox.waits() ? outbox.base() : shared != 0 ? shared : sequence;
  }
};

/// Checks that the record can be stored: ids, lengths, UTF-8, status; a foreign run has no document. kInvalidArgument,
/// kTooLarge, kInvalidUtf8.
Status check_run_record(const RunRecord& r);

/// Checks that the run does not name itself as its parent or root: kInvalidArgument. A separate check, because existing
/// stores may hold such runs.
Status check_relatives(std::string_view id, std::string_view parent, std::string_view root);

/// One row of the table `outbox`. TABLES.md has the layout.
void append_outbox_row(std::string& out, const OutboxRow& row);
/// Folds the later row into the first one.
Status join_later(OutboxRow& row);
Result<OutboxRow> decode_outbox_row(std::string_view bytes);
void append_tombstone(std::string& out, const Tombstone& t);
Result<Tombstone> decode_tombstone(std::string_view bytes);

/// Appends the msgpack array of TABLES.md, without `outbox`. `r` must pass check_run_record.
void append_run_record(std::string& out, const RunRecord& r);
/// Decodes all of `bytes`. kVersion: written by a newer version; kCorrupt: anything else that append_run_record cannot
/// have written. Lengths are checked against the rest of the input before memory is allocated.
Result<RunRecord> decode_run_record(std::string_view bytes);
/// Decodes all but the document, which is not read: for indexes, at a fraction of the cost.
Result<RunRecord> decode_run_record_head(std::string_view bytes);
/// The fields that a listing needs, as views into the bytes: cheaper still. Ids, lengths and UTF-8 are not checked.
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
/// Decodes into `view`, whose memory is reused.
Status view_run_record(std::string_view bytes, RunRecordView& view);
/// Reads only the id.
Result<std::string_view> read_record_id(std::string_view bytes);
/// The bytes of the document, and whatever follows it: nothing, in a record that decodes.
Result<std::string_view> read_record_document(std::string_view bytes);

}  // namespace cairn::engine
