// The history of a run's numbers.
#include "engine/store/history.h"

#include <utility>
#include <vector>

#include "api/handles.h"

using cairn::Code;
using cairn::Status;
using cairn::api::invalid;

extern "C" {

cairn_status cairn_run_history(cairn_run* run, const char* key, size_t key_bytes,
                               int32_t (*visit)(void* context, int64_t time_us, double value), void* context) noexcept {
  return cairn::api::guarded([&]() -> Status {
    CAIRN_TRY(cairn::api::check_writable(run));
    if (visit == nullptr) {
      return invalid("visit: a null pointer");
    }
    CAIRN_TRY(cairn::api::check_key_bytes(key, key_bytes));
    cairn::engine::History* history = run->engine->history();
    if (history == nullptr) {
      return invalid("the history is off: open the store with history_interval_ms");
    }
    const cairn::engine::RunView view = run->engine->view(*run->run, false);
    if (view.erased) {
      return cairn::engine::fail(Code::kErased, "the run " + run->run->id + " was erased");
    }
    std::vector<std::pair<int64_t, double>> points;  // visit may be slow, and steps go on meanwhile
    history->each(view.record.id, view.record.created_lsn, cairn::api::view_of(key, key_bytes),
                  [&points](int64_t time_us, double value) { points.emplace_back(time_us, value); });
    for (const auto& [time_us, value] : points) {
      if (visit(context, time_us, value) != 0) {
        break;
      }
    }
    return {};
  });
}

}  // extern "C"
