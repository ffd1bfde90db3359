// What keeps the runs that the routes serve. The store is one (api/server/run_store.h); a database behind several
// servers can be another. So nothing here is the property of one process: no handle, no pointer, no place in a log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cairn/status.h"
#include "engine/base/error_detail.h"
#include "engine/document/operation.h"
#include "engine/records/home_store.h"
#include "engine/records/run_status.h"

namespace cairn::server {

/// A payload or an output: its bytes, and what they are ("application/json").
struct TypedText {
  std::string type;
  std::string text;
  bool operator==(const TypedText&) const = default;
};

/// Limits of what is kept; longer is kTooLarge.
inline constexpr size_t kPayloadBytesMax = 256u << 10;
inline constexpr size_t kOutputBytesMax = 256u << 10;
inline constexpr size_t kTypeBytesMax = 128;  // of a TypedText
inline constexpr size_t kTriggerTagsMax = 10;
inline constexpr size_t kBatchRunsMax = 1000;
inline constexpr size_t kIdempotencyKeyBytesMax = 2048;
/// For so long a request is known again by its RequestKey, at least.
inline constexpr int64_t kRequestKeptUs = 600'000'000;

/// What is read of a run beside what it always has.
enum Parts : unsigned {
  kHeadOnly = 0,
  kMetadata = 1,
  kPayload = 2,
  kOutput = 4,
  kSeed = 8,        // the metadata that it was triggered with
  kRelatives = 16,  // parent, root and children, with their metadata
  kForeign = 32     // also a run that is owned elsewhere, of which there is only the head here
};

/// Times are wall clock, microseconds since 1970, UTC; 0: there is none.
struct RunView {
  std::string id;
  std::string life;       // tells the run from an earlier or later one of this id
  uint64_t sequence = 0;  // each change of the run makes it larger
  engine::RunStatus status = engine::RunStatus::kQueued;
  std::string task;
  std::string parent;  // empty: none
  std::string root;    // empty: none
  std::vector<std::string> tags;
  bool orphaned = false;  // unfinished, and the process that ran it is gone
  bool foreign = false;   // owned elsewhere, with only the head here: the status is not known
  int64_t created_us = 0;
  int64_t updated_us = 0;
  int64_t queued_us = 0;
  int64_t started_us = 0;
  bool began_with_start = false;  // a program started it itself: it never was queued, and began when it was created
  int64_t finished_us = 0;
  int64_t delayed_until_us = 0;
  std::string ttl;  // as it was given: "10m"
  bool is_test = false;
  engine::TriggerFunction function = engine::TriggerFunction::kTrigger;
  std::string batch;
  uint32_t batch_index = 0;
  std::string idempotency_key;
  uint32_t depth = 0;
  std::string error;  // why it failed
  std::string owner;  // who decides its status, tags and end, as a text for people; empty: this storage
  std::shared_ptr<const engine::HomeStore> home = nullptr;  // the store that it came from; null: this storage

  // Only what was asked for.
  std::string metadata;  // JSON text of an object; empty: it has none, or an empty one
  std::optional<TypedText> payload;
  std::optional<TypedText> output;
  std::optional<std::string> seed;            // JSON text of an object; none: it was triggered without metadata
  std::shared_ptr<const RunView> parent_run;  // null: none, or not here
  std::shared_ptr<const RunView> root_run;
  std::vector<RunView> children;  // at most kChildrenMax, newest first
};
inline constexpr size_t kChildrenMax = 100;

// --- changes ---

/// A new run. The storage makes its id.
struct Trigger {
  std::string task;
  std::optional<TypedText> payload;
  std::optional<std::string> metadata;  // JSON text of an object, also kept as the seed
  std::vector<std::string> tags;        // each once
  std::string parent;                   // empty: none. One that is not here is a run of another store
  int64_t delayed_until_us = 0;         // in the future: the run is DELAYED, else QUEUED
  std::string ttl;
  int64_t ttl_us = 0;  // how long it may be QUEUED before it is EXPIRED; 0: for ever
  bool is_test = false;
  engine::TriggerFunction function = engine::TriggerFunction::kTrigger;
  std::string idempotency_key;       // empty: none. Unique within the task
  int64_t idempotency_until_us = 0;  // from then on it is unknown
};

/// All of it happens, or nothing. An operation that does not apply to what is there changes nothing, and the next ones
/// go on.
struct MetadataUpdate {
  std::string run;
  std::vector<engine::Operation> operations;
  std::vector<engine::Operation> parent_operations;  // on the run itself if it has no parent
  std::vector<engine::Operation> root_operations;
  int64_t late_us = 0;  // a run that finished longer ago is refused
};

struct StatusChange {
  std::string run;
  std::optional<engine::RunStatus> from;  // refused unless the run has this status
  engine::RunStatus to = engine::RunStatus::kExecuting;
  std::string error;                 // with a final status: why
  std::optional<TypedText> output;   // with a final status
  bool survives_power_loss = false;  // when it is answered, however the storage is set up
};

/// A finished run stays as it is.
struct Cancel {
  std::string run;
};

struct AddTags {
  std::string run;
  std::vector<std::string> tags;
};

/// Of a run that is DELAYED.
struct Reschedule {
  std::string run;
  int64_t delayed_until_us = 0;
};

/// The next trigger with this key makes a run.
struct ResetIdempotencyKey {
  std::string task;
  std::string key;
};

// What the commands of `cairn` do, as they do it to a store of their own. All of it survives a loss of power when it is
// answered, and what is refused is in Written::failure, in the words of the engine.

/// A run that a program begins at once: it is EXECUTING.
struct StartRun {
  std::string id;  // empty: the storage makes one
  std::string task;
  std::string parent;
  std::string root;
  std::vector<std::string> tags;
  std::optional<engine::Object> metadata;
  bool resume = false;  // an unfinished run of this id is taken up instead, and stays as it is
};

/// Takes up an unfinished run: it is EXECUTING.
struct ResumeRun {
  std::string run;
};

/// Operations on runs, on their parents and on their roots. A run that the storage's last process left is taken up.
struct RunOperations {
  enum class Of : uint8_t { kRun, kParent, kRoot };  // that of a run without one is the run itself
  struct Part {
    std::string run;
    std::vector<engine::Operation> operations;
    Of of = Of::kRun;
  };
  std::vector<Part> parts;
  /// All or none, and only the result counts against the limit. Else there is one part: an operation that does not apply
  /// changes nothing, one that fails otherwise ends it, and those before it stay.
  bool atomic = false;
};

struct EraseRun {
  std::string run;
  std::optional<uint64_t> sequence;  // only if the run is there
};

using Change = std::variant<Trigger, MetadataUpdate, StatusChange, Cancel, AddTags, Reschedule, ResetIdempotencyKey,
                            StartRun, ResumeRun, RunOperations, EraseRun>;

/// What makes a request count once. It becomes durable in the commit of the effect, and a restart keeps it.
struct RequestKey {
  std::string request;  // the route with its ids, and the key that the client gave the request; empty: none
  // A digest of a token that is good for one effect; empty: none. With a batch that effect is its items too.
  std::string once_token;
  int64_t once_until_us = 0;
};

/// Why nothing was done. It is final: the same request again gets the same.
enum class Refused : uint8_t {
  kNo,
  kNoSuchRun,
  kNoSuchBatch,
  kNoSuchKey,
  kFinished,        // the run was finished, and too long ago
  kOtherSequence,   // the run has changed since
  kOtherStatus,     // the run has not the status that was asked for, or one that it never leaves; `status` says which
  kOwnedElsewhere,  // `reason` names the owner
  kTokenUsed,
  kTooManyTags,
  kTooLarge,    // the metadata; `bytes_max` is the limit
  kBadRequest,  // `reason` says what
  kFailed,      // `failure` says why
};

struct Written {
  Refused refused = Refused::kNo;
  std::string reason;
  size_t bytes_max = 0;
  engine::RunStatus status = engine::RunStatus::kQueued;
  bool repeated =
      false;       // the request or the idempotency key was known: nothing was done, and the rest is as it was then
  std::string id;  // of the run
  bool cached = false;   // of a trigger: the idempotency key had this run
  std::string metadata;  // of a MetadataUpdate: as it is now
  size_t tags_added = 0;

  engine::ErrorDetail failure;     // of kFailed
  size_t failed_index = SIZE_MAX;  // of RunOperations that failed: which one, through all parts
  // Of RunOperations that are not atomic: what became of each, also of those before the one that failed.
  std::vector<engine::Outcome> outcomes;
  struct Part {
    std::string run;  // also where a part was of a parent or root
    uint64_t sequence = 0;
    bool accepted = false;  // the run is owned elsewhere, and gets the operations there
  };
  std::vector<Part> parts;  // of RunOperations: one for each part
};

// --- batches ---

struct BatchCreate {
  size_t runs = 0;  // 1 to kBatchRunsMax
  std::string parent;
  bool waits = false;           // the runs are of kBatchTriggerAndWait
  std::string idempotency_key;  // empty: none. Unique among batches
  int64_t idempotency_until_us = 0;
};

/// One run an index, ever: an index that has one keeps it. A batch is sealed when each index has its run.
struct BatchItems {
  std::string batch;
  struct Item {
    size_t index = 0;
    Trigger trigger;  // function and parent are the batch's
  };
  std::vector<Item> items;
};

struct BatchGet {
  std::string batch;
};

using BatchCall = std::variant<BatchCreate, BatchItems, BatchGet>;

struct BatchView {
  Refused refused = Refused::kNo;
  std::string reason;
  size_t bytes_max = 0;
  size_t refused_index = 0;  // of BatchItems: what was before it is taken
  std::string id;
  bool cached = false;  // of BatchCreate: the idempotency key had this batch. A repeated request gets the first answer
  std::string idempotency_key;
  int64_t created_us = 0;
  int64_t updated_us = 0;
  size_t run_count = 0;
  std::vector<std::pair<size_t, std::string>> runs;  // index and run, by index
  bool sealed = false;
  bool all_final = false;   // sealed, and each run is finished
  size_t accepted = 0;      // of BatchItems
  size_t deduplicated = 0;  // of BatchItems: the index had a run
};

// --- reading ---

/// How a value of the metadata is compared. As numbers if both are, else as texts: a text as it stands, anything else as
/// its JSON.
enum class Comparison : uint8_t {
  kIs,  // the same text, or the same JSON value; never an object or a list
  kEqual,
  kUnequal,  // also where there is no such key; the others hold only where there is one
  kLess,
  kAtMost,
  kGreater,
  kAtLeast,
  kContains
};

struct MetadataTerm {
  std::string path;  // "user.id"; "$." in front may be left out, of kIs it must
  Comparison how = Comparison::kIs;
  std::string value;
  bool is_text = false;  // never a number
};

/// A run must match each field that is set. Of statuses, tasks, tags and batches it must match one.
struct RunFilter {
  std::vector<engine::RunStatus> statuses;
  std::vector<std::string> tasks;
  std::vector<std::string> tags;
  std::vector<std::string> batches;
  std::optional<bool> is_test;
  std::optional<int64_t> created_from_us;  // inclusive; only in an order by creation
  std::optional<int64_t> created_to_us;    // inclusive; likewise
  std::vector<MetadataTerm> metadata;      // all of them
  std::vector<std::string> all_tags;       // the run has each of them
  std::string parent;
  std::string root;
  std::string from;  // it came from a store on this host, or from one whose id begins so
  std::string text;  // is in the id, the task, a tag or the JSON text of the metadata; A-Z equals a-z
  std::optional<int64_t> updated_from_us;  // inclusive
  std::optional<int64_t> updated_to_us;    // exclusive
  bool foreign = false;                    // also runs of RunView::foreign; they match no status
};

/// By creation, by the last update, or by id. Only the first one goes backwards.
enum class Order : uint8_t { kCreatedNewestFirst, kNewestFirst, kOldestFirst, kId };

/// Where a page begins: after, or before, the run that `text` stands for. Empty: at the start. Opaque.
struct Cursor {
  std::string text;
  bool backwards = false;  // the runs just before it, still in the order of the listing
};

struct Page {
  std::vector<RunView> runs;  // with metadata
  std::string next;           // empty: there is no more
  std::string previous;       // empty: there is nothing before
};

/// How many runs match a filter.
struct Counts {
  uint64_t runs = 0;  // those of RunView::foreign included
  uint64_t foreign = 0;
  uint64_t orphaned = 0;
  std::map<engine::RunStatus, uint64_t> by_status;  // without those of RunView::foreign
  std::map<std::string, uint64_t> by_task;          // without runs of no task
  std::map<std::string, uint64_t> by_tag;
};

// --- watching ---

/// Which runs a subscription follows.
struct Shape {
  enum class Kind : uint8_t { kAll, kRun, kTags, kBatch };
  Kind kind = Kind::kAll;
  std::string id;                 // of the run, or the batch
  std::vector<std::string> tags;  // the run has all of them; none: any run
  int64_t created_from_us = 0;    // of kTags: the run was created then or later
};

/// How much of the changes a subscription has. Numbers count within one feed only. All sets have the same feed.
struct Position {
  std::string feed;     // opaque, [A-Za-z0-9_.-]: of one run, its life; of a set, the changes that the storage knows
  uint64_t number = 0;  // of one run, its sequence
  // Of a set that was read in part: opaque, [A-Za-z0-9_.:-], where it goes on. Empty: all was read.
  std::string rest = {};
  bool operator==(const Position&) const = default;
};

/// How much is read of what changed.
struct Extent {
  unsigned parts = kHeadOnly;  // of each run: kMetadata, kPayload, kOutput. Of another part nothing is read
  size_t runs_max = 1;
  size_t bytes_max = SIZE_MAX;  // of their texts: the run that reaches it is the last
};

/// What these parts of a run count for against Extent::bytes_max.
inline size_t bytes_of_texts(const RunView& run, unsigned parts) {
  return ((parts & kMetadata) != 0 ? run.metadata.size() : 0) +
         ((parts & kPayload) != 0 && run.payload ? run.payload->text.size() : 0) +
         ((parts & kOutput) != 0 && run.output ? run.output->text.size() : 0);
}

struct Changes {
  bool reset = false;         // the feed is not known any more, or what came after the position: begin anew
  bool found = true;          // of one run or a batch: it is there
  std::vector<RunView> rows;  // each run once, as it is now, with the parts that were asked for
  // Of a set since a position: where in the feed each of `rows` changed last. Who looks for many tells by it which of
  // them have it.
  std::vector<uint64_t> numbers;
  // Of kAll since a position: the runs that were erased, and where in the feed.
  std::vector<std::pair<std::string, uint64_t>> erased;
  Position next;         // everything up to here is in `rows`, or was before
  bool complete = true;  // false: there is more after `next`
};

/// Calls may block; made on the threads of handlers, several at once. A Status that is not ok is trouble that passes
/// (503): what is wrong with a request is in Refused, and a malformed cursor is kInvalidArgument.
class RunStorage {
 public:
  virtual ~RunStorage() = default;

  /// All or nothing, durable as the storage is set up when it returns.
  virtual Result<Written> write(const Change& change, const RequestKey& key) = 0;
  virtual Result<BatchView> batch(const BatchCall& call, const RequestKey& key) = 0;

  /// nullopt: there is no such run.
  virtual Result<std::optional<RunView>> find(std::string_view id, unsigned parts) = 0;
  /// kInvalidArgument: the cursor is none, or of other filters or another order; a range of times that ends before it
  /// begins; an id that none can be.
  virtual Result<Page> list(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit) = 0;
  /// How many runs name it as their parent.
  virtual Result<uint64_t> count_children(std::string_view id) = 0;
  /// Cost: of a look at each run that the filter's index has; a text or a term on the metadata reads its document.
  virtual Result<Counts> count(const RunFilter& filter) = 0;

  /// Without `after`: all of the shape as it is now, the newest first, at most runs_max of them. If bytes_max cuts it,
  /// next.rest says where it goes on: whoever asks again after `next` gets more of it, and when all was read, what
  /// changed since it began. Else what changed since.
  virtual Result<Changes> changes(const Shape& shape, const std::optional<Position>& after, const Extent& extent) = 0;
  /// `hint` is called, from any thread, when something may have changed. It may also be called for nothing, or not at
  /// all: who waits for changes asks once a second as well. An empty one ends it: when this returns, no call is under
  /// way.
  virtual void on_change(std::function<void()> hint) = 0;

  /// Ends delays and times to live that are over: a DELAYED run becomes QUEUED, a QUEUED one EXPIRED. Returns when the
  /// next one is due, wall clock in microseconds; INT64_MAX: none.
  virtual Result<int64_t> keep_time(int64_t now_us) = 0;

  /// A name of what is kept here, for tokens and handles: the same for all servers of one storage, [A-Za-z0-9_.-].
  [[nodiscard]] virtual std::string name() const = 0;
};

}  // namespace cairn::server
