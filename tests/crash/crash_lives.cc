#include "tests/crash/crash_lives.h"

namespace cairn::testing {

using engine::Durability;
using engine::OperationType;
using engine::Value;

void whole_life(RecordedLife& life, uint64_t seed) {
  SeededRandom random(derive_seed(seed, 9));
  life.open().start("one").keys("one", 1, 6);
  life.start("two", 2).keys("two", 2, 6);
  life.start("five", 5, Durability::kPower).keys("five", 5, 10);
  life.start("fifty").keys("fifty", 50, 60);  // moves from slot to larger slot
  life.flush().keys("one", 1, 3).keys("fifty", 50, 5);
  life.transact({{"one", set_operation("moved", 1)},
                 {"two", set_operation("moved", 1)},
                 {"five", {OperationType::kIncrement, "n", 1}}});
  life.keys("two", 2, 3, Durability::kPower).barrier().keys("five", 5, 4);
  life.tags("two", {"x", "y"}).status("one", engine::RunStatus::kWaiting);
  life.checkpoint().keys("one", 1, 4);
  life.transact({{"fifty", set_operation("k1", 1)}, {"one", set_operation("k0", 2)}}, Durability::kPower);
  life.finish("two").erase("five").start("five", 1).keys("five", 5, 3);
  for (int i = 0; i < 8; ++i) {  // enough for several segments
    life.set("fifty", "text", Value(random.text(1500)), i % 3 == 0 ? Durability::kPower : Durability::kDefault);
    life.set("one", "text", Value(random.text(1500)));
    life.step(600);
  }
  life.checkpoint().keys("fifty", 50, 3).wait_durable().keys("one", 1, 2);
  life.close().open().resume("one").keys("one", 1, 3).flush().finish("one", Durability::kPower).close();
}

void short_life(RecordedLife& life) {
  life.open().start("one", 1).start("two", 2, Durability::kPower);
  life.keys("one", 1, 2).keys("two", 2, 3).flush();
  life.transact({{"one", set_operation("a", 1)}, {"two", {OperationType::kIncrement, "n", 1}}});
  life.keys("two", 2, 2).set("one", "text", Value(std::string(600, 't'))).barrier().checkpoint();
  life.keys("one", 1, 1)
      .tags("two", {"x"})
      .erase("one")
      .start("one")
      .keys("one", 1, 2)
      .finish("two", Durability::kPower);
  life.close().open().resume("one").keys("one", 1, 2).flush().checkpoint().close();
}

}  // namespace cairn::testing
