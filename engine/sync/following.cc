#include "engine/sync/following.h"

#include <algorithm>
#include <memory>

#include "engine/records/run_query.h"

namespace cairn::engine::sync {

namespace {

constexpr size_t kAskedAtOnce = 1000;
constexpr size_t kNamesMax = 20'000;  // an upstream keeps half of that for one owner

int64_t after(int64_t ms, int64_t wait_ms) { return ms == std::numeric_limits<int64_t>::min() ? ms : ms + wait_ms; }

}  // namespace

int64_t Following::names_due_ms(int64_t interval_ms) const {
  return names_.empty() ? kNever : after(names_asked_ms_, interval_ms);
}

int64_t Following::runs_due_ms(int64_t interval_ms, int64_t poll_ms) const {
  if (poll_ms == 0 || refused_) {
    return kNever;
  }
  if (!all_asked_) {
    return !all_after_.empty() ? kAtOnce : after(asked_ms_, again_soon_ ? interval_ms : poll_ms);
  }
  return names_due_ms(interval_ms);
}

int64_t Following::due_ms(int64_t interval_ms, int64_t poll_ms) const {
  const int64_t runs = runs_due_ms(interval_ms, poll_ms);
  return poll_ms == 0 || refused_ ? kNever : std::min(runs, after(std::max(asked_ms_, heard_ms_), poll_ms));
}

// By the index of statuses, so what is finished costs nothing; the one that changed longest ago first, so that one that
// changes meanwhile is still to come.
Result<Following::Page> Following::unfinished(Tables& tables, const std::string& after, size_t most) {
  RunQuery query;
  query.statuses = kAllStatuses & ~final_statuses();
  query.order = RunOrder::kOldestFirst;
  query.limit = most;
  query.cursor = after;
  CAIRN_TRY_ASSIGN(auto&& page, RunPage::make(query));
  {
    CAIRN_TRY_ASSIGN(auto&& snapshot, tables.snapshot());
    CAIRN_TRY(snapshot->select(page, [](std::string_view /*id*/) { return false; }));
  }
  bool more = false;
  Page out;
  for (const RunPage::Entry& entry : page.take(more)) {
    out.ids.push_back(entry.record.id);
    out.cursors.push_back(encode_cursor(query, position_of(query, entry.record)));
  }
  return out;
}

Result<bool> Following::ask(Tables& tables, const Seen& seen, int64_t now_ms, Question& question) {
  asked_ms_ = now_ms;
  asked_.clear();
  asked_all_ = !all_asked_;
  if (asked_all_) {
    CAIRN_TRY_ASSIGN(auto&& page, unfinished(tables, all_after_, kAskedAtOnce));
    asked_ = std::move(page.ids);
    cursors_ = std::move(page.cursors);
    asked_last_ = asked_.size() < kAskedAtOnce;
    if (asked_.empty() && all_after_.empty()) {
      return false;
    }
  } else if (!names_.empty()) {
    names_asked_ms_ = now_ms;
    // On from where the last one ended: none waits for ever.
    for (auto at = names_.upper_bound(last_name_); asked_.size() < std::min(names_.size(), kAskedAtOnce); ++at) {
      at = at == names_.end() ? names_.begin() : at;
      asked_.push_back(*at);
    }
    last_name_ = asked_.back();
  } else {
    CAIRN_TRY_ASSIGN(auto&& some, unfinished(tables, {}, 1));
    if (some.ids.empty()) {
      return false;
    }
  }
  question.follows = true;
  for (const std::string& id : asked_) {
    // What was seen may have been another upstream's, or have been lost by this one: a walk asks for all that others
    // wrote.
    const auto [life, version] = asked_all_ ? std::pair<uint64_t, uint64_t>() : seen(id);
    Question::Run& run = question.runs.emplace_back();
    run.id = id;
    run.if_unseen = true;
    run.seen_life = life;
    run.seen_version = version;
  }
  return true;
}

void Following::begin_again(uint64_t feed) {
  feed_ = feed;
  all_asked_ = false;
  all_after_.clear();
  names_.clear();
}

void Following::answered(size_t answered, const Unseen& unseen, const std::vector<std::string>& not_taken,
                         int64_t now_ms) {
  refusals_ = 0;
  if (unseen.feed != feed_) {
    const bool first_page = asked_all_ && all_after_.empty();
    begin_again(unseen.feed);
    if (!first_page) {
      again_soon_ = true;  // what this question did not ask for may have been written before the feed began
      return;
    }
  }
  again_soon_ = false;
  heard_ms_ = now_ms;
  if (asked_all_ && !all_asked_) {
    all_after_ = answered > 0 ? cursors_[answered - 1] : all_after_;
    all_asked_ = asked_last_ && answered == asked_.size();
  }
  for (size_t i = 0; i < answered; ++i) {
    names_.erase(asked_[i]);
  }
  names_.insert(not_taken.begin(), not_taken.end());
  add_names(unseen);
}

void Following::add_names(const Unseen& unseen) {
  names_.insert(unseen.runs.begin(), unseen.runs.end());
  if (names_.size() > kNamesMax) {
    begin_again(0);
  }
}

void Following::heard(const Unseen& unseen, int64_t now_ms) {
  if (unseen.feed != feed_ || unseen.feed == 0) {
    begin_again(0);
    return;
  }
  heard_ms_ = now_ms;
  add_names(unseen);
}

}  // namespace cairn::engine::sync
