// Must not compile: light.hpp is not enough for it.
#include "cairn/light.hpp"

struct Loss {
  double train = 0;
};
void use_light(cairn::Run& run, cairn::Transaction& transaction);
void use_light([[maybe_unused]] cairn::Run& run, [[maybe_unused]] cairn::Transaction& transaction) {
#if defined(CAIRN_TEST_STRUCT)
  run.set("loss", Loss{});
#elif defined(CAIRN_TEST_ITEM)
  transaction.append(run, "losses", Loss{});
#elif defined(CAIRN_TEST_BRACES)
  run.set("loss", {{"train", 0.3}});
#elif defined(CAIRN_TEST_BRACES_OF_THE_THREAD)
  cairn::metadata::set("loss", {{"train", 0.3}});
#elif defined(CAIRN_TEST_SAVE)
  run.save(Loss{});
#elif defined(CAIRN_TEST_READ_STRUCT)
  (void)run.get<Loss>("loss");
#elif defined(CAIRN_TEST_READ_JSON)
  (void)run.get("loss");
#elif defined(CAIRN_TEST_READ_ALL)
  (void)run.get();
#elif defined(CAIRN_TEST_TRY_CURRENT)
  (void)run.try_current();
#elif defined(CAIRN_TEST_CURRENT_OF_THE_THREAD)
  (void)cairn::metadata::current();
#elif defined(CAIRN_TEST_INFO)
  (void)run.info();
#elif defined(CAIRN_TEST_TRY_INFO)
  (void)run.try_info();
#endif
}
