// Functions around a run: of one task, and of all tasks of a runtime.
#include <cairn/cairn.hpp>
#include <iostream>
#include <stdexcept>

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime::Options options;
  options.hooks.on_start([] { cairn::metadata::set("progress", 0.0); });
  options.hooks.on_complete([](const cairn::TaskEvent& e) {
    std::cout << e.task << " " << cairn::name(e.status) << " " << cairn::metadata::current() << "\n";
  });
  cairn::Runtime runtime(store, std::move(options));

  const auto task = cairn::Task("good")
                        .run([] { cairn::metadata::set("worked", true); })
                        .on_start([] { cairn::metadata::set("progress", 0.5); })
                        .on_success([] { cairn::metadata::set("progress", 1.0); });
  runtime.trigger(task).wait();

  const auto bad = cairn::Task("bad")
                       .run([] { throw std::runtime_error("no such file"); })
                       .on_failure([](const cairn::TaskEvent& e) { cairn::metadata::set("why", e.error); });
  const auto handle = runtime.trigger(bad);
  handle.wait();
  std::cout << "recorded: " << handle.run().info().error << "\n";
}
