// A reference to a callable that is only called before the call it is passed to returns. Unlike std::function it owns
// nothing: no memory, no copy, nothing to destroy. It cannot be copied, so that no code keeps one.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace cairn {

template <class Signature>
class FunctionRef;

/// Taken as `const FunctionRef<R(Args...)>&`, which binds to a lambda.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F, class = std::enable_if_t<std::is_invocable_r_v<R, F&, Args...>>>
  FunctionRef(F&& callable) noexcept  // NOLINT(google-explicit-constructor)
      : callable_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* c, Args... args) -> R {
          return std::invoke(*static_cast<std::remove_reference_t<F>*>(c), std::forward<Args>(args)...);
        }) {}
  FunctionRef(const FunctionRef&) = delete;
  FunctionRef& operator=(const FunctionRef&) = delete;

  R operator()(Args... args) const { return call_(callable_, std::forward<Args>(args)...); }

 private:
  void* callable_;
  R (*call_)(void* callable, Args... args);
};

}  // namespace cairn
