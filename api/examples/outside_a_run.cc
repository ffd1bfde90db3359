// Outside a run updates do nothing and reads give nothing, so a library may always call them.
#include <cairn/cairn.hpp>
#include <iostream>
#include <thread>

void do_some_work() {
  cairn::metadata::set("progress", 0.5);
  const auto progress = cairn::metadata::get<double>("progress");
  std::cout << (progress ? "progress " + std::to_string(*progress) : "no run, no progress") << "\n";
}

int main() {
  do_some_work();

  auto store = cairn::Store::open("metadata");
  const auto run = store.start();
  const cairn::RunScope scope(run);
  do_some_work();

  // A thread of its own is outside, unless the context is carried there.
  std::thread(do_some_work).join();
  std::thread(cairn::Context::capture().wrap(do_some_work)).join();
}
