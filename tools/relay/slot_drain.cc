#include "tools/relay/slot_drain.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/directory/store_lock.h"
#include "engine/maintenance/slots.h"
#include "engine/store/upstream.h"
#include "tools/output/report.h"
#include "tools/process/interrupt.h"
#include "tools/store/slot_directory.h"
#include "wal/descriptor.h"
#include "wal/signals_blocked.h"

namespace cairn::tools {

namespace {

constexpr int64_t kLookMs = 2000;
constexpr int64_t kFreeMs = 2000;     // so long a slot has had no owner: a worker that is restarted takes its slot up
constexpr int64_t kHoldMs = 2000;     // so long a slot is kept from a worker that wants it
constexpr int64_t kAgainMs = 60'000;  // what cannot be opened is tried again, were it only that a disk was full

/// Changes with each process that takes the lock.
std::string lock_mark(const std::string& store) {
  const std::string path = store + "/LOCK";
  // As StoreLock::look(): a FIFO in the file's place must not hang it.
  const wal::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat info = {};
  if (file.get() < 0 || fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return "none";
  }
  char text[512];
  const ssize_t got = pread(file.get(), text, sizeof text, 0);
  return std::to_string(info.st_ino) + " " + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec) + "\n" + std::string(text, got > 0 ? static_cast<size_t>(got) : 0);
}

/// Whether `name`, of a slot's upstream, is the relay's socket in `directory`, by whatever path. Directories are
/// compared: of two sockets the standard library does not tell.
bool is_relay(const std::string& name, const std::string& directory) {
  constexpr std::string_view kUnix = "unix:";
  if (!name.starts_with(kUnix)) {
    return false;
  }
  const std::filesystem::path socket(name.substr(kUnix.size()));
  std::error_code error;
  return socket.filename() == kRelaySocket &&
         std::filesystem::equivalent(socket.has_parent_path() ? socket.parent_path() : ".", directory, error);
}

}  // namespace

SlotDrain::SlotDrain(const Globals& globals, Options options)
    : globals_(globals), options_(std::move(options)), address_("unix:" + options_.directory + "/" + kRelaySocket) {
  const SignalsBlocked blocked;  // they are the main thread's, which acts on them
  thread_ = std::thread([this] { work(); });
}

void SlotDrain::stop() {
  ends_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

SlotDrain::Counters SlotDrain::end(int64_t until_ms) {
  stop();
  last_until_ms_ = until_ms;
  while (!stops()) {
    look();
    if (std::none_of(slots_.begin(), slots_.end(), [](const auto& known) {
          return !known.second.lock.empty() && !known.second.done && known.second.told.empty();
        })) {
      break;
    }
    pause_ms(100);  // a worker that wants the slot takes it now
  }
  return count();
}

SlotDrain::Counters SlotDrain::count() const {
  Counters counters;
  counters.emptied = emptied_;
  const auto numbers = engine::list_slots(options_.directory);
  if (!numbers.ok()) {
    counters.exit = exit_of(numbers.code());  // look() has said why
    return counters;
  }
  for (const uint32_t number : *numbers) {
    if (engine::StoreLock::look(place(number)).held || !is_store(place(number))) {
      continue;
    }
    const auto known = slots_.find(number);
    if (known != slots_.end() && !known->second.told.empty()) {
      ++counters.passed_over;
      counters.exit = std::max(counters.exit, known->second.exit);
    } else if (known == slots_.end() || !known->second.done || known->second.lock != lock_mark(place(number))) {
      ++counters.waiting;
      counters.exit = std::max(counters.exit, Exit::kTryLater);
    }
  }
  return counters;
}

bool SlotDrain::stops() const {
  return interrupted() || (last_until_ms_ ? monotonic_ms() >= *last_until_ms_ : ends_.load());
}

std::string SlotDrain::place(uint32_t number) const { return options_.directory + "/" + engine::slot_name(number); }

void SlotDrain::work() {
  while (!stops()) {
    look();
    const int64_t until_ms = monotonic_ms() + kLookMs;
    while (!stops() && monotonic_ms() < until_ms) {
      pause_ms(100);
    }
  }
}

void SlotDrain::look() {
  const auto numbers = engine::list_slots(options_.directory);
  const std::string trouble = numbers.ok() ? "" : engine::error_text(numbers.status());
  if (!trouble.empty() && trouble != trouble_) {
    note(globals_, "the slots cannot be looked for: " + trouble);
  }
  trouble_ = trouble;
  if (!numbers.ok()) {
    return;
  }
  // Of a slot that was removed there is nothing left to be passed over.
  std::erase_if(slots_,
                [&](const auto& known) { return !std::binary_search(numbers->begin(), numbers->end(), known.first); });
  for (const uint32_t number : *numbers) {
    if (stops()) {
      return;
    }
    look_at(number);
  }
}

void SlotDrain::look_at(uint32_t number) {
  Slot& slot = slots_[number];
  const int64_t now = monotonic_ms();
  if (engine::StoreLock::look(place(number)).held || !is_store(place(number))) {
    slot = {};  // its worker sends by itself; or it is being made
    return;
  }
  if (const std::string lock = lock_mark(place(number)); lock != slot.lock) {
    slot.lock = lock;
    slot.free_since_ms = now;
    slot.done = false;
  }
  const bool free = last_until_ms_ || now - slot.free_since_ms >= kFreeMs;
  if (slot.done ? slot.exit != Exit::kDone && now >= slot.again_ms : free) {
    empty(number, slot);
  }
}

struct SlotDrain::Log {
  void take(engine::LogLevel level, Code code, const char* message) const {
    // kAgain is of sending, which pass_over() tells of; and what is still so when it is tried again was said.
    if (level >= engine::LogLevel::kWarning && code != Code::kAgain && slot.warned.insert(message).second) {
      note(drain.globals_, engine::slot_name(number) + ": " + message);
    }
  }
  const SlotDrain& drain;
  const uint32_t number;
  Slot& slot;
};

void SlotDrain::empty(uint32_t number, Slot& slot) {
  engine::StoreOptions options;
  options.directory = place(number);
  options.create = false;
  options.durability = engine::Durability::kPower;
  options.metadata_bytes_max = options_.metadata_bytes_max;
  options.mark_crashed = false;
  options.guard_sigbus = true;
  options.need_staging_dir = true;
  Log log{*this, number, slot};
  options.hooks.context = &log;
  options.hooks.log = [](void* context, engine::LogLevel level, Code code, const char* message) {
    static_cast<const Log*>(context)->take(level, code, message);
  };
  engine::error_detail() = {};
  auto store = engine::Store::open(std::move(options));
  if (store.code() == Code::kBusy) {
    slot = {};
    return;
  }
  if (!store.ok()) {
    pass_over(number, slot, store.status());
    slot.lock = lock_mark(place(number));
    slot.done = true;
    return;
  }
  slot.done = send(number, slot, **store);
  slot.lock = lock_mark(place(number));  // while it is ours: a worker that opens it from now on changes it
  (void)(*store)->keep_room();
  if (const Status closed = (*store)->close(0); !closed.ok()) {
    pass_over(number, slot, closed);
  }
}

bool SlotDrain::send(uint32_t number, Slot& slot, engine::Store& store) {
  engine::Upstream::State state;
  Status status = store.upstream().state(state);
  const engine::sync::SenderState& sender = state.sender;
  if (status.ok() && sender.halt != engine::sync::Halt::kNone) {
    pass_over(
        number, slot,
        "its files were moved or copied: say which, `cairn sync --moved` or `--copied` with --store " + place(number),
        Exit::kFork);
    return true;
  }
  const bool is_fresh = !sender.attached && sender.upstream.empty();
  if (status.ok() && !is_fresh && !(sender.attached && is_relay(sender.upstream, options_.directory))) {
    if (state.all_acknowledged) {
      slot.exit = Exit::kDone;
      slot.told.clear();
      return true;
    }
    const std::string after = ", as `cairn sync --store " + place(number);
    pass_over(number, slot,
              sender.attached ? "its runs go to " + sender.upstream + ", not through the relay" + after + "` sends them"
                              : "its store was detached" + after + " --upstream " + address_ + "` attaches it again",
              Exit::kTryLater);
    return true;
  }
  if (status.ok() && carrier_ == nullptr) {
    auto made = make_http_carrier({address_, "", "", "", kHoldMs});
    status = made.status();
    if (made.ok()) {
      carrier_ = std::move(*made);
    }
  }
  if (status.ok()) {
    status = store.upstream().attach(is_fresh ? address_ : sender.upstream, {});
  }
  const uint64_t batches = sender.batches;
  DriveResult driven;
  if (status.ok()) {
    const int64_t until_ms = monotonic_ms() + kHoldMs;
    status = drive(store, *carrier_, std::min(until_ms, last_until_ms_.value_or(until_ms)), driven, nullptr);
  }
  if (status.ok()) {
    status = store.upstream().state(state);
  }
  if (!status.ok()) {
    pass_over(number, slot, status);
    return true;
  }
  if (state.all_acknowledged) {
    emptied_ += sender.batches != batches ? 1 : 0;
    slot.exit = Exit::kDone;
    slot.told.clear();
    return true;
  }
  if (state.waiting.held > 0 && !state.waiting.moves) {
    pass_over(number, slot,
              "the relay refused some of its runs: `cairn sync --dead --store " + place(number) + "` lists them",
              Exit::kBadData);
    return true;
  }
  if (!stops() && !state.last_error.empty()) {
    pass_over(number, slot, "not all of it arrived yet: " + state.last_error, Exit::kTryLater);
  }
  return false;
}

void SlotDrain::pass_over(uint32_t number, Slot& slot, const std::string& why, Exit exit) {
  slot.exit = exit;
  slot.again_ms = monotonic_ms() + kAgainMs;
  if (slot.told != why) {
    slot.told = why;
    note(globals_, engine::slot_name(number) + " is passed over: " + why);
  }
}

void SlotDrain::pass_over(uint32_t number, Slot& slot, Status status) {
  const bool damaged = status.code == Code::kCorrupt || status.code == Code::kNotAStore;
  pass_over(number, slot, engine::error_text(status) + (damaged ? " (cairn verify --store " + place(number) + ")" : ""),
            exit_of(status.code));
}

}  // namespace cairn::tools
