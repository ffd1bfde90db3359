// owner_worker STORE LEDGER URL RUN: a program with a run of its own, as users write it, that changes the run again and
// again, sends it to URL, and takes what others did to it there, until it is killed, or told to stop by the ledger.
// Goes on where an earlier one on the same store and ledger was killed.
#include <cairn/cairn.hpp>
#include <cairn/upstream.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/chaos/owner_ledger.h"

namespace cairn::tests {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

struct Items {
  int64_t own = 0;
  int64_t of_others = 0;
};

/// Those of the run's log; its own must be all from 1 on.
Items items_of(const Run& run) {
  Items out;
  for (const json& item : run.get("log").value_or(json::array())) {
    if (writer_of(item.get<int64_t>()) != 0) {
      ++out.of_others;
    } else if (item != item_of(0, ++out.own)) {
      throw std::runtime_error("item " + item.dump() + " of the worker itself is at place " + std::to_string(out.own));
    }
  }
  return out;
}

void work(OwnerLedger& ledger, const std::string& directory, const std::string& url, const std::string& id) {
  Options options;
  options.mark_crashed = false;
  options.flush_interval_ms = 5;
  options.segment_bytes = 1u << 20;
  options.metadata_bytes_max = kOwnersBytesMax;
  Store store = Store::open(directory, options);
  Run run = store.start_or_resume({.id = id, .task = "owned"});
  const int64_t found = items_of(run).own;
  const int64_t acknowledged = ledger.acknowledged;
  if (found != acknowledged && found != acknowledged + 1) {
    throw std::runtime_error(std::to_string(acknowledged) + " changes were acknowledged, and " + std::to_string(found) +
                             " are there");
  }
  ledger.open_took += found - acknowledged;
  ledger.acknowledged = found;
  Upstream upstream = Upstream::open(store, {.url = url, .timeout = milliseconds(250), .interval = milliseconds(5)});
  auto refreshed = Clock::now();
  for (int64_t number = found; ledger.stop == 0;) {
    if (ledger.pause == 0) {
      ++number;
      store.transact([&](Transaction& t) { t.increment(run, "n", 1).append(run, "log", item_of(0, number)); });
      ledger.acknowledged = number;
    }
    if (Clock::now() - refreshed > milliseconds(20)) {
      if (ledger.pause == 0) {
        ledger.met = items_of(run).of_others;
      }
      run.refresh();
      store.sync().control(SyncControl::kResume);  // many messages, not good manners, are wanted here
      refreshed = Clock::now();
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
  upstream.close();
  store.close();
}

}  // namespace
}  // namespace cairn::tests

int main(int count, char** arguments) {
  using cairn::tests::OwnerLedger;
  OwnerLedger* ledger = count == 5 ? OwnerLedger::map(arguments[2]) : nullptr;
  if (ledger == nullptr) {
    std::fprintf(stderr, "usage: owner_worker STORE LEDGER URL RUN\n");
    return 64;
  }
  try {
    cairn::tests::work(*ledger, arguments[1], arguments[3], arguments[4]);
  } catch (const std::exception& e) {
    if (ledger->wrong.exchange(1) == 0) {
      std::snprintf(ledger->what, sizeof ledger->what, "%s", e.what());
    }
    return 1;
  }
  return 0;
}
