#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  auto store = cairn::Store::open("metadata");
  auto run = store.start();
  run.set("phase", "training").set("progress", 0.42).increment("steps");
  std::cout << run.get() << "\n";
  run.finish();
}
