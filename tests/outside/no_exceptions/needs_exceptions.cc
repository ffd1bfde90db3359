// Must not compile with -fno-exceptions; each in its own way.
#if defined(CAIRN_TEST_CONVERSION)
#include <cairn/conversion.h>
#elif defined(CAIRN_TEST_TASK)
#include <cairn/task.h>
#elif defined(CAIRN_TEST_PACKED)
#include <cairn/packed.h>
#elif defined(CAIRN_TEST_RUNTIME)
#include <cairn/runtime.h>
#else
#include <cairn/cairn.hpp>
struct Loss {
  double train = 0;
};
inline void from_json(const cairn::json& j, Loss& loss) { loss.train = j.value("train", 0.0); }
void use_cairn(cairn::Run& run);
void use_cairn(cairn::Run& run) {
#if defined(CAIRN_TEST_THROWING_NAME)
  run.set("a", 1);
#elif defined(CAIRN_TEST_TYPED_READ)
  (void)run.try_get<Loss>("a");
#endif
}
#endif
