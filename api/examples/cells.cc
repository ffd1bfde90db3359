// A cell pins a run and a key: the fastest way to report from a hot loop.
#include <cairn/cairn.hpp>
#include <iostream>

namespace {
constexpr cairn::Key<double> kProgress{"progress"};
constexpr cairn::Key<int64_t> kItems{"items"};
}  // namespace

int main() {
  auto store = cairn::Store::open("metadata");
  auto run = store.start();
  cairn::Cell<double> progress = run.bind(kProgress);
  cairn::Cell<int64_t> items = run.bind(kItems);
  constexpr int kCount = 1'000'000;
  for (int i = 1; i <= kCount; ++i) {
    items.increment();
    progress.set(static_cast<double>(i) / kCount);
  }
  std::cout << run.get() << "\n";

  // A cell is never dangling: after the end of its run it says so.
  run.finish();
  const cairn::Status late = progress.try_set(0.5);
  std::cout << (late.code == cairn::Code::kFinished ? "the run is finished" : late.what) << "\n";
}
