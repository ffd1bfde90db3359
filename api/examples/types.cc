// What metadata may be: an object of whatever JSON can hold, and time points as text.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime runtime(store);
  const auto task = cairn::Task("task").run([] { std::cout << cairn::metadata::current() << "\n"; });

  for (const cairn::json& wrong :
       {cairn::json::array({{{"user", "Eric"}}}), cairn::json("this is the metadata"), cairn::json(nullptr)}) {
    try {
      runtime.trigger(task, cairn::json(), {.metadata = wrong});
    } catch (const cairn::Error& e) {
      std::cout << wrong << ": " << e.what() << "\n";
    }
  }
  // A function, an address or a class without a conversion does not compile:
  //   cairn::metadata::set("user", [] { return "Eric"; });

  const cairn::TimePoint date = *cairn::from_iso8601<cairn::TimePoint::duration>("2026-11-23T10:00:00.000Z");
  runtime
      .trigger(task, cairn::json(), {.metadata = {{"user", {{"name", "Eric"}, {"id", "user_1234"}}}, {"date", date}}})
      .wait();
}
