// light.hpp alone, and each template used once. Then cairn.hpp in the same file, if CAIRN_TEST_BOTH is defined.
#include "cairn/light.hpp"

#ifdef INCLUDE_NLOHMANN_JSON_HPP_
#error "light.hpp includes nlohmann/json.hpp"
#endif

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace {
constexpr cairn::Key<double> kProgress{"progress"};
}  // namespace

cairn::Status try_light(cairn::Run& run, cairn::Transaction& transaction);
cairn::Status try_light(cairn::Run& run, cairn::Transaction& transaction) {
  CAIRN_TRY(run.try_set("a", 1));
  CAIRN_TRY(run.try_set(kProgress, 0.5));
  CAIRN_TRY(run.try_append("b", "x"));
  CAIRN_TRY(run.try_remove("b", "x"));
  CAIRN_TRY(run.try_increment("a"));
  CAIRN_TRY(run.try_del("a"));
  CAIRN_TRY_ASSIGN(auto cell, run.try_bind<double>("c"));
  CAIRN_TRY(cell.try_set(0.5));
  CAIRN_TRY_ASSIGN(const auto value, cell.try_get());
  CAIRN_TRY_ASSIGN(const auto progress, run.try_get(kProgress));
  CAIRN_TRY_ASSIGN(const auto text, run.try_text());
  CAIRN_TRY(transaction.try_set(run, "a", value.value_or(0) + progress.value_or(0)));
  CAIRN_TRY(transaction.try_append(run, "b", text));
  CAIRN_TRY(transaction.try_remove(run, "b", nullptr));
  CAIRN_TRY(cairn::metadata::try_set("a", true));
  CAIRN_TRY_ASSIGN(const auto name, cairn::metadata::try_get<std::string>("name"));
  return name ? transaction.try_commit() : run.try_finish();
}

#if defined(__cpp_exceptions)
void use_light(cairn::Run& run, cairn::Transaction& transaction);
void use_light(cairn::Run& run, cairn::Transaction& transaction) {
  run.set("a", 1).set("b", uint64_t{1}).set("c", true).set("d", nullptr).set("e", std::string("x")).set(kProgress, 0.5);
  run.set("f", std::chrono::system_clock::now()).set("g", std::string_view("x")).set("h", 'x').set("i", 0.5F);
  run.append("l", 1).append("l", "x").remove("l", true).remove("l", nullptr).append("l", UINT64_MAX).increment("a");
  const auto time = run.get<cairn::TimePoint>("f");
  run.set("j", time.value_or(cairn::TimePoint{})).decrement("a", 0.5).del("a");
  run.set("k", run.id() + run.text() + run.get<std::string>("e").value_or("") + std::string(name(cairn::RunStatus{})));
  cairn::Cell<int64_t> cell = run.bind<int64_t>("m");
  cell.set(run.get<int8_t>("b").value_or(0)).increment();
  transaction.set(run, "a", UINT64_MAX).append(run, "l", 0.5).remove(run, "l", "x").increment(run, "a").commit();
  const cairn::RunScope scope(run);
  cairn::metadata::set("a", 1).increment("a").append("l", "x");
  cairn::metadata::parent().increment("done");
  cairn::Context::capture().run([] { cairn::metadata::set(kProgress, *cairn::metadata::get(kProgress)); });
  run.with(cairn::Durability::kPower).set_status(cairn::RunStatus::kWaiting).set_tags({"a"});
  (void)run.history("a");
}
#endif

#ifdef CAIRN_TEST_BOTH
#include "cairn/cairn.hpp"

namespace {
struct Loss {
  double train = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Loss, train)
}  // namespace

void use_both(cairn::Store& store);
void use_both(cairn::Store& store) {
  cairn::Run run = store.start({"id", "task"});
  run.set("a", 1).set("b", Loss{}).set("c", {{"k", 1}}).set(kProgress, 0.5);
  cairn::Transaction transaction = store.begin();
  use_light(run, transaction);
  if (run.get() == run.current<cairn::json>() && run.get("a") && run.get<Loss>("b") && run.info().tags.empty()) {
    cairn::metadata::set("b", Loss{}).set("c", {{"k", 1}});
    (void)cairn::metadata::current();
  }
}
#endif
