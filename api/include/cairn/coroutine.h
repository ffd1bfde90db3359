// The metadata of a run inside a coroutine. C++20.
#ifndef CAIRN_COROUTINE_H
#define CAIRN_COROUTINE_H

#if !defined(__cpp_impl_coroutine)
#error "cairn/coroutine.h needs C++20 with coroutines"
#endif

#include <coroutine>
#include <optional>
#include <utility>

#include "cairn/context.h"

namespace cairn {

/// Keeps a coroutine inside the run that its first thread worked for, whatever threads resume it. Make it a local
/// variable of the coroutine, before the first co_await, and pass every co_await through it:
///
///     cairn::CoroutineScope scope;
///     co_await scope(read_part());
///     cairn::metadata::set("progress", 0.5);  // of the same run
class CoroutineScope {
 public:
  explicit CoroutineScope(const Context& context = Context::capture()) : context_(context) { enter(); }
  ~CoroutineScope() { leave(); }
  CoroutineScope(const CoroutineScope&) = delete;
  CoroutineScope& operator=(const CoroutineScope&) = delete;

  /// The awaitable, with the thread's own context put back while the coroutine is suspended.
  template <class Awaitable>
  auto operator()(Awaitable&& awaitable) {
    using Inner = decltype(awaiter_of(std::forward<Awaitable>(awaitable)));
    return Awaiter<Inner>{*this, awaiter_of(std::forward<Awaitable>(awaitable))};
  }

 private:
  template <class Inner>
  struct Awaiter {
    CoroutineScope& scope;
    Inner inner;
    bool await_ready() { return inner.await_ready(); }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> handle) {
      scope.leave();  // first: as soon as it is suspended, another thread may go on with it
      return inner.await_suspend(handle);
    }
    decltype(auto) await_resume() {
      scope.enter();
      return inner.await_resume();
    }
  };

  template <class Awaitable>
  static decltype(auto) awaiter_of(Awaitable&& awaitable) {
    if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); }) {
      return std::forward<Awaitable>(awaitable).operator co_await();
    } else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaitable)); }) {
      return operator co_await(std::forward<Awaitable>(awaitable));
    } else {
      return std::forward<Awaitable>(awaitable);
    }
  }

  void enter() { inside_.emplace(context_); }
  void leave() { inside_.reset(); }

  const Context context_;
  std::optional<RunScope> inside_;
};

}  // namespace cairn

#endif  // CAIRN_COROUTINE_H
