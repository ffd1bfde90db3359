#include "tools/sync/live_owner.h"

#include <cstdio>

#include "engine/json/json.h"
#include "engine/reader/store_reader.h"
#include "engine/store/store.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::Value;

struct Sending {
  uint64_t pid = 0;
  engine::sync::SenderState sender;
  engine::sync::OutboxQueries::Waiting waiting;
  bool all_acknowledged = false;
};

Exit exit_of_sending(const Sending& sending) {
  if (sending.sender.halt != engine::sync::Halt::kNone) {
    return Exit::kFork;
  }
  if (sending.all_acknowledged) {
    return Exit::kDone;
  }
  return sending.waiting.held > 0 && sending.waiting.runs == 0 ? Exit::kBadData : Exit::kTryLater;
}

void print_as_json(const Sending& sending, const std::string& slot) {
  engine::Object o;
  if (!slot.empty()) {
    o.push_back({"slot", Value(slot)});
  }
  o.push_back({"owner_pid", Value(sending.pid)});
  o.push_back({"upstream", Value(sending.sender.upstream)});
  o.push_back({"all_acknowledged", Value(sending.all_acknowledged)});
  o.push_back({"waiting_runs", Value(sending.waiting.runs)});
  o.push_back({"held_runs", Value(sending.waiting.held)});
  const int64_t since_us = sending.waiting.oldest_us;
  o.push_back({"since", since_us == 0 ? Value() : Value(iso_time(since_us))});
  const std::string& error = sending.sender.last_error;
  o.push_back({"last_error", error.empty() ? Value() : Value(valid_text(error))});
  print_json(std::move(o));
}

void print_text(const Sending& sending, const std::string& slot) {
  // Whether it was given an upstream it alone knows; it has one if not the command was answered last.
  const bool by_command = sending.sender.way.address == sending.sender.upstream;
  std::printf("%sprocess %llu has the store open, and sends by itself%s %s%s\n",
              slot.empty() ? "" : (slot + ": ").c_str(), static_cast<unsigned long long>(sending.pid),
              by_command ? ", if it was given the upstream" : " to", printable(sending.sender.upstream).c_str(),
              by_command ? "; else run this again when it has ended" : "");
  if (sending.waiting.held > 0) {
    std::printf("  %s refused by the upstream and held back: cairn sync --dead\n",
                counted(sending.waiting.held, "run was", "runs were").c_str());
  }
  if (sending.all_acknowledged) {
    std::printf("  all is upstream\n");
  } else if (sending.waiting.runs > 0) {
    const int64_t since_us = sending.waiting.oldest_us;
    std::printf("  %s%s%s\n", counted(sending.waiting.runs, "run waits", "runs wait").c_str(),
                since_us == 0 ? "" : ", the oldest since ", since_us == 0 ? "" : iso_time(since_us).c_str());
  } else if (sending.waiting.held == 0) {
    std::printf("  the last changes are in the log only: the next checkpoint makes them ready to be sent\n");
  }
  if (!sending.all_acknowledged && !sending.sender.last_error.empty()) {
    std::printf("  the last try: %s\n", printable(sending.sender.last_error).c_str());
  }
}

}  // namespace

std::optional<Exit> report_live_owner(const Globals& globals, const std::string& directory, const std::string& slot) {
  const engine::LockOwner owner = engine::StoreLock::look(directory);
  if (!owner.held || !owner.alive || owner.pid == 0) {
    return std::nullopt;
  }
  engine::StoreReader::Options options;
  options.directory = directory;
  const auto reader = engine::StoreReader::open(std::move(options));
  Sending sending;
  sending.pid = owner.pid;
  bool folded = false;
  if (!reader.ok() || !(*reader)->sync_state(sending.sender, sending.waiting, folded).ok() ||
      !sending.sender.attached) {
    return std::nullopt;
  }
  const engine::sync::SenderState& sender = sending.sender;
  sending.all_acknowledged = folded && sender.halt == engine::sync::Halt::kNone && !sender.resends && !sender.pulls() &&
                             sending.waiting.runs == 0 && sending.waiting.held == 0;
  if (globals.json) {
    print_as_json(sending, slot);
  } else {
    print_text(sending, slot);
  }
  return exit_of_sending(sending);
}

}  // namespace cairn::tools
