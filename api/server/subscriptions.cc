#include "api/server/subscriptions.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "api/server/api_call.h"
#include "api/server/shape_answer.h"
#include "api/server/times.h"
#include "wal/descriptor.h"
#include "wal/signals_blocked.h"

namespace cairn::server {

namespace {

using std::chrono::milliseconds;

constexpr size_t kLookRunsMax = 256;
constexpr int kLookPartsMax = 8;  // then those who wait get what was found, and the next look goes on
constexpr int kChecksMax = 5;
constexpr milliseconds kNoMemoryPause{20};
constexpr milliseconds kSweep{1000};

/// Leaves those that one answer takes, the first ones. Returns whether that is all of them: who has the others asks for
/// what came after the last.
bool keep_what_fits(unsigned parts, std::vector<ChangedRunPtr>& rows) {
  size_t bytes = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    bytes += bytes_of_texts(rows[i]->view, parts);
    if ((bytes >= kAnswerBytesMax || i + 1 == kSnapshotRunsMax) && i + 1 < rows.size()) {
      rows.resize(i + 1);
      return false;
    }
  }
  return true;
}

}  // namespace

Subscriptions::Subscriptions(RunStorage& storage, SubscriptionTimes times)
    : storage_(storage), times_(times), random_(std::random_device()()) {
  wake_fd_ = wal::above_standard(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake_fd_ < 0) {
    throw std::system_error(errno, std::generic_category(), "an event for those who wait for changes");
  }
  try {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { work(); });
  } catch (...) {
    ::close(wake_fd_);
    throw;
  }
  storage_.on_change([this] {
    if (!hinted_.exchange(true) && waiting_ != 0) {
      wake();
    }
  });
}

Subscriptions::~Subscriptions() {
  storage_.on_change({});
  let_go();
  ends_ = true;
  wake();
  thread_.join();
  ::close(wake_fd_);
}

void Subscriptions::wake() noexcept {
  const uint64_t one = 1;
  (void)!::write(wake_fd_, &one, sizeof one);  // full: it is awake
}

Subscriptions::Counters Subscriptions::counters() const {
  Counters out;
  out.waiting = waiting_;
  out.looks = looks_;
  out.rows = rows_;
  return out;
}

// --- a request comes ---

Subscriptions::Checking::Checking(Subscriptions& of) : of_(of) {
  const MutexLock lock(of_.mutex_);
  ++of_.checking_;
}

Subscriptions::Checking::~Checking() {
  const MutexLock lock(of_.mutex_);
  --of_.checking_;
}

void Subscriptions::follow(ShapeRequest request, http::Answer answer) {
  Waiting waiting;
  const auto now = Clock::now();
  // The server that gave the last answer may have had another clock.
  const int64_t pause_ms =
      request.cursor_ms ? *request.cursor_ms - wall_us() / 1000 + times_.answer_ms : times_.answer_ms;
  waiting.ready = now + milliseconds(std::clamp<int64_t>(pause_ms, 0, times_.answer_ms));
  waiting.request = std::move(request);
  waiting.answer = std::move(answer);
  const Checking checking(*this);
  for (int checks = 0; checks < kChecksMax; ++checks) {
    waiting.after = {waiting.request.feed, *waiting.request.offset};
    waiting.rows.clear();
    switch (try_follow(waiting)) {
      case Tried::kDone:
        return;
      case Tried::kOver:
        checks = kChecksMax;
        break;
      case Tried::kOvertaken:
        break;
    }
  }
  // The server stops, or so much changes that the checks were overtaken. The next request is checked again.
  waiting.answer.send(changes_response(waiting.request, waiting.request.handle, *waiting.request.offset, {}, true));
}

Subscriptions::Tried Subscriptions::try_follow(Waiting& waiting) {
  if (const Status status = begin(); !status.ok()) {
    waiting.answer.send(unavailable(status));
    return Tried::kDone;
  }
  uint64_t restarts = 0;
  uint64_t began = 0;
  {
    const MutexLock lock(mutex_);
    if (over_) {
      return Tried::kOver;
    }
    if (!has_begun_) {
      return Tried::kOvertaken;
    }
    room_.want(parts_of(waiting.request.columns));
    waiting.deadline = a_deadline();
    if (room_.enter_if_known(waiting)) {
      entered();
      return Tried::kDone;
    }
    restarts = restarts_;
    began = room_.changes().upto().number;
  }
  Since since = read_since(storage_, waiting.request);
  if (since.instead) {
    waiting.answer.send(std::move(*since.instead));
    return Tried::kDone;
  }
  if (!since.complete) {
    waiting.answer.send(
        changes_response(waiting.request, waiting.request.handle, since.next.number, since.rows, false));
    return Tried::kDone;
  }
  const MutexLock lock(mutex_);
  if (over_) {
    return Tried::kOver;
  }
  const bool has_parts = (parts_of(waiting.request.columns) & ~room_.parts()) == 0;
  if (restarts != restarts_ || room_.changes().from() > began || !has_parts) {
    return Tried::kOvertaken;  // what changed since the check began is not all here
  }
  if (waiting.request.shape.kind != Shape::Kind::kRun && since.next.feed != room_.changes().upto().feed) {
    restart(since.next);
    began = since.next.number;
  }
  waiting.after = std::move(since.next);
  for (const ChangedRunPtr& row : since.rows) {
    waiting.rows[row->view.id] = row;
  }
  room_.enter(std::move(waiting), began);
  entered();
  return Tried::kDone;
}

/// From now on each change is seen, if it was not so before.
Status Subscriptions::begin() {
  {
    const MutexLock lock(mutex_);
    if (has_begun_) {
      return {};
    }
  }
  CAIRN_TRY_ASSIGN(Changes now, storage_.changes(Shape(), std::nullopt, {}));
  const MutexLock lock(mutex_);
  if (!has_begun_) {
    restart(std::move(now.next));
    has_begun_ = true;
    last_busy_ = Clock::now();
    wake();
  }
  return {};
}

void Subscriptions::restart(Position at) {
  room_.restart(std::move(at));
  ++restarts_;
}

Subscriptions::Clock::time_point Subscriptions::a_deadline() {
  const double part = std::uniform_real_distribution<double>(0.85, 1.15)(random_);
  return Clock::now() + milliseconds(static_cast<int64_t>(static_cast<double>(times_.live_ms) * part));
}

/// The thread may be asleep beyond what this one waits for.
void Subscriptions::entered() {
  waiting_ = room_.size();
  wake();
}

void Subscriptions::give(std::vector<Waiting> leaving, bool in_trouble) const {
  ChangeBodies bodies;
  for (Waiting& waiting : leaving) {
    const ShapeRequest& request = waiting.request;
    if (!waiting.other_life.empty()) {
      waiting.answer.send(
          refetch_response(make_handle(request, storage_.name(), Position{waiting.other_life, 0}, true)));
    } else if (in_trouble && waiting.rows.empty()) {
      waiting.answer.send(unavailable(Status(Code::kAgain, "the storage does not answer")));
    } else {
      std::vector<ChangedRunPtr> rows;
      for (auto& [run, row] : waiting.rows) {
        rows.push_back(std::move(row));
      }
      std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
      const bool complete = keep_what_fits(parts_of(request.columns), rows);
      count(rows);
      // A row may have a number that the looks have not reached: what comes before that is not all told.
      const uint64_t after = complete ? waiting.after.number : std::min(rows.back()->number, waiting.after.number);
      waiting.answer.send(
          changes_response(request, request.handle, after, complete, bodies.body_of(request.columns, rows, complete)));
    }
  }
}

void Subscriptions::count(const std::vector<ChangedRunPtr>& rows) const {
  const int64_t now_us = wall_us();
  rows_ += rows.size();
  for (const ChangedRunPtr& row : rows) {
    if (!row->is_erased) {
      delays_.add(static_cast<double>(std::max<int64_t>(now_us - row->view.updated_us, 0)) / 1e6);
    }
  }
}

void Subscriptions::let_go() noexcept {
  try {
    std::vector<Waiting> leaving;
    {
      const MutexLock lock(mutex_);
      over_ = true;
      leaving = room_.take_all();
      waiting_ = 0;
    }
    give(std::move(leaving), false);
  } catch (const std::bad_alloc&) {
    // Whoever was taken is answered 500, and asks again; the others wait until the listener closes.
  }
}

// --- the thread ---

void Subscriptions::work() noexcept {
  auto until = Clock::time_point::max();
  while (!ends_) {
    pollfd woken = {wake_fd_, POLLIN, 0};
    int left_ms = -1;
    if (until != Clock::time_point::max()) {
      left_ms = static_cast<int>(std::max<int64_t>(std::chrono::ceil<milliseconds>(until - Clock::now()).count(), 0));
    }
    (void)::poll(&woken, 1, left_ms);
    uint64_t count = 0;
    (void)!::read(wake_fd_, &count, sizeof count);
    try {
      until = step();
    } catch (const std::bad_alloc&) {
      until = Clock::now() + kNoMemoryPause;
    }
  }
}

/// Returns when to go on.
Subscriptions::Clock::time_point Subscriptions::step() {
  const auto now = Clock::now();
  {
    const MutexLock lock(mutex_);
    if (room_.size() == 0) {
      // Who is about to wait must find what was begun for it.
      const auto over = checking_ == 0 ? last_busy_ + milliseconds(times_.idle_ms)
                                       : now + milliseconds(std::max<int64_t>(times_.idle_ms, 1));
      if (has_begun_ && now >= over) {
        has_begun_ = false;
        restart({});
      }
      return has_begun_ ? over : Clock::time_point::max();
    }
    last_busy_ = now;
  }
  if (now >= last_look_ + milliseconds(hinted_ ? times_.look_ms : times_.ask_ms)) {
    last_look_ = now;
    look();
  }
  std::vector<Waiting> leaving;
  std::vector<Waiting> gone;  // answered by nobody, and outside of the lock
  auto next = last_look_ + milliseconds(hinted_ ? times_.look_ms : times_.ask_ms);
  bool in_trouble = false;
  {
    const MutexLock lock(mutex_);
    leaving = room_.take_due(Clock::now());
    if (now >= last_sweep_ + kSweep) {
      last_sweep_ = now;
      gone = room_.take_gone();
    }
    waiting_ = room_.size();
    next = std::min(next, room_.next_due());
    in_trouble = in_trouble_;
  }
  give(std::move(leaving), in_trouble);
  return std::min(next, last_sweep_ + kSweep);
}

void Subscriptions::look() {
  hinted_ = false;
  ++looks_;
  for (int parts = 1; look_at_some(); ++parts) {
    if (parts == kLookPartsMax) {
      hinted_ = true;
      return;
    }
  }
}

/// Returns whether there is more.
bool Subscriptions::look_at_some() {
  Position from;
  Extent extent = {kHeadOnly, kLookRunsMax, kAnswerBytesMax};
  uint64_t restarts = 0;
  {
    const MutexLock lock(mutex_);
    from = room_.changes().upto();
    extent.parts = room_.parts();
    restarts = restarts_;
  }
  Result<Changes> changes = storage_.changes(Shape(), from, extent);
  Result<Changes> anew = changes.ok() && changes->reset ? storage_.changes(Shape(), std::nullopt, {}) : Changes();
  const std::vector<ChangedRunPtr> rows = changes.ok() ? changed_runs(*changes) : std::vector<ChangedRunPtr>();
  const MutexLock lock(mutex_);
  in_trouble_ = !changes.ok() || !anew.ok();
  if (in_trouble_) {
    return false;
  }
  if (restarts != restarts_ || (room_.parts() & ~extent.parts) != 0) {  // by a handler
    hinted_ = true;
    return false;
  }
  if (changes->reset) {
    restart(std::move(anew->next));
    return false;
  }
  room_.add(rows, std::move(changes->next));
  return !changes->complete;
}

}  // namespace cairn::server
