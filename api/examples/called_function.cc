// Metadata from any function that a run calls: nothing has to be passed down.
#include <cairn/cairn.hpp>
#include <iostream>

void do_some_work() { cairn::metadata::set("progress", 0.5); }

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime runtime(store);
  const auto task = cairn::Task("task").run([] { do_some_work(); });
  const auto handle = runtime.trigger(task);
  handle.wait();
  std::cout << handle.run().current() << "\n";
}
