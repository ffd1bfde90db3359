// The limit of a run's metadata: 4,096 bytes of JSON, or what the options or TASK_RUN_METADATA_MAXIMUM_SIZE say.
#include <stdlib.h>

#include <cairn/cairn.hpp>
#include <iostream>
#include <string>

int main() {
  {
    auto store = cairn::Store::open("metadata");
    auto run = store.start();
    run.set("text", std::string(4000, 'x'));
    try {
      run.set("more", std::string(100, 'x'));
    } catch (const cairn::Error& e) {
      std::cout << e.key() << " needs " << e.needed() << " of " << e.limit()
                << " bytes; nothing changed: " << run.text().size() << "\n";
    }
  }
  setenv("TASK_RUN_METADATA_MAXIMUM_SIZE", "16384", 1);
  auto store = cairn::Store::open("metadata");
  auto run = store.start();
  run.set("text", std::string(10'000, 'x'));
  std::cout << run.text().size() << "\n";
}
