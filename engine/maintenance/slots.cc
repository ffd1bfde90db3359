#include "engine/maintenance/slots.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "engine/directory/store_directory.h"
#include "engine/reader/store_reader.h"
#include "engine/records/run_record.h"

namespace cairn::engine {

namespace {

constexpr std::string_view kPrefix = "slot-";
constexpr size_t kDigits = 3;

std::optional<uint32_t> slot_number(std::string_view name) {
  if (name.size() != kPrefix.size() + kDigits || !name.starts_with(kPrefix)) {
    return std::nullopt;
  }
  uint32_t number = 0;
  for (const char c : name.substr(kPrefix.size())) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  return number < kSlotsMax ? std::optional(number) : std::nullopt;
}

// True also if the store must not be read.
bool may_be_there(const std::string& path) {
  struct stat s;
  return stat(path.c_str(), &s) == 0 || errno != ENOENT;
}

class Slots {
 public:
  explicit Slots(StoreOptions options) : options_(std::move(options)) {}

  Status find() {
    CAIRN_TRY(check_directory(options_.directory, options_.create));
    if (may_be_there(options_.directory + "/STORE")) {
      return fail(Code::kInvalidArgument,
                  options_.directory + " is a store itself: give a directory that only slots are in");
    }
    CAIRN_TRY_ASSIGN(numbers_, list_slots(options_.directory));
    return {};
  }

  /// The lowest slot that holds `run`. Slots without an owner come first: reading one whose owner writes may take 100
  /// ms, and a caller that takes a run over looks for a slot whose owner is gone.
  Result<std::optional<uint32_t>> with_run(std::string_view run) const {
    std::vector<uint32_t> owned;
    std::vector<uint32_t> order;
    for (const uint32_t number : numbers_) {
      (StoreLock::look(place(number)).held ? owned : order).push_back(number);
    }
    order.insert(order.end(), owned.begin(), owned.end());
    std::optional<ErrorDetail> unreadable;
    Status first;
    for (const uint32_t number : order) {
      auto held = holds(place(number), run);
      if (held.ok() && *held) {
        return std::optional(number);
      }
      if (!held.ok() && !unreadable) {
        first = held.status();
        unreadable = error_detail();
        unreadable->message = "run " + std::string(run) + " may be in " + place(number) +
                              ", which cannot be read: " + unreadable->message;
      }
    }
    if (unreadable) {
      error_detail() = *unreadable;  // starting the run elsewhere could make two of it
      return first;
    }
    return std::optional<uint32_t>();
  }

  Result<std::unique_ptr<Store>> open_with_run(uint32_t number, std::string_view run) const {
    auto store = open(number, false);
    for (Waited waited; store.code() == Code::kBusy && waits(number, waited);) {
      store = open(number, false);
    }
    if (store.code() == Code::kBusy) {
      ErrorDetail& detail = error_detail();
      detail.message = "run " + std::string(run) + " is in " + place(number) + ", and " + detail.message;
    }
    return store;
  }

  /// The lowest without an owner, else a new one, else the first that the relay lets go.
  Result<std::unique_ptr<Store>> open_free() {
    std::vector<uint32_t> with_relay;
    for (const bool create : {false, true}) {
      if (create) {
        if (!options_.create) {
          break;
        }
        // Class power requires that all names on the path to the new slot are durable.
        if (const Status s = sync_parent(options_.directory); !s.ok()) {
          return fail(s, "the directory that holds " + options_.directory + " cannot be synced");
        }
      }
      for (uint32_t number = 0; number < kSlotsMax; ++number) {
        if (taken_[number] || (!create && !std::binary_search(numbers_.begin(), numbers_.end(), number))) {
          continue;
        }
        auto store = open(number, create);
        switch (store.code()) {
          case Code::kBusy:
            taken_[number] = true;
            if (relay_has_it() != Relay::kNo) {
              with_relay.push_back(number);
            }
            break;
          case Code::kNotAStore:
            if (may_be_there(place(number) + "/STORE")) {
              leave_out(number, store.code());
            } else if (create) {
              return store;  // other files are in its place
            }
            break;
          case Code::kCorrupt:
          case Code::kVersion:
            leave_out(number, store.code());
            break;
          default:
            return store;
        }
      }
    }
    for (const uint32_t number : with_relay) {  // one, or a few: the relay has one at a time
      auto store = open(number, false);
      for (Waited waited; store.code() == Code::kBusy && waits(number, waited);) {
        store = open(number, false);
      }
      if (store.code() != Code::kBusy) {
        return store;
      }
    }
    if (std::find(taken_, taken_ + kSlotsMax, true) == taken_ + kSlotsMax) {
      return fail(Code::kNotAStore, "there is no slot in " + options_.directory);
    }
    return fail(Code::kBusy, "all slots in " + options_.directory + " are in use" +
                                 (options_.create ? ", and there are no more than " + std::to_string(kSlotsMax) : ""));
  }

 private:
  [[nodiscard]] std::string place(uint32_t number) const { return options_.directory + "/" + slot_name(number); }

  [[nodiscard]] Result<bool> holds(const std::string& directory, std::string_view run) const {
    if (!may_be_there(directory + "/STORE")) {
      return false;  // STORE is written last when a store is made
    }
    StoreReader::Options look;
    look.directory = directory;
    look.unsafe_file_system = options_.unsafe_file_system;
    look.hooks = options_.hooks;
    CAIRN_TRY_ASSIGN(auto&& reader, StoreReader::open(std::move(look)));
    auto view = reader->read(run);
    return view.ok() ? Result<bool>(view->has_value()) : Result<bool>(view.status());
  }

  [[nodiscard]] Result<std::unique_ptr<Store>> open(uint32_t number, bool create) const {
    StoreOptions options = options_;
    options.directory = place(number);
    options.create = create;
    return Store::open(std::move(options));
  }

  enum class Relay : uint8_t { kNo, kYes, kMaybe };
  struct Waited {
    uint32_t moments = 0;
    uint32_t for_relay_ms = 0;
  };

  /// Of slot `number`, which is busy, as the error detail says: waits a moment, if it will be free soon. False: it will
  /// not, or was waited for long enough.
  bool waits(uint32_t number, Waited& waited) const {
    constexpr uint32_t kMomentMs = 5;
    constexpr uint32_t kMoments = 40;
    constexpr uint32_t kRelayLookMs = 20;
    constexpr uint32_t kRelayMs = 60'000;
    constexpr uint32_t kMaybeRelayMs = 10'000;
    const Relay relay = relay_has_it();
    uint32_t pause_ms = kMomentMs;
    if (relay != Relay::kNo) {
      if (waited.for_relay_ms >= (relay == Relay::kYes ? kRelayMs : kMaybeRelayMs)) {
        return false;
      }
      pause_ms = kRelayLookMs;
      waited.for_relay_ms += pause_ms;
    } else if (!(is_nobodys() || has_changed_hands(number)) || ++waited.moments >= kMoments) {
      return false;
    }
    const timespec pause{0, int64_t{pause_ms} * 1'000'000};
    nanosleep(&pause, nullptr);
    return true;
  }

  /// Another thread of this process is reading the store, and has its tables open.
  static bool is_nobodys() { return error_detail().owner_pid == 0 && !error_detail().owner_elsewhere; }

  /// Since the open: the owner that the error detail names, of whom relay_has_it() could not know any more, is gone.
  [[nodiscard]] bool has_changed_hands(uint32_t number) const {
    const ErrorDetail owner = error_detail();
    const LockOwner now = StoreLock::look(place(number));
    error_detail() = owner;
    return !now.held || now.pid != owner.owner_pid;
  }

  /// Whether the relay empties the store. In another container it has no number: it may be another process there.
  [[nodiscard]] Relay relay_has_it() const {
    const ErrorDetail owner = error_detail();
    const LockOwner relay = StoreLock::look(options_.directory + "/" + kRelayStore);
    error_detail() = owner;
    if (!relay.held) {
      return Relay::kNo;
    }
    if (owner.owner_elsewhere) {
      return relay.elsewhere ? Relay::kMaybe : Relay::kNo;
    }
    return relay.pid != 0 && relay.pid == owner.owner_pid ? Relay::kYes : Relay::kNo;
  }

  void leave_out(uint32_t number, Code code) {
    taken_[number] = true;
    write_log(options_.hooks, LogLevel::kWarning, code, place(number) + " is left out: " + error_detail().message);
  }

  const StoreOptions options_;
  std::vector<uint32_t> numbers_;
  bool taken_[kSlotsMax] = {};
};

}  // namespace

std::string slot_name(uint32_t number) {
  char name[16];
  std::snprintf(name, sizeof name, "slot-%03u", number);
  return name;
}

Result<std::vector<uint32_t>> list_slots(const std::string& directory) {
  const auto names = names_in(directory);
  if (!names.ok()) {
    return names.code() == Code::kNotFound ? fail(Code::kNotAStore, directory + " is not a directory") : names.status();
  }
  std::vector<uint32_t> numbers;
  for (const std::string& name : *names) {
    if (const auto number = slot_number(name)) {
      numbers.push_back(*number);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<std::unique_ptr<Store>> open_slot(StoreOptions options, std::string_view run) {
  if (options.directory.empty()) {
    return fail(Code::kInvalidArgument, "no directory given");
  }
  if (!run.empty() && !valid_run_id(run)) {
    return fail(Code::kInvalidArgument, kRunIdRule, run.substr(0, 80));
  }
  if (options.hooks.files != nullptr) {
    return fail(Code::kInvalidArgument,
                "cairn_files are those of one store's directory, and this call chooses the directory");
  }
  CAIRN_TRY(complete_hooks(options.hooks));
  Slots slots(std::move(options));
  CAIRN_TRY(slots.find());
  if (!run.empty()) {
    CAIRN_TRY_ASSIGN(auto&& number, slots.with_run(run));
    if (number) {
      return slots.open_with_run(*number, run);
    }
  }
  return slots.open_free();
}

}  // namespace cairn::engine
