// The part of light_header.cc that includes only light.hpp. That takes numbers, bools, strings and time points; a
// struct or json is refused by the compiler with the words "include cairn/cairn.hpp".
#include <cairn/light.hpp>
#include <cstdint>

bool train(cairn::Run& run, cairn::Transaction& transaction);

namespace {
// It does not know the run: it updates that of its thread.
void report(const char* phase) { cairn::metadata::set("phase", phase).append("log", phase); }
}  // namespace

bool train(cairn::Run& run, cairn::Transaction& transaction) {
  report("training");
  run.set("seed", UINT64_MAX);
  double rate = run.get<double>("$.rates.begin").value_or(1.0);
  cairn::Cell<double> loss = run.bind<double>("loss");
  while (rate >= run.get<double>("$.rates.end").value_or(1.0)) {
    loss.set(rate * 2);
    run.increment("steps");
    rate /= 2;
  }
  report("done");
  transaction.set(run, "ok", true).append(run, "log", loss.get().value_or(0)).append(run, "log", 3).commit();
  return run.get<bool>("ok").value_or(false);
}
