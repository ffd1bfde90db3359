#include "tools/sync/live_owner.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "engine/json/json.h"
#include "engine/maintenance/slots.h"
#include "engine/reader/store_reader.h"
#include "engine/store/store.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::Value;

struct Sending {
  uint64_t pid = 0;    // 0: nobody has the store open, and the relay empties it
  bool relay = false;  // it is the relay itself
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
  o.push_back({"owner_pid", sending.pid == 0 ? Value() : Value(sending.pid)});
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
  const std::string which = slot.empty() ? "" : slot + ": ";
  const auto pid = static_cast<unsigned long long>(sending.pid);
  const std::string upstream = printable(sending.sender.upstream);
  // Whether it was given an upstream it alone knows; it has one if not the command was answered last.
  const bool by_command = sending.sender.way.address == sending.sender.upstream;
  if (sending.relay) {
    std::printf("%sprocess %llu sends what the slots have to %s\n", which.c_str(), pid, upstream.c_str());
  } else if (sending.pid == 0) {
    // A relay's name begins so; which one it is, the relay knows.
    const bool elsewhere = sending.sender.attached && !upstream.starts_with("unix:");
    std::printf(
        "%sno process has the store open: %s\n", which.c_str(),
        elsewhere ? ("its runs go to " + upstream + ", not through the relay").c_str() : "the relay sends what it has");
  } else if (!sending.sender.attached) {
    std::printf("%sprocess %llu has the store open, and has no upstream: what it has stays there until it ends\n",
                which.c_str(), pid);
  } else {
    std::printf("%sprocess %llu has the store open, and sends by itself%s %s%s\n", which.c_str(), pid,
                by_command ? ", if it was given the upstream" : " to", upstream.c_str(),
                by_command ? "; else run this again when it has ended" : "");
  }
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
  } else if (sending.waiting.held == 0 && sending.sender.attached) {
    std::printf("  the last changes are in the log only: the next checkpoint makes them ready to be sent\n");
  }
  if (!sending.all_acknowledged && !sending.sender.last_error.empty()) {
    std::printf("  the last try: %s\n", printable(sending.sender.last_error).c_str());
  }
}

/// How far the store in `directory` is.
Status look(const std::string& directory, Sending& sending) {
  engine::StoreReader::Options options;
  options.directory = directory;
  CAIRN_TRY_ASSIGN(const auto reader, engine::StoreReader::open(std::move(options)));
  bool folded = false;
  CAIRN_TRY(reader->sync_state(sending.sender, sending.waiting, folded));
  const engine::sync::SenderState& sender = sending.sender;
  sending.all_acknowledged = sender.attached && folded && sender.halt == engine::sync::Halt::kNone && !sender.resends &&
                             !sender.pulls() && sending.waiting.runs == 0 && sending.waiting.held == 0;
  return {};
}

bool has_live_owner(const engine::LockOwner& owner) { return owner.held && owner.alive && owner.pid != 0; }

Exit print(const Globals& globals, const Sending& sending, const std::string& slot) {
  if (globals.json) {
    print_as_json(sending, slot);
  } else {
    print_text(sending, slot);
  }
  return exit_of_sending(sending);
}

}  // namespace

std::optional<Exit> report_live_owner(const Globals& globals, const std::string& directory, const std::string& slot) {
  const engine::LockOwner owner = engine::StoreLock::look(directory);
  Sending sending;
  sending.pid = owner.pid;
  if (!has_live_owner(owner) || !look(directory, sending).ok() || !sending.sender.attached) {
    return std::nullopt;
  }
  return print(globals, sending, slot);
}

std::optional<Exit> report_relay(const Globals& globals, const std::string& slots,
                                 const std::vector<uint32_t>& numbers) {
  const std::string relay = slots + "/" + engine::kRelayStore;
  const engine::LockOwner owner = engine::StoreLock::look(relay);
  if (!has_live_owner(owner)) {
    return std::nullopt;
  }
  // The slots first: what goes from a slot to the relay meanwhile is then seen twice, and not missed.
  Exit exit = Exit::kDone;
  std::vector<std::pair<std::string, Sending>> of_slots;
  for (const uint32_t number : numbers) {
    const std::string name = engine::slot_name(number);
    const std::string directory = (std::filesystem::path(slots) / name).string();
    std::error_code error;
    if (!std::filesystem::exists(directory + "/STORE", error) && !error) {
      continue;  // it is being made
    }
    const engine::LockOwner of_slot = engine::StoreLock::look(directory);
    Sending sending;
    sending.pid = of_slot.held && of_slot.pid != owner.pid ? of_slot.pid : 0;
    if (const Status status = look(directory, sending); !status.ok()) {
      note(globals, name + " cannot be read, and the relay passes it over: " + engine::error_text(status));
      exit = std::max(exit, exit_of(status.code));
    } else if (sending.pid != 0 || !sending.all_acknowledged) {
      of_slots.emplace_back(name, std::move(sending));
    }
  }
  Sending of_relay;
  of_relay.pid = owner.pid;
  of_relay.relay = true;
  if (!look(relay, of_relay).ok()) {
    return std::nullopt;
  }
  exit = std::max(exit, print(globals, of_relay, engine::kRelayStore));
  for (const auto& [name, sending] : of_slots) {
    exit = std::max(exit, print(globals, sending, name));
  }
  return exit;
}

}  // namespace cairn::tools
