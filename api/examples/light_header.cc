// A program of two files: this one opens the store, so it includes cairn.hpp. The other one only updates and reads the
// run that it is given, so light.hpp is enough for it, which compiles several times faster.
#include <cairn/cairn.hpp>
#include <iostream>

bool train(cairn::Run& run, cairn::Transaction& transaction);  // light_header_training.cc

int main() {
  auto store = cairn::Store::open("metadata");
  auto run = store.start({"training", "train"});
  run.set("rates", {{"begin", 0.5}, {"end", 0.125}}).set("steps", 0);

  auto transaction = store.begin();
  const cairn::RunScope scope(run);
  const bool good = train(run, transaction);
  run.finish(good ? cairn::RunStatus::kCompleted : cairn::RunStatus::kFailed);

  const cairn::json metadata = run.get();
  for (const auto& [key, value] : metadata.items()) {
    std::cout << key << " " << value << "\n";
  }
  std::cout << *run.get<uint64_t>("seed") << " " << cairn::name(run.info().status) << "\n";
}
