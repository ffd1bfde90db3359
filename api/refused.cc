#include "api/refused.h"

#include <algorithm>

namespace cairn::api {

namespace {

thread_local bool g_telling = false;

}  // namespace

cairn_status refused(cairn_store* store, std::string_view run, std::string_view key, cairn_status status) noexcept {
  name_in_error(run, key);
  if (status == CAIRN_FORKED) {
    return status;
  }
  store->refused_updates.fetch_add(1, std::memory_order_relaxed);
  if (store->hooks == nullptr || !store->hooks->hears_errors() || g_telling) {
    return status;
  }
  cairn_error told = thread_error();
  told.struct_bytes = sizeof told;
  told.told = 1;
  g_telling = true;
  store->hooks->on_error(told);
  g_telling = false;
  thread_error() = told;
  return status;
}

cairn_status refused(cairn_store* store, const std::vector<engine::Store::RunOperation>& operations, size_t failed,
                     cairn_status status) noexcept {
  if (failed < operations.size()) {
    return refused(store, operations[failed].run->id, key_of(operations[failed].op), status);
  }
  const auto is_other = [&](const engine::Store::RunOperation& o) { return o.run != operations.front().run; };
  const auto is_named = [](const engine::Store::RunOperation& o) { return o.run->id == thread_error().key; };
  auto at_fault = std::find_if(operations.begin(), operations.end(), is_named);
  if (at_fault == operations.end() && std::none_of(operations.begin(), operations.end(), is_other)) {
    at_fault = operations.begin();
  }
  return refused(store, at_fault == operations.end() ? std::string_view() : at_fault->run->id, {}, status);
}

}  // namespace cairn::api
