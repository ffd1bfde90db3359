// A run's metadata by its id, from outside the run.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  {
    cairn::Runtime runtime(store);
    const auto task = cairn::Task("task").run([] { cairn::metadata::set("progress", 1.0); });
    runtime.trigger(task, cairn::json(), {.id = "run_1234"}).wait();
  }
  const auto run = store.find("run_1234");
  std::cout << run->current() << " " << cairn::name(run->info().status) << "\n";
  std::cout << (store.find("run_none") ? "there" : "no such run") << "\n";
}
