// -fno-exceptions -fno-rtti: the C ABI and the try_ names. Prints what it read back.
#include <cairn/cairn.hpp>
#include <cstdio>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "compile this with -fno-exceptions -fno-rtti"
#endif

namespace {

constexpr cairn::Key<double> kProgress{"progress"};

bool write(cairn::Store& store, cairn::Run& run) {
  const auto cell = run.try_bind<int64_t>("steps");
  auto transaction = store.try_begin();
  return run.try_set("phase", "training").ok() && run.try_set(kProgress, 0.5).ok() &&
         run.try_set("loss", {{"train", 0.25}}).ok() && cell.ok() && run.try_append("log", "begun").ok() &&
         transaction.ok() && transaction->try_increment(run, "steps", 3).ok() && transaction->try_commit().ok();
}

bool read(const cairn::Run& run) {
  const auto progress = run.try_get(kProgress);
  const auto all = run.try_current();
  const auto absent = run.try_get<int64_t>("absent");
  const auto wrong = run.try_get<int64_t>("phase");
  if (!progress.ok() || *progress != 0.5 || !all.ok() || !absent.ok() || absent->has_value()) {
    return false;
  }
  std::printf("%s\n%s\n", all->dump().c_str(), wrong.ok() ? "no error" : cairn::last_error().what());
  return wrong.code() == cairn::Code::kTypeMismatch;
}

bool inside(const cairn::Run& run) {
  const auto context = cairn::Context::try_of(run);
  if (!context.ok() || !cairn::metadata::try_set("inside", false).ok()) {
    return false;
  }
  const cairn::RunScope scope(*context);
  return cairn::metadata::try_set("inside", true).ok() && cairn::metadata::try_get<bool>("inside")->value_or(false);
}

bool carry(cairn::Sync sync) {
  size_t bytes = 0;
  const auto deliver = [&bytes](std::string_view message) { bytes = message.size(); };
  const auto next = sync.try_attach("up").ok() ? sync.try_next(deliver) : sync.try_next([](std::string_view) {});
  const auto state = sync.try_state();
  const auto released = sync.try_release("outside", cairn::SyncRelease::kSkip);
  return next.ok() && bytes != 0 && state.ok() && state->in_flight_bytes == bytes && sync.try_feed("none").ok() &&
         !sync.try_receive("none", deliver).ok() && sync.try_each_dead_letter([](const cairn::DeadLetter&) {}).ok() &&
         released.ok() && !*released && sync.try_detach().ok();
}

}  // namespace

int main(int, char** argv) {
  auto store = cairn::Store::try_open(argv[1]);
  if (!store.ok()) {
    return 1;
  }
  auto watch = store->try_watch();
  auto run = store->try_start({"outside", "train"});
  size_t count = 0;
  if (!run.ok() || !write(*store, *run) || !inside(*run) || !read(*run) ||
      !store->try_each([&count](const cairn::RunInfo&) { ++count; }).ok() || count != 1 || !run->try_finish().ok()) {
    std::printf("%s\n", cairn::last_error().what());
    return 1;
  }
  if (!store->try_barrier().ok() || !carry(store->sync())) {
    std::printf("%s\n", cairn::last_error().what());
    return 1;
  }
  const auto event = watch.ok() ? watch->try_next() : cairn::Result<std::optional<cairn::WatchEvent>>(watch.status());
  if (!event.ok() || !event->has_value() || (*event)->run != run->try_info()->id) {
    return 1;
  }
  return store->try_close().worked() ? 0 : 1;
}
