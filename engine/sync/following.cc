#include "engine/sync/following.h"

#include <algorithm>
#include <memory>

#include "engine/records/run_query.h"

namespace cairn::engine::sync {

namespace {

constexpr size_t kAskedAtOnce = 1000;

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

// In the order of ids, by the index of statuses: what is finished costs nothing.
Result<std::vector<std::string>> Following::unfinished(Tables& tables, const std::string& after, size_t most) {
  RunQuery query;
  query.statuses = kAllStatuses & ~final_statuses();
  query.order = RunOrder::kId;
  query.limit = most;
  if (!after.empty()) {
    query.cursor = encode_cursor(query, {0, after});
  }
  CAIRN_TRY_ASSIGN(auto&& page, RunPage::make(query));
  {
    CAIRN_TRY_ASSIGN(auto&& snapshot, tables.snapshot());
    CAIRN_TRY(snapshot->select(page, [](std::string_view /*id*/) { return false; }));
  }
  bool more = false;
  std::vector<std::string> ids;
  for (const RunPage::Entry& entry : page.take(more)) {
    ids.push_back(entry.record.id);
  }
  return ids;
}

Result<bool> Following::ask(Tables& tables, const Seen& seen, int64_t now_ms, Question& question) {
  asked_ms_ = now_ms;
  asked_.clear();
  asked_all_ = !all_asked_;
  if (asked_all_) {
    CAIRN_TRY_ASSIGN(asked_, unfinished(tables, all_after_, kAskedAtOnce));
    asked_last_ = asked_.size() < kAskedAtOnce;
    if (asked_.empty() && all_after_.empty()) {
      return false;
    }
  } else if (!names_.empty()) {
    names_asked_ms_ = now_ms;
    std::copy_n(names_.begin(), std::min(names_.size(), kAskedAtOnce), std::back_inserter(asked_));
  } else {
    CAIRN_TRY_ASSIGN(auto&& some, unfinished(tables, {}, 1));
    if (some.empty()) {
      return false;
    }
  }
  question.follows = true;
  for (const std::string& id : asked_) {
    const auto [life, version] = seen(id);
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

void Following::answered(size_t answered, const Unseen& unseen, int64_t now_ms) {
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
    all_after_ = answered > 0 ? asked_[answered - 1] : all_after_;
    all_asked_ = asked_last_ && answered == asked_.size();
  }
  for (size_t i = 0; i < answered; ++i) {
    names_.erase(asked_[i]);
  }
  names_.insert(unseen.runs.begin(), unseen.runs.end());
}

void Following::heard(const Unseen& unseen, int64_t now_ms) {
  if (unseen.feed != feed_ || unseen.feed == 0) {
    begin_again(0);
    return;
  }
  heard_ms_ = now_ms;
  names_.insert(unseen.runs.begin(), unseen.runs.end());
}

}  // namespace cairn::engine::sync
