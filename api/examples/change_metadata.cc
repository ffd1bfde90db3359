// Setting a key, replacing everything, deleting a key; and the updates that say what changes rather than the result.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime runtime(store);
  namespace metadata = cairn::metadata;

  const auto change = cairn::Task("change").run([] {
    metadata::set("progress", 0.5);
    std::cout << metadata::current() << "\n";
    metadata::save({{"progress", 0.6}, {"left", 3}});
    std::cout << metadata::current() << "\n";
    metadata::del("progress");
    std::cout << metadata::current() << "\n";
    metadata::increment("done").decrement("left").append("logs", "one").append("logs", "two").remove("logs", "one");
    std::cout << metadata::current() << "\n";
  });
  runtime.trigger(change).wait();
}
