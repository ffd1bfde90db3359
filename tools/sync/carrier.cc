#include "tools/sync/carrier.h"

#include <algorithm>
#include <ctime>

#include "engine/store/upstream.h"
#include "tools/process/interrupt.h"

namespace cairn::tools {

int64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

Status drive(engine::Store& store, Carrier& carrier, int64_t until_ms, DriveResult& result,
             const std::function<void(const DriveResult&)>& progress) {
  CAIRN_TRY(store.barrier());
  engine::Upstream::State state;
  CAIRN_TRY(store.upstream().state(state));
  result.waited_runs = result.waiting_runs = state.waiting.runs;
  bool again = state.in_flight_entries > 0;  // of an earlier process
  std::string last;
  while (!interrupted()) {
    if (!result.all_acknowledged) {
      CAIRN_TRY(store.upstream().control(engine::Upstream::Control::kHurry));
    }
    std::string message;
    int64_t due = 0;
    CAIRN_TRY(store.upstream().next(message, &due));
    if (message.empty()) {
      CAIRN_TRY(store.upstream().state(state));
      result.all_acknowledged = state.all_acknowledged;
      result.last_error = state.last_error;
      const bool halted = state.sender.halt != engine::sync::Halt::kNone;
      // What is held waits for somebody's decision, not for the network.
      const bool only_held = state.waiting.held > 0 && !state.waiting.moves;
      const int64_t now = monotonic_ms();
      if (state.all_acknowledged || halted || only_held || due == INT64_MAX || now >= until_ms) {
        return {};
      }
      if (due > until_ms) {
        return {};  // it would not be in time
      }
      pause_ms(static_cast<uint64_t>(std::clamp<int64_t>(due - now, 1, 100)));
      continue;
    }
    ++result.messages;
    result.resent += again || message == last ? 1 : 0;
    again = false;
    last = message;
    Carrier::Went went = Carrier::Went::kAnswered;
    CAIRN_TRY(carrier.carry(store, message, until_ms, went));
    CAIRN_TRY(store.upstream().state(state));
    result.all_acknowledged = state.all_acknowledged;
    result.last_error = state.last_error;
    result.denied = went == Carrier::Went::kFailed && state.last_failure == engine::sync::Failure::kDenied;
    result.for_good = went == Carrier::Went::kFailed && carrier.failed_for_good;
    result.waiting_runs = state.waiting.runs;
    result.answered = result.answered || (went == Carrier::Went::kAnswered && state.last_error.empty());
    if (progress) {
      progress(result);
    }
    if (went == Carrier::Went::kWaits) {
      result.waits = true;
      return {};
    }
    if (carrier.failed_for_good || monotonic_ms() >= until_ms) {
      return {};
    }
  }
  return {};
}

Status forward(engine::Store& store, Carrier& carrier, int64_t until_ms) {
  std::string message;
  CAIRN_TRY(carrier.try_another_token(store));
  CAIRN_TRY(store.upstream().next(message));
  Carrier::Went went = Carrier::Went::kAnswered;
  return message.empty() ? Status() : carrier.carry(store, message, until_ms, went);
}

}  // namespace cairn::tools
