// Must not compile: a type without a conversion, and the address of a function.
#include "cairn/cairn.hpp"

struct Opaque {
  void* handle;
};
#ifdef CAIRN_TEST_FUNCTION
void use_cairn(cairn::Run& run) { run.set("callback", &use_cairn); }
#elif defined(CAIRN_TEST_READ)
void use_cairn(cairn::Run& run) { (void)run.get<Opaque>("opaque"); }
#else
void use_cairn(cairn::Run& run) { run.set("opaque", Opaque{}); }
#endif
