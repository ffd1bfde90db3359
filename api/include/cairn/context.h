// Which run the calling thread works for: what the functions of cairn::metadata act on.
#ifndef CAIRN_CONTEXT_H
#define CAIRN_CONTEXT_H

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "cairn/run.h"

namespace cairn {

namespace detail {

/// The innermost scope of this thread. There is one variable in the whole process, however many libraries use it.
struct Scope {
  std::shared_ptr<Run> run;  // null: outside a run
  Scope* outer = nullptr;
};
__attribute__((visibility("default"))) inline thread_local Scope* innermost = nullptr;

inline Run* current_run() noexcept { return innermost == nullptr ? nullptr : innermost->run.get(); }

}  // namespace detail

/// The run that a thread works for, if any: to take into another thread, a callback or a coroutine. It keeps the run's
/// memory alive, not its store: after the store was closed, updates fail with kClosed.
/// Threads: any; a copy is cheap.
class Context {
 public:
  /// Outside any run.
  Context() = default;
  /// A context of `run`, which may be destroyed afterwards.
  explicit Context(const Run& run) : run_(std::make_shared<Run>(run.share())) {}

  [[nodiscard]] static Result<Context> try_of(const Run& run) noexcept {
    Result<Run> shared = run.try_share();
    if (!shared.ok()) {
      return shared.status();
    }
    Context context;
    const Status s = detail::attempt([&] {
      context.run_ = std::make_shared<Run>(std::move(*shared));
      return CAIRN_OK;
    });
    return s.ok() ? Result<Context>(std::move(context)) : Result<Context>(s);
  }

  /// The run that the calling thread works for now.
  [[nodiscard]] static Context capture() {
    Context context;
    if (detail::innermost != nullptr) {
      context.run_ = detail::innermost->run;
    }
    return context;
  }

  [[nodiscard]] bool inside_run() const noexcept { return run_ != nullptr; }

  /// Calls `f(args...)` inside this context.
  template <class F, class... Args>
  decltype(auto) run(F&& f, Args&&... args) const;

  /// A callable that runs `f` inside this context, on whatever thread it is called: for callbacks and thread pools.
  template <class F>
  [[nodiscard]] auto wrap(F f) const {
    // The result type is spelled out so that a caller can test whether the callable takes some arguments: std::jthread
    // tests for a std::stop_token.
    return [context = *this, f = std::move(f)](auto&&... args) mutable -> std::invoke_result_t<F&, decltype(args)...> {
      return context.run(f, std::forward<decltype(args)>(args)...);
    };
  }

 private:
  friend class RunScope;
  std::shared_ptr<Run> run_;
};

/// Until it is destroyed, the thread that made it works for this run. Scopes nest; the innermost one counts.
/// Lives on the stack of one thread: do not keep it over a co_await (see coroutine.h).
class RunScope {
 public:
  explicit RunScope(const Run& run) : RunScope(Context(run)) {}
  explicit RunScope(const Context& context) : scope_{context.run_, detail::innermost} { detail::innermost = &scope_; }
  ~RunScope() { detail::innermost = scope_.outer; }
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;

 private:
  detail::Scope scope_;
};

template <class F, class... Args>
decltype(auto) Context::run(F&& f, Args&&... args) const {
  const RunScope scope(*this);
  return std::forward<F>(f)(std::forward<Args>(args)...);
}

}  // namespace cairn

#endif  // CAIRN_CONTEXT_H
