// The C++ headers alone, and each template used once.
#include "cairn/cairn.hpp"

namespace {
struct Loss {
  double train = 0;
  double test = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Loss, train, test)
constexpr cairn::Key<double> kProgress{"progress"};
}  // namespace

void use_cairn(cairn::Store& store);
void use_cairn(cairn::Store& store) {
  cairn::Run run = store.start({"id", "task"});
  run.set("a", 1)
      .set("b", Loss{})
      .set(kProgress, 0.5)
      .append("c", "x")
      .remove("c", "x")
      .increment("a")
      .decrement("a", 0.5);
  run.set("d", {{"k", 1}}).save({{"a", 1}});
  cairn::Cell<double> cell = run.bind(kProgress);
  cell.set(0.75).increment();
  if (run.get(kProgress).has_value() && run.get<Loss>("b") && run.try_set("x", 1).ok()) {
    (void)run.current<Loss>();
  }
  store.transact([&](cairn::Transaction& t) { t.set(run, "a", 1); });
  run.finish();
}
