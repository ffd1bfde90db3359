// A run that reports how far it is.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime runtime(store, {.threads = 1});

  const auto work = cairn::Task("work").run([] {
    for (const double progress : {0.1, 0.5, 1.0}) {
      // ... some work ...
      cairn::metadata::set("progress", progress);
      std::cout << cairn::metadata::current() << "\n";
    }
  });
  runtime.trigger(work).wait();
}
