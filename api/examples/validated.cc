// Metadata as a struct of one's own, checked when it is read. The date is text in the store and a time point here.
#include <cairn/cairn.hpp>
#include <iostream>

struct User {
  std::string name;
  std::string id;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(User, name, id)

struct Metadata {
  User user;
  cairn::TimePoint date;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Metadata, user, date)

int main() {
  auto store = cairn::Store::open("metadata");
  cairn::Runtime runtime(store);
  const auto task = cairn::Task("task").run([] {
    const auto metadata = *cairn::metadata::current<Metadata>();
    std::cout << metadata.user.name << " " << metadata.user.id << " " << cairn::to_iso8601(metadata.date) << "\n";
  });

  const auto right = runtime.trigger(
      task, cairn::json(),
      {.metadata = {{"user", {{"name", "Eric"}, {"id", "user_1234"}}}, {"date", "2026-11-23T10:00:00.000Z"}}});
  std::cout << cairn::name(right.wait().status) << "\n";
  const auto wrong = runtime.trigger(task, cairn::json(), {.metadata = {{"user", {{"name", "Eric"}, {"id", 1234}}}}});
  std::cout << wrong.wait().error << "\n";
}
