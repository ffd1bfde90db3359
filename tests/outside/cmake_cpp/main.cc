// Typed C++ in a store of its own. Prints what it read back.
#include <cairn/cairn.hpp>
#include <iostream>

struct Loss {
  double train = 0;
  double test = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Loss, train, test)

int main(int, char** argv) {
  auto store = cairn::Store::open(argv[1]);
  auto run = store.start({.id = "outside", .task = "train"});
  run.set("progress", 0.5).set("loss", Loss{0.25, 0.75}).increment("steps", 3);
  std::cout << run.text() << " " << run.get<Loss>("loss")->test << "\n";
  run.finish();
  store.close();
}
