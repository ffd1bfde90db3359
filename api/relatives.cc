// Handles of the runs that a run names: its parent and its root.
#include "api/refused.h"
#include "engine/store/upstream.h"

namespace {

using cairn::Result;
using cairn::Status;
using cairn::api::check_open;
using cairn::api::check_writable;
using cairn::api::guarded;
using cairn::api::guarded_update;
using cairn::api::invalid;
using cairn::engine::Run;
using cairn::engine::RunRecord;
using cairn::engine::RunRef;
using cairn::engine::Store;

using Find = Result<RunRef> (Store::*)(Run&);

cairn_status related(cairn_run* run, cairn_run** other, Find find, std::string RunRecord::*id) noexcept {
  return guarded_update(run, {}, [&]() -> Status {
    CAIRN_TRY(check_open(run));
    if (other == nullptr) {
      return invalid("parent, root: a null pointer");
    }
    *other = nullptr;
    if (run->engine != nullptr) {
      auto found = (run->engine->*find)(*run->run);
      if (!found.ok()) {
        return found.status();
      }
      *other = new cairn_run(run->store.get(), std::move(*found), run->durability);
      return {};
    }
    auto self = run->store->reading->read(run->id, run->created_lsn);
    if (!self.ok()) {
      return self.status();
    }
    const std::string& name = self->record.*id;
    auto found = name.empty() ? self : run->store->reading->find(name);
    if (!found.ok()) {
      return found.status();
    }
    *other = new cairn_run(run->store.get(), found->record);
    return {};
  });
}

}  // namespace

extern "C" {

cairn_status cairn_run_parent(cairn_run* run, cairn_run** parent) noexcept {
  return related(run, parent, &Store::parent, &RunRecord::parent);
}

cairn_status cairn_run_root(cairn_run* run, cairn_run** root) noexcept {
  return related(run, root, &Store::root, &RunRecord::root);
}

cairn_status cairn_run_flush(cairn_run* run) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(run));
    return run->engine->barrier();
  });
}

// Without an upstream there is nothing to ask for.
cairn_status cairn_run_refresh(cairn_run* run) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(run));
    return run->engine == nullptr || !run->engine->upstream().attached() ? Status()
                                                                         : run->engine->refresh(run->run->id);
  });
}

}  // extern "C"
