// A training loop that survives its own NaN: an update that is refused is told, counted and logged, and the loop goes
// on.
#include <cairn/cairn.hpp>
#include <iostream>

int main() {
  cairn::Options options;
  options.on_error = [](const cairn::Error& error) {
    std::cerr << error.what() << "\n";  // names run and key
    if (error.code() != cairn::Code::kNotFinite) {
      throw error;  // a full disk ends the loop
    }
  };
  auto store = cairn::Store::open("metadata", options);
  auto run = store.start({.id = "train-7"});
  double weight = 1;
  for (int step = 1; step <= 6; ++step) {
    const double loss = (weight - weight) * step + (step == 4 ? weight / (weight - weight) : 1.0 / step);
    run.set("step", step).set("loss", loss);
  }
  run.finish();
  std::cout << run.text() << "\n" << store.stats().refused_updates << " update was refused\n";
}
