// Children report into their parent: each counts itself in one call, together with its own change; and a parent that is
// in another machine's store gets its updates later.
#include <cairn/cairn.hpp>
#include <iostream>
#include <string>

void resize(const std::string& image) {
  cairn::metadata::set("image", image);
  cairn::metadata::parent().append("done", image).increment("count");
}

int main() {
  auto store = cairn::Store::open("metadata");
  auto album = store.start({.id = "album"});
  for (const char* image : {"a.png", "b.png"}) {
    auto child = store.start({.task = "resize", .parent = "album"});
    const cairn::RunScope scope(child);
    resize(image);
  }

  // Both changes or neither, also after a crash.
  auto last = store.start({.task = "resize", .parent = "album"});
  store.transact([&](cairn::Transaction& t) {
    t.set(last, "image", "c.png");
    t.append(last.parent(), "done", "c.png").increment(last.parent(), "count");
  });
  std::cout << album.text() << "\n";

  // A parent that is not in this store: there is nothing to read here, and its updates wait.
  auto elsewhere = store.start({.task = "resize", .parent = "run_of_another_machine"});
  const cairn::Status s = elsewhere.parent().try_increment("count");
  std::cout << (s.code == cairn::Code::kAccepted ? "accepted" : "not accepted") << "\n";
  std::cout << (elsewhere.parent().get("count") ? "readable" : "nothing to read") << "\n";
}
