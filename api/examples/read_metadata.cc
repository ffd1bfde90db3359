// The whole metadata of a run, one key of it, and keys as a type.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime runtime(store);
  constexpr cairn::Key<double> progress{"progress"};

  const auto read = cairn::Task("read").run([&] {
    std::cout << cairn::metadata::current() << "\n";
    std::cout << (*cairn::metadata::get("user"))["name"] << "\n";
    std::cout << *cairn::metadata::get(progress) + 0.5 << "\n";
    if (!cairn::metadata::get("not there")) {
      std::cout << "nothing at that key\n";
    }
  });
  runtime.trigger(read, cairn::json(), {.metadata = {{"user", {{"name", "Eric"}}}, {"progress", 0.25}}}).wait();
}
