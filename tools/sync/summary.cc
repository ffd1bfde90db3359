#include "tools/sync/summary.h"

#include <cstdio>

#include "api/http_client/endpoint.h"
#include "engine/store/upstream.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::Object;
using engine::Value;

unsigned long long n(uint64_t v) { return v; }

}  // namespace

std::string without_secrets(const std::string& url) {
  const auto endpoint = http_client::parse_endpoint(url, true);
  return endpoint.ok() ? endpoint->shown : "upstream";
}

Exit exit_of_sync(const engine::Upstream::State& state, const DriveResult& driven) {
  if (state.sender.halt != engine::sync::Halt::kNone) {
    return Exit::kFork;
  }
  if (driven.denied || driven.for_good) {
    return Exit::kAuth;
  }
  if (state.all_acknowledged) {
    return Exit::kDone;
  }
  return state.waiting.held > 0 && !state.waiting.moves ? Exit::kBadData : Exit::kTryLater;
}

void print_sync_report(const Globals& globals, const engine::Upstream::State& state, const DriveResult& driven,
                       const Carrier* carrier, bool dry_run, bool stopped, const std::string& slot) {
  const engine::sync::SenderState& sender = state.sender;
  const char* halt = sender.halt == engine::sync::Halt::kCopied   ? "copied"
                     : sender.halt == engine::sync::Halt::kForked ? "forked"
                                                                  : nullptr;
  if (globals.json) {
    Object o;
    if (!slot.empty()) {
      o.push_back({"slot", Value(slot)});
    }
    o.push_back({"upstream", Value(sender.upstream)});
    o.push_back({"all_acknowledged", Value(state.all_acknowledged)});
    o.push_back({"messages", Value(driven.messages)});
    o.push_back({"resent", Value(driven.resent)});
    o.push_back({"bytes_sent", Value(carrier == nullptr ? uint64_t{0} : carrier->bytes_sent)});
    o.push_back({"bytes_received", Value(carrier == nullptr ? uint64_t{0} : carrier->bytes_received)});
    o.push_back({"waiting_runs", Value(state.waiting.runs)});
    o.push_back({"held_runs", Value(state.waiting.held)});
    o.push_back({"since", state.waiting.oldest_us == 0 ? Value() : Value(iso_time(state.waiting.oldest_us))});
    o.push_back({"batches", Value(sender.batches)});
    o.push_back({"lost_deltas", Value(sender.lost_deltas)});
    o.push_back({"waits_for_answer", Value(driven.waits)});
    o.push_back({"halt", halt == nullptr ? Value() : Value(halt)});
    o.push_back({"last_error", state.last_error.empty() ? Value() : Value(state.last_error)});
    print_json(std::move(o));
    return;
  }
  if (!slot.empty()) {
    std::printf("%s: ", slot.c_str());
  }
  if (carrier != nullptr) {
    std::printf("%s, %llu of them again; %s sent, %llu received\n", counted(driven.messages, "message").c_str(),
                n(driven.resent), counted(carrier->bytes_sent, "byte").c_str(), n(carrier->bytes_received));
  }
  if (halt != nullptr) {
    std::printf(
        "nothing is sent: %s\n  cairn sync --moved    if this is the store, and the other one is gone\n"
        "  cairn sync --copied   if it is a copy, and goes its own way\n",
        sender.halt == engine::sync::Halt::kCopied
            ? "the store's files were moved or copied"
            : "another store sends under this one's name (a copy that was not seen as one)");
    return;
  }
  if (state.waiting.held > 0) {
    std::printf("%s refused by the upstream and held back: cairn sync --dead\n",
                counted(state.waiting.held, "run was", "runs were").c_str());
  }
  if (sender.lost_deltas > 0) {
    std::printf(
        "%s acknowledged and then lost by the upstream\n",
        counted(sender.lost_deltas, "change of runs owned elsewhere was", "changes of runs owned elsewhere were")
            .c_str());
  }
  if (carrier != nullptr && carrier->asks) {
    std::printf("a question for what others wrote is in the folder, too; its answer comes with the next journey\n");
  }
  if (state.all_acknowledged) {
    std::printf("all is upstream (%s)\n", sender.upstream.c_str());
    return;
  }
  std::printf("%s%s%s\n", counted(state.waiting.runs, "run waits", "runs wait").c_str(),
              state.waiting.oldest_us == 0 ? "" : ", the oldest since ",
              state.waiting.oldest_us == 0 ? "" : iso_time(state.waiting.oldest_us).c_str());
  if (driven.waits) {
    std::printf("a message is in the folder: take it to the other side, and bring the answer back\n");
  } else if (!state.last_error.empty()) {
    std::printf("the last try: %s\n", printable(state.last_error).c_str());
  } else if (stopped) {
    std::printf("stopped; what waits is sent next time\n");
  } else if (dry_run && sender.resends) {
    std::printf("the first time all runs are sent\n");
  }
}

}  // namespace cairn::tools
