#include "api/server/waiting_room.h"

#include <algorithm>
#include <utility>

namespace cairn::server {

namespace {

/// Where those wait who want to hear of such a run: one place each.
std::string place_of(const Shape& shape) {
  switch (shape.kind) {
    case Shape::Kind::kRun:
      return "r" + shape.id;
    case Shape::Kind::kBatch:
      return "b" + shape.id;
    default:
      return shape.tags.empty() ? "a" : "t" + shape.tags.front();
  }
}

std::vector<std::string> places_of(const RunView& run) {
  std::vector<std::string> out = {"a", "r" + run.id};
  if (!run.batch.empty()) {
    out.push_back("b" + run.batch);
  }
  for (const std::string& tag : run.tags) {
    out.push_back("t" + tag);
  }
  return out;
}

bool is_of_one_run(const Waiting& waiting) { return waiting.request.shape.kind == Shape::Kind::kRun; }

}  // namespace

void WaitingRoom::want(unsigned parts) {
  lately_ |= parts;
  if ((parts & ~parts_) != 0) {
    parts_ |= parts;
    changes_.restart(Position(changes_.upto()));
  }
}

bool WaitingRoom::enter_if_known(Waiting& waiting) {
  const Shape& shape = waiting.request.shape;
  if (is_of_one_run(waiting)) {
    const ChangedRunPtr row = changes_.of_run(shape.id);
    if (row == nullptr || row->is_erased || row->view.life != waiting.after.feed ||
        row->view.sequence < waiting.after.number) {
      return false;
    }
    offer(waiting, row);
  } else {
    if (!changes_.covers(waiting.after)) {
      return false;
    }
    for (const ChangedRunPtr& row : changes_.of_shape(shape, waiting.after.number)) {
      offer(waiting, row);
    }
  }
  enter(std::move(waiting), changes_.upto().number);
  return true;
}

void WaitingRoom::enter(Waiting waiting, uint64_t began) {
  for (const ChangedRunPtr& row : changes_.of_shape(waiting.request.shape, began)) {
    offer(waiting, row);
  }
  const uint64_t id = ++last_id_;
  const auto kept = waiting_.emplace(id, std::move(waiting)).first;
  try {
    set_due(id, kept->second);
    index_[place_of(kept->second.request.shape)].insert(id);
  } catch (...) {
    by_due_.erase({kept->second.due, id});
    waiting_.erase(kept);
    throw;
  }
}

void WaitingRoom::add(const std::vector<ChangedRunPtr>& rows, Position upto) {
  try {
    changes_.add(rows, std::move(upto));
    for (const ChangedRunPtr& row : rows) {
      offer_to_all(row);
    }
  } catch (...) {  // some have not got all: each asks again, from where it is
    changes_.restart(Position(changes_.upto()));
    for (auto& [id, waiting] : waiting_) {
      waiting.come_again = true;
      set_due(id, waiting);
    }
    throw;
  }
}

/// It gets the row, if it has not got it.
void WaitingRoom::offer(Waiting& waiting, const ChangedRunPtr& row) const {
  if (row->is_erased) {
    // Who follows it alone learns so when it asks again. The client of a set keeps a row whatever it is told.
    waiting.come_again = waiting.come_again || is_of_one_run(waiting);
    return;
  }
  if (is_of_one_run(waiting)) {
    if (row->view.life != waiting.after.feed) {
      waiting.other_life = row->view.life;
    } else if (row->view.sequence > waiting.after.number) {
      waiting.rows[row->view.id] = row;
      waiting.after.number = row->view.sequence;
    }
    return;
  }
  const auto had = waiting.rows.find(row->view.id);
  if (row->number > waiting.after.number && (had == waiting.rows.end() || row->number >= had->second->number)) {
    waiting.rows[row->view.id] = row;
  }
}

void WaitingRoom::offer_to_all(const ChangedRunPtr& row) {
  for (const std::string& place : places_of(row->view)) {
    const auto found = index_.find(place);
    if (found == index_.end()) {
      continue;
    }
    for (const uint64_t id : found->second) {
      Waiting& waiting = waiting_.at(id);
      if (is_in_shape(row->view, waiting.request.shape)) {
        offer(waiting, row);
        set_due(id, waiting);
      }
    }
  }
}

void WaitingRoom::set_due(uint64_t id, Waiting& waiting) {
  const bool has_news = !waiting.rows.empty() || !waiting.other_life.empty() || waiting.come_again;
  auto place = by_due_.extract({waiting.due, id});
  waiting.due = has_news ? waiting.ready : waiting.deadline;
  if (place.empty()) {
    by_due_.insert({waiting.due, id});
  } else {
    place.value().first = waiting.due;
    by_due_.insert(std::move(place));  // needs no memory
  }
}

/// It has all up to here, or has it in its rows.
void WaitingRoom::move_on(Waiting& waiting) const {
  const Position& upto = changes_.upto();
  if (!is_of_one_run(waiting) && !waiting.come_again && waiting.after.feed == upto.feed) {
    waiting.after.number = std::max(waiting.after.number, upto.number);
  }
}

void WaitingRoom::restart(Position at) {
  for (auto& [id, waiting] : waiting_) {
    move_on(waiting);
    waiting.come_again = true;
    set_due(id, waiting);
  }
  changes_.restart(std::move(at));
}

Waiting WaitingRoom::take(uint64_t id) {
  const auto found = waiting_.find(id);
  Waiting out = std::move(found->second);
  waiting_.erase(found);
  by_due_.erase({out.due, id});
  lately_ |= parts_of(out.request.columns);  // it comes back at once
  const auto place = index_.find(place_of(out.request.shape));
  place->second.erase(id);
  if (place->second.empty()) {
    index_.erase(place);
  }
  move_on(out);
  return out;
}

std::vector<Waiting> WaitingRoom::take_due(SubscriptionClock::time_point now) {
  std::vector<Waiting> out;
  while (!by_due_.empty() && by_due_.begin()->first <= now) {
    out.push_back(take(by_due_.begin()->second));
  }
  return out;
}

std::vector<Waiting> WaitingRoom::take_all() { return take_due(SubscriptionClock::time_point::max()); }

std::vector<Waiting> WaitingRoom::take_gone() {
  std::vector<uint64_t> ids;
  parts_ = std::exchange(lately_, kHeadOnly);
  for (const auto& [id, waiting] : waiting_) {
    parts_ |= parts_of(waiting.request.columns);
    if (!waiting.answer.is_wanted()) {
      ids.push_back(id);
    }
  }
  std::vector<Waiting> out;
  out.reserve(ids.size());
  for (const uint64_t id : ids) {
    out.push_back(take(id));
  }
  return out;
}

SubscriptionClock::time_point WaitingRoom::next_due() const {
  return by_due_.empty() ? SubscriptionClock::time_point::max() : by_due_.begin()->first;
}

}  // namespace cairn::server
