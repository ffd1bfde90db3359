#include "engine/store/gate.h"

#include "engine/base/error_detail.h"

namespace cairn::engine {

namespace {

constexpr int32_t kOpen = static_cast<int32_t>(Code::kOk);
constexpr int32_t kNoSpace = static_cast<int32_t>(Code::kNoSpace);
constexpr int32_t kLatched = static_cast<int32_t>(Code::kLatched);
constexpr int32_t kClosed = static_cast<int32_t>(Code::kClosed);

}  // namespace

Status fail_forked() { return fail(Code::kForked, "this process is a forked child of the store's owner"); }

Status fail_closed() { return fail(Code::kClosed, "the store is closed"); }

Status Gate::refuse(Code code) const {
  switch (code) {
    case Code::kClosed:
      return fail_closed();
    case Code::kNoSpace:
      if (keeps_room_) {
        return fail(Code::kNoSpace,
                    "the disk is full, and the room that is left is kept for erasing and finishing runs: erase some, "
                    "or free some space");
      }
      return fail(Code::kNoSpace, "the last flush found no space: free some, then call step()");
    case Code::kLatched:
      return fail(Code::kLatched,
                  "writing or syncing the log failed: nothing is acknowledged until the store is opened again");
    default:
      return fail(Status(code), "the store takes no updates");
  }
}

Status Gate::check_flush() const {
  switch (code()) {
    case Code::kClosed:
      return fail_closed();
    case Code::kLatched:
      return fail(Code::kLatched, "a sync failed: open the store again");
    default:
      return {};
  }
}

Code Gate::close() { return static_cast<Code>(state_.exchange(kClosed)); }

void Gate::latch() {
  int32_t state = state_.load();
  while (state != kClosed && !state_.compare_exchange_weak(state, kLatched)) {
  }
}

void Gate::no_space() { change(kOpen, kNoSpace); }

void Gate::reopen() {
  if (!keeps_room_) {
    change(kNoSpace, kOpen);
  }
}

void Gate::keep_room() {
  keeps_room_ = true;
  change(kOpen, kNoSpace);
}

void Gate::end_keeping_room() {
  if (keeps_room_.exchange(false)) {
    change(kNoSpace, kOpen);
  }
}

Result<std::unique_ptr<SigbusGuard>> Gate::guard_staging() { return SigbusGuard::install(state_, kStagingFailed); }

bool Gate::leave_staging() { return change(kStagingFailed, kOpen); }

}  // namespace cairn::engine
