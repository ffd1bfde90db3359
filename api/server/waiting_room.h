// The live requests that wait, found by the runs that they follow; and the changes of the last looks at the storage, so
// that whoever comes back at once gets what it has missed.
//
// Invariants:
// - A request that waits has, in `after` and `rows` together, each change of its runs up to changes().upto(); or it is
//   marked to come again. So whoever enters must have been checked against all of that.
// - What changes() has, has the parts() of each run, and so the parts that anybody here shows.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "api/http/answer.h"
#include "api/server/recent_changes.h"
#include "api/server/run_storage.h"
#include "api/server/shape_request.h"

namespace cairn::server {

using SubscriptionClock = std::chrono::steady_clock;

struct Waiting {
  ShapeRequest request;
  http::Answer answer;
  Position after;                             // what the client has when it has `rows` too
  SubscriptionClock::time_point ready;        // before that it gets nothing
  SubscriptionClock::time_point deadline;     // then it is answered without a change
  SubscriptionClock::time_point due;          // one of the two
  std::map<std::string, ChangedRunPtr> rows;  // by run
  std::string other_life;                     // which the run that it follows has now; empty: the one that it had
  bool come_again = false;                    // what changed for it is not known
};

/// Threads: one at a time.
class WaitingRoom {
 public:
  /// From now on changes have these parts; what was there without them is forgotten. Whoever wants to enter says so
  /// before.
  void want(unsigned parts);
  /// What changes must have that are added.
  [[nodiscard]] unsigned parts() const { return parts_; }

  /// Lets it wait if changes() says what changed for it since `after`; else it stays as it is.
  bool enter_if_known(Waiting& waiting);
  /// Lets it wait. It was checked against the storage, when changes() were there up to `began` at least, and has what
  /// was found.
  void enter(Waiting waiting, uint64_t began);

  void add(const std::vector<ChangedRunPtr>& rows, Position upto);
  /// What changed up to `at` is not known: all who wait come again.
  void restart(Position at);

  /// Those who leave have in `after` what the client has with their rows.
  std::vector<Waiting> take_due(SubscriptionClock::time_point now);
  std::vector<Waiting> take_all();
  /// Those whose clients went away. Also parts() that nobody here shows, nor has since the last call, are wanted no
  /// more.
  std::vector<Waiting> take_gone();

  [[nodiscard]] const RecentChanges& changes() const { return changes_; }
  [[nodiscard]] size_t size() const { return waiting_.size(); }
  /// When the first of them is to leave; the clock's maximum: nobody is here.
  [[nodiscard]] SubscriptionClock::time_point next_due() const;

 private:
  void offer(Waiting& waiting, const ChangedRunPtr& row) const;
  void offer_to_all(const ChangedRunPtr& row);
  void move_on(Waiting& waiting) const;
  void set_due(uint64_t id, Waiting& waiting);
  Waiting take(uint64_t id);

  RecentChanges changes_;
  unsigned parts_ = kHeadOnly;
  unsigned lately_ = kHeadOnly;  // wanted, or shown by who left, since the last take_gone()
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, Waiting> waiting_;
  std::unordered_map<std::string, std::unordered_set<uint64_t>> index_;
  std::set<std::pair<SubscriptionClock::time_point, uint64_t>> by_due_;
};

}  // namespace cairn::server
