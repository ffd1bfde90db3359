// Metadata that is given when a run is triggered, and read while it runs.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime runtime(store);

  const auto greet = cairn::Task("greet").run([](const cairn::json& payload) {
    const auto user = cairn::metadata::get("user");
    std::cout << payload["message"] << " " << (*user)["name"] << " " << (*user)["id"] << "\n";
  });

  const auto handle = runtime.trigger(greet, {{"message", "hello world"}},
                                      {.metadata = {{"user", {{"name", "Eric"}, {"id", "user_1234"}}}}});
  std::cout << cairn::name(handle.wait().status) << "\n";
}
