// Listing runs: by filters, page by page, and all of them in a loop; and a store that keeps few finished runs.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  cairn::Options options;
  options.background = false;
  options.retain_finished_max = 3;
  auto store = cairn::Store::open("metadata", options);
  const std::string parent = store.start({.id = "import", .task = "import"}).id();
  for (int i = 1; i <= 6; ++i) {
    auto run = store.start({.id = "part_" + std::to_string(i),
                            .task = "part",
                            .parent = parent,
                            .tags = {i % 2 == 0 ? "even" : "odd"},
                            .metadata = {{"rows", 100 * i}}});
    if (i <= 5) {
      run.finish(i == 4 ? cairn::RunStatus::kFailed : cairn::RunStatus::kCompleted);
    }
  }

  for (const cairn::RunInfo& run : store.runs({.parent = parent, .order = cairn::Order::kId, .limit = 2})) {
    std::cout << run.id << " " << cairn::name(run.status) << "\n";  // a page of two at a time
  }
  const cairn::Page even = store.list({.tags = {"even"}, .order = cairn::Order::kId, .metadata = true, .limit = 2});
  for (const cairn::RunInfo& run : even.runs) {
    std::cout << run.id << " " << *run.metadata << "\n";
  }
  std::cout << (even.cursor.empty() ? "that is all" : "there are more") << "\n";
  std::cout << store.list({.text = "\"rows\":600"}).runs.at(0).id << "\n";

  store.barrier();
  store.step();  // erases the two oldest finished runs
  std::cout << store.list({.parent = parent}).runs.size() << " parts are left\n";
}
