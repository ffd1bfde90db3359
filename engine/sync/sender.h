// The sending side of the protocol as a state machine: the caller asks it for bytes and gives it answers and times. It
// does no input or output, except on the store's tables. A transport carries the bytes, or a test.
//
//   next() -> bytes -> (transport) -> feed(answer) or failed()
//
// One message is under way at a time. A message that is sent again is the same, byte for byte. Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/about.h"
#include "engine/sync/backoff.h"
#include "engine/sync/batch.h"
#include "engine/sync/documents.h"
#include "engine/sync/following.h"
#include "engine/sync/message.h"
#include "engine/sync/outbox.h"
#include "engine/sync/reply.h"

namespace cairn::engine::sync {

/// Of SenderOptions, where nobody says another one.
inline constexpr int64_t kPollIntervalMs = 5000;

struct SenderOptions {
  FreezeLimits limits;
  int64_t interval_ms = 1000;   // between the beginnings of two batches, while less than a full batch waits
  uint64_t bytes_per_s = 0;     // 0: no bound
  uint64_t requests_per_s = 0;  // 0: no bound
  // While runs are unfinished and nothing is to be sent, the upstream is asked this often whether others wrote them; 0
  // and nothing: never, and it is not asked to name them in its replies.
  std::optional<int64_t> poll_interval_ms;
  // Whoever drives this sender does so as long as the store is open: the upstream is told how often it asks, and may
  // take silence for the end of its process. False: it comes and goes, as a command does.
  bool stays = false;
  std::optional<About> about;  // what it tells of itself; nothing: what Host::about says
  // What may wait for the upstream. Beyond either bound new runs are refused; existing runs go on, and are folded.
  uint64_t unsynced_runs_max = 0;  // 0: no bound
  int64_t unsynced_ms_max = 0;     // of the oldest change, by the wall clock; 0: no bound
  bool drop_finished = false;      // beyond the bounds retention also erases finished runs that the upstream lacks
};

/// Why a message has no answer.
enum class Failure : uint8_t {
  kTransient,  // time-out, refused, reset, 408, 425, 429, 5xx: the same message is sent again
  kTooLarge,   // 413 without an answer of the protocol
  kDenied,     // 401, 403: sent again after 5 to 300 s, or when resume() says that there is another token
  kProtocol,   // anything else: what answers is not a receiver of this protocol, or of another version
};

class Sender {
 public:
  /// What the store does for it.
  struct Host {
    std::function<Status(uint64_t* lsn)> fold;  // folds the durable log into the tables, up to `lsn`
    std::function<void(const std::string& id, uint64_t last)> taken;  // see Outbox::freeze()
    std::function<Status()> expect_documents;  // folds all that waits, before several calls of take_document
    std::function<Result<bool>(const Documents::Run& run)> take_document;  // of a pull; false: it is not newer
    std::function<Status()> keep_documents;  // makes the documents that were taken durable
    // The upstream's state of a run that was asked for. `late`: it may be older than one that was taken. False: it could
    // not be taken now.
    std::function<bool(const Documents::Run& run, bool late)> refreshed;
    // What of the upstream's states of this run was seen last: Documents::Run::life and version.
    std::function<std::pair<uint64_t, uint64_t>(const std::string& id)> seen;
    std::function<About()> about;  // which store of which machine this is
    std::function<uint64_t()> random;
  };
  Sender(Outbox& outbox, Tables& tables, SenderOptions options, Host host);

  /// The bytes to deliver now; empty: nothing to send now, or a message is under way. They live until the next call.
  Result<std::string_view> next(int64_t now_ms);
  /// Takes the answer to the last message. A malformed answer counts as failed(kProtocol), and kOk is returned. Errors:
  /// those of the tables and of Host; the same message is given again.
  Status feed(std::string_view bytes, int64_t now_ms);
  /// The message got no answer. `retry_after_ms`: the pause that the other side asked for; 0: it did not. During the
  /// pause after a denial, kDenied only replaces its text.
  Status failed(Failure failure, const std::string& text, int64_t retry_after_ms, int64_t now_ms);
  [[nodiscard]] bool under_way() const { return under_way_ != MessageKind::kUnknown; }
  /// When next() may give a message again; INT64_MAX: no such time, ask when something changes.
  [[nodiscard]] int64_t next_due(int64_t now_ms) const;

  /// The message under way went to another upstream: forgets it, its answer is ignored.
  void give_up();
  /// Used from the next batch on.
  void set_options(const SenderOptions& options) { options_ = options; }
  /// The next batch need not wait for the interval.
  void hurry() { hurry_ = true; }
  void pause() { paused_ = true; }
  /// Ends a pause, and the wait after a failure or a denial: next() may give a message at once.
  void resume();
  /// One of the next messages asks the upstream for the document of this run.
  void refresh(std::string id) { refreshes_.push_back(std::move(id)); }

  [[nodiscard]] const SenderOptions& options() const { return options_; }
  [[nodiscard]] bool paused() const { return paused_; }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }
  [[nodiscard]] Failure last_failure() const { return last_failure_; }
  [[nodiscard]] uint64_t failures() const { return failures_; }
  /// Nothing that can be sent was waiting when a batch was last made; the log may hold more.
  [[nodiscard]] bool idle() const { return idle_ && !under_way() && outbox_.in_flight().empty(); }

 private:
  Status handle_answer(std::string_view answer, int64_t now_ms);
  Status answer_batch(const Reply& reply, int64_t now_ms);
  Status answer_question(const Documents& documents, int64_t now_ms);
  [[nodiscard]] int64_t batch_due(int64_t now_ms) const;
  [[nodiscard]] bool may_ask_unseen() const;
  Status ask(const std::vector<std::string>& ids, bool if_newer);
  Status ask_for_newer();
  Status ask_refreshed();
  Status ask_before_sending();
  [[nodiscard]] uint64_t promised_interval_ms() const;
  Status ask_unseen(int64_t now_ms);
  Status freeze(int64_t now_ms);
  void done();
  void drop_message();
  void wait(int64_t ms, int64_t now_ms);

  Outbox& outbox_;
  Tables& tables_;
  SenderOptions options_;
  const Host host_;

  MessageKind under_way_ = MessageKind::kUnknown;
  std::string question_;
  std::vector<std::string> asked_;
  uint64_t asked_number_ = 0;
  enum class Asked : uint8_t { kRefresh, kPull, kUnseen };
  Asked asked_for_ = Asked::kRefresh;
  std::vector<std::string> refreshes_;
  Following following_;
  std::optional<int64_t> wants_to_ask_ms_;  // since when, while batches go first

  Backoff backoff_;
  int64_t not_before_ms_ = 0;
  int64_t last_freeze_ms_ = 0;
  bool frozen_once_ = false;
  bool denied_ = false;
  int64_t denied_wait_ms_ = 0;  // after the last denial; 0: none since a success, or since resume()
  bool paused_ = false;
  bool hurry_ = false;
  bool idle_ = false;
  bool more_ = false;  // the last batch was full
  std::string_view sent_;
  int refused_ = 0;  // how often the upstream could not read these bytes, or a proxy called them too large
  Backoff backlog_backoff_;
  int64_t backlog_due_ms_ = 0;
  Backoff gap_backoff_;
  int gaps_ = 0;  // answers kGap, each with fewer than kCalmBatches acknowledged since the one before
  int acks_since_gap_ = 0;
  std::string last_error_;
  Failure last_failure_ = Failure::kTransient;
  uint64_t failures_ = 0;
};

}  // namespace cairn::engine::sync
