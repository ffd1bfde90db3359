#include "engine/watch/watch.h"

#include <memory>
#include <utility>
#include <vector>

#include "engine/base/error_detail.h"

namespace cairn::engine {

Result<std::unique_ptr<Watch>> Watch::open(WatchSource& source, WatchOptions options) {
  if (!options.run.empty() && !valid_run_id(options.run)) {
    return fail(Code::kInvalidArgument, kRunIdRule, options.run.substr(0, 80));
  }
  std::unique_ptr<Watch> watch(new Watch(source, std::move(options)));
  watch->incarnation_ = source.incarnation();
  const WatchOptions& o = watch->options_;
  if (o.token.empty()) {
    watch->baseline_ = o.from_now;
    return watch;
  }
  const auto token = parse_watch_token(o.token);
  if (!token) {
    return fail(Code::kInvalidArgument, "the token was not given by a watch of this version: watch without one");
  }
  if (token->store_id != source.store_id()) {
    return fail(Code::kInvalidArgument, "the token is of another store: watch without one");
  }
  if (token->scope != watch_scope(o.run)) {
    return fail(Code::kInvalidArgument, "the token is of a watch of another run, or of all: watch the same");
  }
  watch->resume(*token);
  return watch;
}

void Watch::resume(const WatchToken& token) {
  const bool all = options_.run.empty();
  if (token.incarnation != incarnation_ || (all && token.position == 0)) {
    reset();  // reported events may be undone; or it is not known which runs were reported
  } else if (all) {
    since_ = settled_lsn_ = token.position;
    resuming_ = true;
  } else if (token.created_lsn != 0) {
    known_[options_.run] = {token.created_lsn, token.position, false, false};
  }
}

// Reported events may be undone: the watcher drops its state, and everything is reported again.
void Watch::reset() {
  known_.clear();
  queue_.clear();
  queued_.clear();
  gone_.clear();
  orphans_.clear();
  successor_.reset();
  since_.reset();
  settled_lsn_ = 0;
  baseline_ = resuming_ = false;
  reset_due_ = true;
}

void Watch::enqueue(std::string_view id) {
  if (const auto [at, fresh] = queued_.emplace(id); fresh) {
    queue_.push_back(*at);
  }
}

bool Watch::visit(const Seen& seen) {
  const std::string id(seen.id);
  const auto known = known_.find(id);
  if (baseline_) {
    if (!seen.erased) {
      known_[id] = {seen.created_lsn, seen.sequence, false, seen.orphaned};
    }
    return false;
  }
  const bool as_told =
      known != known_.end() && known->second.created_lsn == seen.created_lsn && known->second.sequence == seen.sequence;
  if (seen.orphaned && !(as_told && known->second.orphaned)) {
    orphans_.insert(id);
    enqueue(id);
    return true;
  }
  if (seen.erased || !as_told) {
    if (seen.erased) {
      gone_.insert(id);
    }
    enqueue(id);
    return true;
  }
  return false;
}

Status Watch::look() {
  WatchSource::Look found;
  std::unordered_set<std::string> visited;
  CAIRN_TRY(source_.look(
      since_, options_.run,
      [&](const Seen& seen) {
        visited.emplace(seen.id);
        return visit(seen);
      },
      found));
  looked_ms_ = source_.now_ms();
  if (source_.incarnation() != incarnation_) {
    incarnation_ = source_.incarnation();
    reset();
    return {};
  }
  if (resuming_ && found.complete) {
    reset();  // reported runs may have been erased, and it is not known which
    return {};
  }
  if (found.complete) {
    for (const auto& [id, known] : known_) {
      if (visited.find(id) == visited.end()) {
        gone_.insert(id);
        enqueue(id);
      }
    }
  }
  baseline_ = resuming_ = false;
  since_ = found.lsn;
  if (queue_.empty()) {
    settled_lsn_ = found.lsn;
  }
  return {};
}

std::string Watch::token_of(const std::string& id) const {
  WatchToken token;
  token.store_id = source_.store_id();
  token.incarnation = incarnation_;
  token.scope = watch_scope(options_.run);
  if (options_.run.empty()) {
    token.position = settled_lsn_;
  } else if (const auto known = known_.find(id); known != known_.end()) {
    token.created_lsn = known->second.created_lsn;
    token.position = known->second.sequence;
  }
  return to_text(token);
}

// False: the run is as it was reported, or a reset is due.
Result<bool> Watch::report(const std::string& id, WatchEvent& event) {
  auto fetched = source_.fetch(id);
  if (!fetched.ok()) {
    enqueue(id);
    return fetched.status();
  }
  if (!*fetched && successor_ && successor_->record.id == id) {
    *fetched = std::move(successor_);
  }
  successor_.reset();
  const bool noted_gone = gone_.erase(id) > 0;
  const bool noted_orphaned = orphans_.erase(id) > 0;
  const bool there = *fetched && !(*fetched)->erased;
  const auto known = known_.find(id);
  const bool was_told = known != known_.end();
  if (!there && !was_told && !noted_gone) {
    return false;
  }
  if (!there || (was_told && known->second.created_lsn != (*fetched)->record.created_lsn)) {
    event.kind = WatchKind::kErased;
    event.run = RunView();
    event.run.record.id = id;
    event.run.record.created_lsn = was_told ? known->second.created_lsn : 0;
    event.run.record.sequence = was_told ? known->second.sequence + 1 : 1;
    event.run.erased = true;
    if (!there && *fetched) {
      event.run.record.sequence = (*fetched)->record.sequence;
    }
    known_.erase(id);
    if (there && queued_.insert(id).second) {
      queue_.push_front(id);
      successor_ = std::move(**fetched);
    }
    return true;
  }
  const RunRecord& now = (*fetched)->record;
  const bool orphaned = noted_orphaned && (*fetched)->orphaned;
  const bool newly_orphaned = orphaned && was_told && now.sequence == known->second.sequence && !known->second.orphaned;
  if (was_told && now.sequence <= known->second.sequence && !newly_orphaned) {
    if (now.sequence < known->second.sequence) {
      reset();
    }
    return false;
  }
  const bool final = is_final(now.status);
  event.kind = orphaned                                      ? WatchKind::kOrphaned
               : final && !(was_told && known->second.final) ? WatchKind::kFinished
                                                             : WatchKind::kChanged;
  known_[id] = {now.created_lsn, now.sequence, final, orphaned};
  event.run = std::move(**fetched);
  return true;
}

Result<bool> Watch::next(WatchEvent& event) {
  bool looked = false;
  while (true) {
    // Later changes are left to the next round: else a caller that takes all events would never finish while a writer
    // is busy.
    if (!reset_due_ && queue_.empty() && (reported_any_ || looked)) {
      reported_any_ = false;
      return false;
    }
    if (!reset_due_ && (queue_.empty() || source_.now_ms() - looked_ms_ >= options_.interval_ms)) {
      CAIRN_TRY(look());
      looked = true;
    }
    if (reset_due_) {
      reset_due_ = reported_any_ = false;
      event = WatchEvent();
      event.kind = WatchKind::kReset;
      event.run.record.id = options_.run;
      event.token = token_of(options_.run);
      return true;
    }
    if (queue_.empty()) {
      continue;
    }
    const std::string id = std::move(queue_.front());
    queue_.pop_front();
    queued_.erase(id);
    auto reported = report(id, event);
    if (!reported.ok()) {
      return reported;
    }
    if (queue_.empty() && since_) {
      settled_lsn_ = *since_;
    }
    if (*reported) {
      reported_any_ = true;
      event.token = token_of(id);
      return true;
    }
  }
}

}  // namespace cairn::engine
