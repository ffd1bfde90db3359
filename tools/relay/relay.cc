#include "tools/relay/relay.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "api/http/server.h"
#include "api/server/store_service.h"
#include "engine/directory/store_directory.h"
#include "engine/json/json.h"
#include "engine/maintenance/slots.h"
#include "engine/store/store_storage.h"
#include "engine/store/upstream.h"
#include "engine/sync/receiver.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/relay/slot_drain.h"
#include "tools/serve/figures.h"
#include "tools/serve/forwarder.h"
#include "tools/serve/served_store.h"
#include "tools/serve/supervisor.h"
#include "tools/store/relay_socket.h"
#include "tools/store/slot_directory.h"
#include "tools/sync/carrier.h"
#include "tools/sync/summary.h"

namespace cairn::tools {

namespace {

using engine::Value;
using engine::sync::Way;

constexpr const char* kNoUpstream = "no upstream is known: give --upstream URL";
constexpr int64_t kPollIntervalMs = 2000;  // workers behind the relay wait for it, and poll in turn
constexpr int64_t kStopMs = 5000;          // for requests that are in work at the end
constexpr int64_t kRememberMs = 1000;
constexpr int64_t kRememberAgainMs = 60'000;  // were it that the disk was full

void print_listening(const Globals& globals, const std::string& address, const std::string& upstream) {
  if (globals.json) {
    print_json({{"listening", Value(address)}, {"needs_key", Value(false)}, {"upstream", Value(upstream)}});
  } else {
    std::printf("listening on %s, sending to %s\n", address.c_str(), printable(upstream).c_str());
  }
  std::fflush(stdout);
}

void print_taken(const Globals& globals, const engine::sync::Receiver::Counters& c, const SlotDrain::Counters& slots) {
  if (globals.json) {
    print_json({{"batches", Value(c.batches)},
                {"changes", Value(c.entries)},
                {"duplicates", Value(c.duplicates)},
                {"emptied_slots", Value(slots.emptied)},
                {"passed_over_slots", Value(slots.passed_over)},
                {"waiting_slots", Value(slots.waiting)}});
    return;
  }
  std::printf("%s taken with %s of runs; slots without a worker: %llu emptied, %llu passed over, %llu still to send\n",
              counted(c.batches, "batch", "batches").c_str(), counted(c.entries, "change").c_str(),
              static_cast<unsigned long long>(slots.emptied), static_cast<unsigned long long>(slots.passed_over),
              static_cast<unsigned long long>(slots.waiting));
}

/// So that the next start needs no --upstream, once the upstream has acknowledged something since this start.
class RememberedWay {
 public:
  RememberedWay(const Globals& globals, engine::Upstream& upstream, Way way, uint64_t batches_before)
      : globals_(globals), upstream_(upstream), way_(std::move(way)), batches_before_(batches_before) {}
  void look() {
    const int64_t now = monotonic_ms();
    if (done_ || now < next_ms_) {
      return;
    }
    next_ms_ = now + kRememberMs;
    engine::Upstream::State state;
    Status status = upstream_.state(state);
    if (status.ok() && state.sender.batches > batches_before_ && state.last_error.empty()) {
      status = upstream_.remember_way(way_);
      done_ = status.ok();
    }
    if (status.ok()) {
      return;
    }
    next_ms_ = now + kRememberAgainMs;
    if (!told_) {
      told_ = true;
      note(globals_, "the way to the upstream is not remembered, and tried again: " + engine::error_text(status));
    }
  }

 private:
  const Globals& globals_;
  engine::Upstream& upstream_;
  const Way way_;
  const uint64_t batches_before_;
  bool done_ = false;
  bool told_ = false;
  int64_t next_ms_ = 0;
};

class Relay {
 public:
  Relay(const Globals& globals, const RelayOptions& options)
      : globals_(globals), options_(options), address_("unix:" + options.slots + "/" + kRelaySocket) {}

  Exit run() {
    if (is_store(options_.slots)) {
      return report_usage(globals_, options_.slots + " is a store itself: give the directory that the slots are in");
    }
    if (!options_.given.upstream.empty()) {
      // Before a store is opened or attached.
      if (const Status s = open_carrier(options_.given.upstream, {{}, {}, options_.given.ca_file}); !s.ok()) {
        return report_error(globals_, s);
      }
    }
    const std::string directory = options_.slots + "/" + engine::kRelayStore;
    if (options_.given.upstream.empty() && !is_store(directory)) {
      return report_usage(globals_, kNoUpstream);  // before anything is made
    }
    if (const Status s = engine::check_directory(options_.slots, true); !s.ok()) {
      return report_error(globals_, s);
    }
    note_reloads();
    kill_at_interrupt(3);  // the first one ends the relay, and a second one what it still sends then
    auto served = ServedStore::open(
        globals_, {directory, options_.metadata_bytes_max, static_cast<uint64_t>(options_.retain_finished_ms)});
    if (!served.ok()) {
      return report_error(globals_, served.code() == Code::kBusy ? fail_second(served.status()) : served.status());
    }
    Exit exit = Exit::kDone;
    const Status status = work(**served, exit);
    const engine::ErrorDetail detail = engine::error_detail();
    const Status closed = (*served)->close();
    if (!status.ok()) {
      engine::error_detail() = detail;
      return report_error(globals_, status);
    }
    return closed.ok() ? exit : report_error(globals_, closed, "the store could not be closed cleanly");
  }

 private:
  [[nodiscard]] Status fail_second(Status busy) const {
    const engine::ErrorDetail owner = engine::error_detail();
    if (owner.owner_pid == 0) {
      return engine::fail(busy, "a relay of these slots runs already: " + owner.message, options_.slots);
    }
    const std::string pid = std::to_string(owner.owner_pid);
    return engine::fail(
        busy, "a relay of these slots runs already, as process " + pid + ": there can be one (kill -TERM " + pid + ")",
        options_.slots);
  }
  Status open_carrier(const std::string& url, const Way& way) {
    CAIRN_TRY_ASSIGN(carrier_,
                     make_http_carrier({url, options_.given.token_file, way.token_file, way.ca_file, 30'000}));
    if (!carrier_->warning.empty()) {
      note(globals_, carrier_->warning);
    }
    return {};
  }

  /// Attaches the relay's store. `exit` is changed if it does not say to what.
  Status attach(engine::Upstream& upstream, Exit& exit) {
    engine::Upstream::State state;
    CAIRN_TRY(upstream.state(state));
    way_ = way_to(options_.given, state.sender);
    const bool detached = !state.sender.attached && !state.sender.upstream.empty() && options_.given.upstream.empty();
    if (detached || way_.address.empty()) {
      exit = report_usage(
          globals_, detached ? "the store of the relay was detached: give --upstream URL, to go on" : kNoUpstream);
      return {};
    }
    if (carrier_ == nullptr) {
      CAIRN_TRY(open_carrier(way_.address, way_));
    }
    engine::sync::SenderOptions sender;
    sender.poll_interval_ms = kPollIntervalMs;
    sender.stays = true;
    if (options_.batch_runs != 0) {
      sender.limits.entries = options_.batch_runs;
      sender.limits.bytes = 4u << 20;
    }
    CAIRN_TRY(upstream.attach(way_.address, sender));
    CAIRN_TRY(upstream.state(state));
    batches_before_ = state.sender.batches;
    return {};
  }

  Status work(ServedStore& served, Exit& exit) {
    CAIRN_TRY(attach(served.store().upstream(), exit));
    if (exit != Exit::kDone) {
      return {};
    }
    engine::sync::StoreStorage storage(served.store());
    engine::sync::Receiver receiver(storage);
    SlotDrain::Counters slots;
    CAIRN_TRY(serve(served, receiver, slots));
    return send_the_rest(served.store(), receiver.counters(), slots, exit);
  }

  /// Until an interrupt.
  Status serve(ServedStore& served, engine::sync::Receiver& receiver, SlotDrain::Counters& slots) {
    http::ServerOptions options;
    options.listen = {address_};
    options.own_socket = served.store().options().directory + "/" + kRelaySocket;  // for commands on that store
    const size_t connections = connections_max(0).value_or(1);
    options.limits.connections_max = connections;
    options.limits.strangers_max = std::max<size_t>(connections / 4, 1);
    options.limits.kept_max = std::max<size_t>(connections / 4 * 3, 1);
    options.log = [this](std::string_view line) {
      if (!line.starts_with("listening on ")) {  // that is output
        note(globals_, std::string(line));
      }
    };
    Figures figures(served.store(), receiver, true);
    options.on_end = [&figures](const http::Ended& ended) { figures.count(ended); };
    server::StoreService service(
        served.store(), receiver,
        {{},
         {},
         server::ApiOptions().late_metadata_us,
         [this](const std::string& text) { note(globals_, "a delay or a time to live does not end: " + text); },
         figures.routes()});
    figures.watch(service);
    auto server = http::Server::start(std::move(options), service.routes());
    if (!server.ok()) {
      return engine::fail(server.status(), std::string(server.status().what), address_);
    }
    print_listening(globals_, address_, way_.address);
    figures.watch(**server);
    supervisor_.ready();
    RememberedWay remembered(globals_, served.store().upstream(), way_, batches_before_);
    Status lost;
    {
      Forwarder forwarder(globals_, served.store(), std::move(carrier_));
      SlotDrain drain(globals_, {options_.slots, options_.metadata_bytes_max});
      while (!interrupted() && (lost = served.look()).ok()) {
        remembered.look();
        served.give_memory_back((*server)->counters().requests);
        figures.look();
        supervisor_.lives();
        (void)reload_asked();  // there is nothing to reload; but a terminal that is gone ends the relay
        pause_ms(100);
      }
      const engine::ErrorDetail detail = engine::error_detail();
      supervisor_.stops();
      service.retire();
      drain.stop();
      carrier_ = forwarder.end();
      forget_interrupt();  // no thread waits any more
      until_ms_ = monotonic_ms() + options_.deadline_ms;
      slots = drain.end(lost.ok() ? until_ms_ : 0);
      engine::error_detail() = detail;
    }
    const engine::ErrorDetail detail = engine::error_detail();
    (*server)->stop(kStopMs);
    engine::error_detail() = detail;
    return lost;
  }

  /// As `cairn sync`, until the deadline or a second interrupt.
  Status send_the_rest(engine::Store& store, const engine::sync::Receiver::Counters& taken,
                       const SlotDrain::Counters& slots, Exit& exit) {
    engine::Upstream::State state;
    CAIRN_TRY(store.upstream().state(state));
    if (state.under_way) {  // the interrupt ended the wait for its answer; it is sent again, and without a pause
      CAIRN_TRY(
          store.upstream().failed(engine::sync::Failure::kTransient, "no answer before the relay was told to end"));
      CAIRN_TRY(store.upstream().control(engine::Upstream::Control::kResume));
    }
    DriveResult driven;
    CAIRN_TRY(drive(store, *carrier_, until_ms_, driven, nullptr));
    driven.messages = carrier_->messages;  // of all the time
    CAIRN_TRY(store.upstream().state(state));
    if (driven.answered) {
      if (const Status kept = store.upstream().remember_way(way_); !kept.ok()) {
        note(globals_, "the way to the upstream is not remembered: " + engine::error_text(kept));
      }
    }
    print_taken(globals_, taken, slots);
    print_sync_report(globals_, state, driven, carrier_.get(), false, interrupted());
    exit = std::max(exit_of_sync(state, driven), slots.exit);
    return {};
  }

  const Globals& globals_;
  const RelayOptions& options_;
  const std::string address_;
  Supervisor supervisor_;
  std::unique_ptr<Carrier> carrier_;  // while no forwarder has it
  Way way_;
  uint64_t batches_before_ = 0;  // acknowledged before this start
  int64_t until_ms_ = 0;         // at the end: so long what waits is sent
};

}  // namespace

Exit run_relay(const Globals& globals, const RelayOptions& options) { return Relay(globals, options).run(); }

}  // namespace cairn::tools
