// Updates of several runs that take effect together, or not at all, also after a crash.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  auto parent = store.start({"parent", "nightly"});
  auto child = store.start({"child", "shard", "parent"});
  parent.set("done", 0).set("shards", {{"total", 2}});

  // A child that ends and its parent that counts it.
  store.transact([&](cairn::Transaction& t) {
    t.set(child, "rows", 1200);
    t.increment(parent, "done");
    t.append(parent, "finished", "child");
  });
  std::cout << "parent " << parent.get() << "\n"
            << "child " << child.get() << "\n";

  // The last update does not fit the value there, so none of them happens.
  auto t = store.begin();
  t.set(child, "rows", 1300).remove(parent, "done", 1);
  try {
    t.commit();
  } catch (const cairn::Error& e) {
    std::cout << "update " << e.index() << ": " << e.what() << "\n";
  }
  std::cout << "child " << child.get() << "\n";
}
