// A child gets no metadata of its parent's, unless it is passed on.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime runtime(store, {.threads = 1});

  const auto child = cairn::Task("child").run([](const cairn::json& payload) {
    std::cout << payload["message"] << " sees " << cairn::metadata::current() << "\n";
  });
  const auto parent = cairn::Task("parent").run([&](const cairn::json& payload) {
    cairn::metadata::set("progress", 0.5);
    runtime.trigger_and_wait(child, payload);
    runtime.trigger_and_wait(child, payload, {.metadata = cairn::metadata::current()});
  });
  runtime.trigger(parent, {{"message", "the child"}}).wait();
}
