// The sender's side of Unseen: which runs to ask the upstream for because others may have written them, and when. It
// begins with all unfinished runs; from then on the upstream names those that others write.
#pragma once

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/question.h"
#include "engine/sync/unseen.h"
#include "engine/tables/tables.h"
#include "wal/function_ref.h"

namespace cairn::engine::sync {

class Following {
 public:
  /// What of a run at the upstream this store has seen: Documents::Run::life and version.
  using Seen = FunctionRef<std::pair<uint64_t, uint64_t>(const std::string& id)>;

  /// When there is something to ask: by names that wait, at most once in `interval_ms`; of all runs, or whether there
  /// are names, once in `poll_ms` (0: never).
  [[nodiscard]] int64_t due_ms(int64_t interval_ms, int64_t poll_ms) const;
  /// The same, but for the question whether there are names: that one waits until nothing is to be sent.
  [[nodiscard]] int64_t runs_due_ms(int64_t interval_ms, int64_t poll_ms) const;
  /// Puts into `question` what to ask now. False: nothing, for there is no unfinished run.
  Result<bool> ask(Tables& tables, const Seen& seen, int64_t now_ms, Question& question);
  /// The answer to the question. `answered`: of so many of its runs; the upstream wants to be asked again for the rest.
  /// `not_taken`: those whose state could not be taken over now.
  void answered(size_t answered, const Unseen& unseen, const std::vector<std::string>& not_taken, int64_t now_ms);
  /// The answer to a batch, or to a question for other reasons.
  void heard(const Unseen& unseen, int64_t now_ms);
  /// The question was refused. Bytes may be damaged on the way; an upstream that refuses it over and over does not know
  /// such questions, and is not asked again. Returns whether it may be asked again.
  bool refused() {
    refused_ = ++refusals_ > kRefusalsMax;
    return !refused_;
  }
  /// It is another upstream, or may be: all begins anew.
  void reset() { *this = Following(); }

 private:
  [[nodiscard]] int64_t names_due_ms(int64_t interval_ms) const;
  /// The next page of unfinished runs, and the cursor of each.
  struct Page {
    std::vector<std::string> ids;
    std::vector<std::string> cursors;
  };
  static Result<Page> unfinished(Tables& tables, const std::string& after, size_t most);
  void begin_again(uint64_t feed);
  void add_names(const Unseen& unseen);

  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  static constexpr int64_t kAtOnce = std::numeric_limits<int64_t>::min();
  static constexpr int kRefusalsMax = 3;
  bool refused_ = false;
  int refusals_ = 0;  // in a row
  uint64_t feed_ = 0;
  bool again_soon_ = false;  // the upstream began another feed
  bool all_asked_ = false;   // each unfinished run was asked for once, while the upstream had this feed
  std::string all_after_;    // unfinished runs up to this cursor were
  std::set<std::string> names_;
  std::string last_name_;             // the last that was asked for
  std::vector<std::string> asked_;    // by the question under way
  std::vector<std::string> cursors_;  // of those, if asked_all_
  bool asked_all_ = false;            // those are of the walk over all unfinished runs, and not names
  bool asked_last_ = false;           // and its end
  int64_t asked_ms_ = kAtOnce;        // the last question
  int64_t names_asked_ms_ = kAtOnce;  // the last one about names
  int64_t heard_ms_ = kAtOnce;        // the last word about names
};

}  // namespace cairn::engine::sync
