#include "api/server/event_streams.h"

#include <algorithm>
#include <charconv>
#include <new>

#include "api/report/readable_text.h"
#include "engine/json/json.h"
#include "wal/signals_blocked.h"

namespace cairn::server {

namespace {

using std::chrono::milliseconds;

constexpr size_t kLookRunsMax = 500;
constexpr size_t kLookBytesMax = 8u << 20;
constexpr int kLookPartsMax = 8;  // then the streams get what was found, and the next look goes on
constexpr milliseconds kTroublePause{1000};

bool is_in(const std::vector<std::string>& list, const std::string& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

bool fits(const RunView& run, const EventFilter& filter) {
  return (filter.runs.empty() || is_in(filter.runs, run.id)) && (filter.task.empty() || run.task == filter.task) &&
         (filter.parent.empty() || run.parent == filter.parent) && (filter.root.empty() || run.root == filter.root) &&
         std::all_of(filter.tags.begin(), filter.tags.end(),
                     [&run](const std::string& tag) { return is_in(run.tags, tag); });
}

}  // namespace

/// A run as it was at a change, with its texts for all who get it; or that it was erased.
struct EventStreams::Row {
  RunView run;
  bool is_erased = false;
  std::string head = {};   // without the brace that ends it; made once
  std::string whole = {};  // with the metadata; made once

  const std::string& text(bool with_metadata) {
    if (head.empty()) {
      head = "{\"id\":\"" + run.id + "\"";
      if (!is_erased) {
        head += ",\"sequence\":\"" + std::to_string(run.sequence) + "\",\"status\":\"" +
                engine::status_name(run.status) + "\",\"updatedAt\":\"" + report::iso_time(run.updated_us) + "\"";
      }
    }
    if (whole.empty() && with_metadata) {
      whole = head + ",\"metadata\":" + (run.metadata.empty() ? "{}" : run.metadata);
    }
    return with_metadata && !is_erased ? whole : head;
  }
};

std::optional<Position> read_event_id(std::string_view text) {
  const size_t colon = text.rfind(':');
  Position out;
  if (colon == std::string_view::npos || colon == 0) {
    return std::nullopt;
  }
  out.feed = text.substr(0, colon);
  const auto [end, failed] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), out.number);
  return failed == std::errc() && end == text.data() + text.size() ? std::optional(std::move(out)) : std::nullopt;
}

std::string event_id(const Position& position) { return position.feed + ":" + std::to_string(position.number); }

EventStreams::EventStreams(RunStorage& storage, EventTimes times) : storage_(storage), times_(times) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { work(); });
}

EventStreams::~EventStreams() {
  let_go();
  {
    const MutexLock lock(mutex_);
    ends_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void EventStreams::follow(EventFilter filter, std::optional<Position> after, http::Answer answer) {
  http::Response head;
  head.content_type = "text/event-stream";
  head.headers.emplace_back("X-Accel-Buffering", "no");  // of nginx, which would hold events back
  Follower follower;
  follower.filter = std::move(filter);
  follower.after = after ? std::move(after) : std::optional(Position());
  follower.stream = answer.begin(std::move(head));
  follower.stream.send("retry: 1000\n\n");
  follower.last_sent = Clock::now();
  const MutexLock lock(mutex_);
  if (!over_) {
    new_.push_back(std::move(follower));
    ++size_;
    changed_.notify_all();
  }
}

void EventStreams::let_go() noexcept {
  std::vector<Follower> leaving;
  const MutexLock lock(mutex_);
  over_ = true;
  leaving.swap(new_);
  changed_.notify_all();
}

size_t EventStreams::size() const {
  const MutexLock lock(mutex_);
  return size_;
}

// --- the thread ---

void EventStreams::work() noexcept {
  for (;;) {
    std::vector<Follower> leaving;  // ended outside of the lock
    {
      const MutexLock lock(mutex_);
      if (over_) {
        leaving.swap(followers_);
      }
      size_ = followers_.size() + new_.size();
      if (ends_) {
        return;
      }
      if (size_ == 0 && leaving.empty()) {
        upto_.reset();
        changed_.wait(mutex_);
      }
      followers_.insert(followers_.end(), std::make_move_iterator(new_.begin()), std::make_move_iterator(new_.end()));
      new_.clear();
    }
    leaving.clear();
    const auto next = Clock::now() + milliseconds(times_.tick_ms);
    try {
      tick();
    } catch (const std::bad_alloc&) {
      // What could not be told is told, or reset, by a later tick.
      for (Follower& follower : followers_) {
        follower.reset = true;
      }
    }
    const MutexLock lock(mutex_);
    while (!ends_ && !over_ && changed_.wait_until(mutex_, next)) {
    }
  }
}

void EventStreams::tick() {
  std::erase_if(followers_, [](const Follower& follower) { return !follower.stream.is_wanted(); });
  if (followers_.empty()) {
    return;
  }
  Status status = look();
  for (Follower& follower : followers_) {
    if (status.ok() && follower.after) {
      status = catch_up(follower);
    }
  }
  if (!status.ok()) {
    std::this_thread::sleep_for(std::min(kTroublePause, milliseconds(times_.tick_ms)));
  }
  const auto now = Clock::now();
  for (Follower& follower : followers_) {
    send(follower, now);
  }
}

unsigned EventStreams::parts() const {
  return std::any_of(followers_.begin(), followers_.end(),
                     [](const Follower& follower) { return follower.filter.with_metadata; })
             ? kMetadata
             : kHeadOnly;
}

Status EventStreams::look() {
  if (!upto_) {
    CAIRN_TRY_ASSIGN(Changes now, storage_.changes(Shape(), std::nullopt, {}));
    upto_ = Position{now.next.feed, now.next.number};
    return {};
  }
  for (int i = 0; i < kLookPartsMax; ++i) {
    CAIRN_TRY_ASSIGN(Changes changes, storage_.changes(Shape(), *upto_, {parts(), kLookRunsMax, kLookBytesMax}));
    if (changes.reset) {
      for (Follower& follower : followers_) {
        follower.reset = follower.reset || !follower.after;
        follower.rows.clear();
        follower.places.clear();
      }
      upto_.reset();
      return look();
    }
    offer_all(changes, nullptr);
    upto_ = changes.next;
    if (changes.complete) {
      break;
    }
  }
  return {};
}

// What changed since its position, up to where the others are, or a little further: then it gets those rows again, and
// coalesced.
Status EventStreams::catch_up(Follower& follower) {
  const bool begins_now = follower.after->feed.empty();
  int parts_read = 0;
  while (!begins_now && !follower.reset &&
         (follower.after->feed != upto_->feed || follower.after->number != upto_->number)) {
    CAIRN_TRY_ASSIGN(Changes changes,
                     storage_.changes(Shape(), *follower.after, {parts(), kLookRunsMax, kLookBytesMax}));
    if (changes.reset) {
      follower.reset = true;
      break;
    }
    offer_all(changes, &follower);
    follower.after = changes.next;
    if (changes.complete || follower.after->number >= upto_->number) {
      break;
    }
    if (++parts_read == kLookPartsMax) {
      return {};  // the others have their turn, and the rest comes with the next tick
    }
  }
  follower.after.reset();
  if (begins_now) {
    follower.stream.send("id: " + event_id(*upto_) + "\n\n");  // from here on it can come back
  }
  return {};
}

void EventStreams::offer_all(Changes& changes, Follower* only) {
  const auto offer_to_those = [&](const RowPtr& row, uint64_t number) {
    if (only != nullptr) {
      offer(*only, row, number);
      return;
    }
    for (Follower& follower : followers_) {
      if (!follower.after) {
        offer(follower, row, number);
      }
    }
  };
  for (size_t i = 0; i < changes.rows.size(); ++i) {
    offer_to_those(std::make_shared<Row>(Row{std::move(changes.rows[i])}), changes.numbers[i]);
  }
  for (auto& [id, number] : changes.erased) {
    RunView run;
    run.id = std::move(id);
    offer_to_those(std::make_shared<Row>(Row{std::move(run), true}), number);
  }
}

void EventStreams::offer(Follower& follower, const RowPtr& row, uint64_t number) {
  const EventFilter& filter = follower.filter;
  const bool is_told = row->is_erased ? filter.runs.empty() || is_in(filter.runs, row->run.id) : fits(row->run, filter);
  if (!is_told || follower.reset) {
    return;
  }
  const auto [place, is_new] = follower.places.try_emplace(row->run.id, number);
  if (!is_new) {
    follower.rows.erase(place->second);
    place->second = number;
  }
  follower.rows[number] = row;
  if (follower.rows.size() > kRowsWaitingMax) {
    follower.reset = true;
    follower.rows.clear();
    follower.places.clear();
  }
}

void EventStreams::send(Follower& follower, Clock::time_point now) {
  if (follower.after || !upto_ || follower.stream.unsent_bytes() != 0) {
    return;
  }
  std::string changed;
  std::string erased;
  Position told = *upto_;
  if (follower.reset) {
    follower.rows.clear();
    follower.places.clear();
  }
  const bool with_metadata = follower.filter.with_metadata;
  for (size_t count = 0; count < kRowsOfEventMax && changed.size() + erased.size() < kBytesOfEventMax; ++count) {
    if (follower.rows.empty()) {
      break;
    }
    const auto first = follower.rows.begin();
    std::string& into = first->second->is_erased ? erased : changed;
    into += (into.empty() ? "" : ",") + first->second->text(with_metadata) + "}";
    told.number = first->first;
    follower.places.erase(first->second->run.id);
    follower.rows.erase(first);
  }
  if (follower.rows.empty()) {
    told.number = upto_->number;
  }
  std::string message;
  if (follower.reset) {
    message = "event: reset\ndata: {}\nid: " + event_id(told) + "\n\n";
  }
  // Of two events only the last may have the position: a client that has only the first comes back for both.
  const std::string id = "\nid: " + event_id(told) + "\n\n";
  if (!changed.empty()) {
    message += "event: run\ndata: [" + changed + "]" + (erased.empty() ? id : "\n\n");
  }
  if (!erased.empty()) {
    message += "event: erased\ndata: [" + erased + "]" + id;
  }
  if (message.empty() && now - follower.last_sent >= milliseconds(times_.quiet_ms)) {
    message = ":" + id;  // also what others changed is past
  }
  follower.reset = false;
  if (!message.empty()) {
    follower.stream.send(std::move(message));
    follower.last_sent = now;
  }
}

}  // namespace cairn::server
