#include "tools/store/slots_source.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/base/error_detail.h"
#include "engine/maintenance/slots.h"
#include "engine/store/store.h"
#include "tools/store/slot_stores.h"
#include "tools/store/slots_page.h"
#include "tools/store/slots_watch.h"

namespace cairn::tools {

namespace {

using engine::RunView;
using Slot = SlotStores::Slot;

/// A run of a slot.
struct Found {
  Slot* slot = nullptr;
  std::string id;     // in the slot
  std::string shown;  // of all slots
};

class SlotsSource final : public RunSource {
 public:
  SlotsSource(const Globals& globals, const std::string& directory, bool salvage)
      : stores_(globals, directory, salvage) {}
  Status open() { return stores_.open_new(); }

  Status check(const engine::RunQuery& query) override { return SlotsPage::make(query).status(); }

  Result<std::string> list(const engine::RunQuery& query, const Visit& visit) override {
    CAIRN_TRY_ASSIGN(auto&& page, SlotsPage::make(query));
    for (const auto& slot : stores_.all()) {
      if (slot->source == nullptr) {
        continue;
      }
      if (const Status status = page.read(slot->number, *slot->source); !status.ok()) {
        SlotStores::leave_out(*slot, status);
      }
    }
    return page.visit(names(), visit);
  }

  Result<RunView> find(const std::string& id, bool with_texts) override {
    CAIRN_TRY_ASSIGN(const Found found, find(id));
    CAIRN_TRY_ASSIGN(RunView run, found.slot->source->find(found.id, with_texts));
    run.record.id = found.shown;
    return run;
  }

  // They may be in any slot, whichever holds the parent.
  Result<uint64_t> children(const std::string& id) override {
    uint64_t count = 0;
    for (const auto& slot : stores_.all()) {
      if (slot->source != nullptr) {
        CAIRN_TRY_ASSIGN(const uint64_t here, slot->source->children(id_in_slot(id)));
        count += here;
      }
    }
    return count;
  }

  Result<report::Why> why(const std::string& id) override {
    CAIRN_TRY_ASSIGN(const Found found, find(id));
    return found.slot->source->why(found.id);
  }

  Status each_whole(std::set<std::string>& wanted, const Visit& visit) override {
    std::vector<std::pair<std::string, Found>> asked;
    for (const std::string& id : wanted) {
      auto found = find(id);
      if (found.ok()) {
        asked.emplace_back(id, std::move(*found));
      } else if (found.code() != Code::kNoSuchRun) {
        return found.status();
      }
    }
    const bool all = wanted.empty();
    bool go_on = true;
    for (const auto& slot : stores_.all()) {
      std::set<std::string> here;
      for (const auto& [id, found] : asked) {
        if (found.slot == slot.get()) {
          here.insert(found.id);
          wanted.erase(id);
        }
      }
      if (!go_on || slot->source == nullptr || (!all && here.empty())) {
        continue;
      }
      const Status status = slot->source->each_whole(here, [&](const RunView& run) { return go_on = visit(run); });
      if (!status.ok()) {
        SlotStores::leave_out(*slot, status);
      }
    }
    return {};
  }

  uint64_t runs_about() override {
    uint64_t runs = 0;
    for (const auto& slot : stores_.all()) {
      runs += slot->source == nullptr ? 0 : slot->source->runs_about();
    }
    return runs;
  }

  Status each_dead(const FunctionRef<bool(const DeadRun&)>& visit) override {
    bool go_on = true;
    for (const auto& slot : stores_.all()) {
      if (!go_on || slot->source == nullptr) {
        continue;
      }
      const Status status = slot->source->each_dead([&](const DeadRun& dead) {
        DeadRun shown = dead;
        shown.id = names().shown(dead.id, slot->number);
        return go_on = visit(shown);
      });
      if (!status.ok()) {
        SlotStores::leave_out(*slot, status);
      }
    }
    return {};
  }

  Result<std::unique_ptr<RunWatch>> watch(const WatchRequest& request) override {
    if (request.run.empty()) {
      return watch_slots(stores_, request);
    }
    Found found;
    if (request.token.empty()) {
      CAIRN_TRY_ASSIGN(found, find(request.run));
    } else {
      CAIRN_TRY_ASSIGN(found, of_token(request));
    }
    return watch_run_of_slot(*found.slot, found.id, found.shown, request);
  }

  Exit report_unread(const std::string& done) override { return stores_.report_unread(done); }

 private:
  const SlotNames& names() {
    if (!named_) {
      stores_.add_names(names_);
      named_ = true;
    }
    return names_;
  }

  /// Nothing: the id names no slot, or one that is not there.
  [[nodiscard]] Slot* slot_of(const std::string& id) const {
    for (const auto& slot : stores_.all()) {
      if (id.starts_with(with_slot(slot->number, ""))) {
        return slot.get();
      }
    }
    return nullptr;
  }

  [[nodiscard]] Status no_such_run(const std::string& id) const {
    return engine::fail(Status(Code::kNoSuchRun, "no such run"),
                        "there is no such run in the slots of " + stores_.directory(), id);
  }

  static Status may_be_in(const Slot& slot, const std::string& id) {
    engine::error_detail() = slot.detail;
    return engine::fail(
        slot.problem, "it may be in " + slot.directory + ", which cannot be read: " + engine::error_text(slot.problem),
        id);
  }

  Result<Found> find(const std::string& id) {
    if (Slot* const named = slot_of(id); named != nullptr) {
      return find_in(*named, id);
    }
    if (id.find('/') != std::string::npos) {
      return no_such_run(id);
    }
    std::vector<Slot*> holders;
    std::vector<Slot*> owners;
    const Slot* unread = nullptr;
    for (const auto& slot : stores_.all()) {
      const auto run = slot->source == nullptr ? slot->problem : slot->source->find(id, false);
      if (run.ok()) {
        holders.push_back(slot.get());
        if (!run->record.foreign) {
          owners.push_back(slot.get());
        }
      } else if (run.code() == Code::kInvalidArgument) {
        return run.status();
      } else if (run.code() != Code::kNoSuchRun) {
        SlotStores::leave_out(*slot, run.status());
        unread = unread == nullptr ? slot.get() : unread;
      }
    }
    const std::vector<Slot*>& choice = owners.empty() ? holders : owners;
    if (choice.size() == 1) {
      return Found{choice[0], id, id};
    }
    if (choice.empty()) {
      return unread == nullptr ? no_such_run(id) : may_be_in(*unread, id);
    }
    return engine::fail(Code::kInvalidArgument,
                        "the run is in " + std::to_string(choice.size()) + " slots: ask for " +
                            with_slot(choice[0]->number, id) + " or " + with_slot(choice[1]->number, id) +
                            (choice.size() > 2 ? ", and so on" : ""),
                        id);
  }

  Result<Found> find_in(Slot& slot, const std::string& asked) {
    const std::string id = id_in_slot(asked);
    const auto run = slot.source == nullptr ? slot.problem : slot.source->find(id, false);
    if (run.code() == Code::kNoSuchRun) {
      return engine::fail(run.status(), "there is no such run in " + slot.directory, id);
    }
    if (!run.ok()) {
      return slot.source == nullptr ? may_be_in(slot, id) : run.status();
    }
    return Found{&slot, id, names().shown(id, slot.number)};
  }

  /// The run may be erased: then only the token says where it was.
  Result<Found> of_token(const WatchRequest& request) {
    Slot* const slot = slot_of(request.token);
    const Slot* const named = slot_of(request.run);
    if (slot == nullptr || slot->source == nullptr || (named != nullptr && named != slot)) {
      return engine::fail(Code::kInvalidArgument,
                          "the token is of no watch of this run in these slots: watch without one");
    }
    return Found{slot, id_in_slot(request.run), names().shown(id_in_slot(request.run), slot->number)};
  }

  SlotStores stores_;
  SlotNames names_;  // when named_
  bool named_ = false;
};

}  // namespace

Result<std::unique_ptr<RunSource>> source_of_slots(const Globals& globals, const std::string& directory, bool salvage) {
  auto source = std::make_unique<SlotsSource>(globals, directory, salvage);
  CAIRN_TRY(source->open());
  return std::unique_ptr<RunSource>(std::move(source));
}

}  // namespace cairn::tools
