#include "tools/store/slots_watch.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/base/error_detail.h"

namespace cairn::tools {

namespace {

using Slot = SlotStores::Slot;
using engine::WatchEvent;
using engine::WatchKind;

constexpr int64_t kOwnerBusyMs = 10'000;  // so long in a row may an owner be too quick to be read

int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// Nothing: no token of slots.
std::optional<std::map<std::string, std::string>> parse_token(const std::string& token) {
  std::map<std::string, std::string> by_slot;
  for (size_t at = 0; at < token.size();) {
    const size_t end = std::min(token.find(',', at), token.size());
    const std::string part = token.substr(at, end - at);
    const size_t slash = part.find('/');
    if (slash == std::string::npos || !by_slot.emplace(part.substr(0, slash + 1), part.substr(slash + 1)).second) {
      return std::nullopt;
    }
    at = end + 1;
  }
  return by_slot;
}

class RunOfSlotWatch final : public RunWatch {
 public:
  RunOfSlotWatch(std::unique_ptr<RunWatch> watch, uint32_t slot, std::string shown)
      : watch_(std::move(watch)), slot_(slot), shown_(std::move(shown)) {}
  Result<bool> next(WatchEvent& event) override {
    auto got = watch_->next(event);
    if (got.ok() && *got) {
      event.run.record.id = event.run.record.id.empty() ? "" : shown_;
      event.token = with_slot(slot_, event.token);
    }
    return got;
  }

 private:
  const std::unique_ptr<RunWatch> watch_;
  const uint32_t slot_;
  const std::string shown_;
};

class SlotsWatch final : public RunWatch {
 public:
  SlotsWatch(SlotStores& stores, uint32_t interval_ms) : stores_(stores), interval_ms_(interval_ms) {}

  Status open(const std::string& token) {
    auto parts = parse_token(token);
    if (!parts) {
      return engine::fail(Code::kInvalidArgument, "the token was not given by a watch of slots: watch without one");
    }
    stores_.add_names(names_);
    for (const auto& slot : stores_.all()) {
      const auto part = parts->find(with_slot(slot->number, ""));
      const Status status = start(*slot, part == parts->end() ? "" : part->second);
      if (status.code == Code::kInvalidArgument) {
        return status;
      }
      if (part != parts->end()) {
        parts->erase(part);
      }
    }
    return parts->empty()
               ? Status()
               : engine::fail(Code::kInvalidArgument, "the token is of other slots, " + parts->begin()->first +
                                                          " is not here: watch without one");
  }

  Result<bool> next(WatchEvent& event) override {
    for (;;) {
      if (at_ == watched_.size()) {
        if (auto more = next_round(); !more.ok() || !*more) {
          return more;
        }
        continue;
      }
      Watched& watched = watched_[at_];
      const auto got = watched.watch == nullptr ? Result<bool>(false) : watched.watch->next(event);
      if (!got.ok()) {
        bear(watched, got.status());
      } else {
        watched.read_ms = now_ms();
      }
      if (!got.ok() || !*got) {
        ++at_;
        continue;
      }
      watched.token = event.token;
      if (event.kind == WatchKind::kReset) {
        CAIRN_TRY(start_anew());
      } else {
        rename(watched.slot->number, event);
      }
      event.token = token();
      return true;
    }
  }

 private:
  struct Watched {
    Slot* slot = nullptr;
    std::unique_ptr<RunWatch> watch;  // null: the slot was left out
    std::string token;                // of its last event
    int64_t read_ms = 0;              // when it was last read
  };

  Status start(Slot& slot, const std::string& token) {
    Watched watched{&slot, nullptr, token, now_ms()};
    Status status;
    if (slot.source != nullptr && slot.problem.ok()) {
      auto watch = slot.source->watch({"", token, interval_ms_});
      status = watch.status();
      if (watch.ok()) {
        watched.watch = std::move(*watch);
      } else {
        SlotStores::leave_out(slot, status);
      }
    }
    watched_.push_back(std::move(watched));
    return status;
  }

  /// True: there are slots that the last round did not have; false: all were asked.
  Result<bool> next_round() {
    const size_t had = watched_.size();
    CAIRN_TRY(stores_.open_new());
    for (size_t i = 0; i < stores_.all().size(); ++i) {
      if (i >= had) {
        (void)start(*stores_.all()[i], "");
      }
    }
    stores_.tell();
    const Slot* unread = nullptr;
    for (const Watched& watched : watched_) {
      if (watched.watch != nullptr) {
        unread = nullptr;
        break;
      }
      unread = watched.slot;
    }
    if (unread != nullptr) {
      engine::error_detail() = unread->detail;
      return unread->problem;  // none can be read
    }
    at_ = had < watched_.size() ? had : 0;
    return had < watched_.size();
  }

  /// What was told of one slot may be undone: everything is told again.
  Status start_anew() {
    watched_.clear();
    shown_.clear();
    names_.clear();
    at_ = 0;
    stores_.add_names(names_);
    for (const auto& slot : stores_.all()) {
      (void)start(*slot, "");
    }
    return {};
  }

  static void bear(Watched& watched, Status status) {
    if (status.code != Code::kAgain || now_ms() - watched.read_ms > kOwnerBusyMs) {
      SlotStores::leave_out(*watched.slot, status);
      watched.watch.reset();
    }
  }

  void rename(uint32_t slot, WatchEvent& event) {
    engine::RunRecord& record = event.run.record;
    const std::string key = with_slot(slot, record.id);
    auto shown = shown_.find(key);
    if (shown == shown_.end()) {
      names_.add(record.id, slot, !record.foreign);
      shown = shown_.emplace(key, names_.shown(record.id, slot)).first;
    }
    record.id = shown->second;
    if (event.kind == WatchKind::kErased) {
      shown_.erase(shown);
    }
  }

  [[nodiscard]] std::string token() const {
    std::string all;
    for (const Watched& watched : watched_) {
      if (!watched.token.empty()) {
        all += (all.empty() ? "" : ",") + with_slot(watched.slot->number, watched.token);
      }
    }
    return all;
  }

  SlotStores& stores_;
  const uint32_t interval_ms_;
  SlotNames names_;
  std::unordered_map<std::string, std::string> shown_;  // by slot and id
  std::vector<Watched> watched_;                        // in the order of stores_.all()
  size_t at_ = 0;                                       // the slot that is asked next
};

}  // namespace

Result<std::unique_ptr<RunWatch>> watch_slots(SlotStores& stores, const WatchRequest& request) {
  auto watch = std::make_unique<SlotsWatch>(stores, request.interval_ms);
  CAIRN_TRY(watch->open(request.token));
  return std::unique_ptr<RunWatch>(std::move(watch));
}

Result<std::unique_ptr<RunWatch>> watch_run_of_slot(Slot& slot, const std::string& id, const std::string& shown,
                                                    const WatchRequest& request) {
  const std::string prefix = with_slot(slot.number, "");
  const std::string token = request.token.starts_with(prefix) ? request.token.substr(prefix.size()) : request.token;
  CAIRN_TRY_ASSIGN(auto&& watch, slot.source->watch({id, token, request.interval_ms}));
  return std::unique_ptr<RunWatch>(std::make_unique<RunOfSlotWatch>(std::move(watch), slot.number, shown));
}

}  // namespace cairn::tools
