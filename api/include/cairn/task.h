// A task: a run function with hooks around it, to be triggered by a Runtime (runtime.h).
//
//     const cairn::Task resize = cairn::Task("resize")
//                                    .run([](const Image& image) { ... cairn::metadata::set("progress", 0.5); ... })
//                                    .on_success([] { cairn::metadata::set("progress", 1.0); });
#ifndef CAIRN_TASK_H
#define CAIRN_TASK_H

#if !defined(__cpp_exceptions)
#error "cairn/task.h needs exceptions: a run function fails by throwing"
#endif

#include <chrono>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cairn/conversion.h"
#include "cairn/json_conversion.h"
#include "cairn/options.h"
#include "cairn/run.h"

namespace cairn {

/// The argument of a hook, if it takes one.
struct TaskEvent {
  std::string_view task;
  std::string_view run;  // the run's id
  const json& payload;
  int attempt = 1;  // from 1
  RunStatus status = RunStatus::kExecuting;
  const json& output;      // of the run function; null before it succeeded
  std::string_view error;  // what it threw; empty if it did not
};

/// Functions around a run, of a task or of all tasks of a Runtime. They run inside the run's scope, on its thread.
/// Each takes a const TaskEvent& or nothing.
/// Order: on_start of the runtime, then of the task, once before the first attempt; after the last attempt on_success
/// or on_failure, then on_complete, of the task first and then of the runtime.
/// An exception of on_start or on_success fails the run, without another attempt. An exception of on_failure or
/// on_complete is reported to the runtime's on_error and changes nothing.
class Hooks {
 public:
  using Function = std::function<void(const TaskEvent&)>;

  template <class F>
  Hooks& on_start(F f) & {
    return add(start_, std::move(f));
  }
  template <class F>
  Hooks& on_success(F f) & {
    return add(success_, std::move(f));
  }
  template <class F>
  Hooks& on_failure(F f) & {
    return add(failure_, std::move(f));
  }
  template <class F>
  Hooks& on_complete(F f) & {
    return add(complete_, std::move(f));
  }

  [[nodiscard]] const Function& start() const { return start_; }
  [[nodiscard]] const Function& success() const { return success_; }
  [[nodiscard]] const Function& failure() const { return failure_; }
  [[nodiscard]] const Function& complete() const { return complete_; }

 private:
  template <class F>
  Hooks& add(Function& to, F f) {
    if constexpr (std::is_invocable_v<F&, const TaskEvent&>) {
      to = std::move(f);
    } else {
      static_assert(std::is_invocable_v<F&>, "cairn: a hook takes a const cairn::TaskEvent& or nothing");
      to = [f = std::move(f)](const TaskEvent&) mutable { f(); };
    }
    return *this;
  }
  Function start_, success_, failure_, complete_;
};

/// How often a run function that throws is called. Between attempts the run is WAITING.
struct Retry {
  int attempts = 1;                       // in all, with the first
  std::chrono::milliseconds delay{1000};  // before the second; each further one waits `factor` times longer
  double factor = 2;
  std::chrono::milliseconds delay_max{30'000};
};

namespace detail {

/// The parameter type of a run function, which is a function or an object with operator().
template <class F>
struct ParameterOf;
template <class C, class R, class P>
struct ParameterOf<R (C::*)(P) const> {
  using type = std::decay_t<P>;
};
template <class C, class R, class P>
struct ParameterOf<R (C::*)(P)> {
  using type = std::decay_t<P>;
};
template <class R, class P>
struct ParameterOf<R (*)(P)> {
  using type = std::decay_t<P>;
};
template <class F, class = void>
struct PayloadOf : ParameterOf<decltype(&std::decay_t<F>::operator())> {};
template <class F>
struct PayloadOf<F, std::enable_if_t<std::is_pointer_v<F>>> : ParameterOf<F> {};

template <class F, class... Args>
json call_for_json(F& f, Args&&... args) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&, Args...>>) {
    f(std::forward<Args>(args)...);
    return nullptr;
  } else {
    using R = std::decay_t<std::invoke_result_t<F&, Args...>>;
    return JsonConversion<R>::to_value(f(std::forward<Args>(args)...));
  }
}

/// Converts the payload to the type that the run function takes. Throws Error with kTypeMismatch; the text has the
/// path, what was expected and what was found.
template <class P>
P payload_as(const json& payload) {
  if constexpr (std::is_same_v<P, json>) {
    return payload;
  } else {
    P value{};
    const std::vector<uint8_t> bytes = json::to_msgpack(payload);
    check(convert(std::string(bytes.begin(), bytes.end()), "", value));
    return value;
  }
}

}  // namespace detail

/// A copy shares nothing with the original; a Runtime makes its own copy.
class Task {
 public:
  using Function = std::function<json(const json& payload)>;

  explicit Task(std::string id) : id_(std::move(id)) {}

  /// The run function. Takes nothing, the payload as json, or the payload as a type with a from_json (a payload that
  /// does not fit fails the run, without another attempt). What it returns is the run's output. It fails by throwing.
  template <class F>
  Task& run(F f) & {
    if constexpr (std::is_invocable_v<F&>) {
      function_ = [f = std::move(f)](const json&) mutable { return detail::call_for_json(f); };
    } else {
      using Payload = typename detail::PayloadOf<F>::type;
      function_ = [f = std::move(f)](const json& payload) mutable {
        const Payload typed = detail::payload_as<Payload>(payload);
        return detail::call_for_json(f, typed);
      };
    }
    return *this;
  }
  Task& retry(Retry retry) & {
    retry_ = retry;
    return *this;
  }
  /// The payload, or the output, is kept with each run, for whoever reads it and for the upstream. Without that neither
  /// is written anywhere: arguments may be secret. One of more than 256 KiB: the trigger fails (kTooLarge), or the output
  /// is left out and on_error is told.
  Task& record_payload(bool on = true) & {
    records_payload_ = on;
    return *this;
  }
  Task& record_output(bool on = true) & {
    records_output_ = on;
    return *this;
  }
  template <class F>
  Task& on_start(F f) & {
    hooks_.on_start(std::move(f));
    return *this;
  }
  template <class F>
  Task& on_success(F f) & {
    hooks_.on_success(std::move(f));
    return *this;
  }
  template <class F>
  Task& on_failure(F f) & {
    hooks_.on_failure(std::move(f));
    return *this;
  }
  template <class F>
  Task& on_complete(F f) & {
    hooks_.on_complete(std::move(f));
    return *this;
  }
  // The same on a temporary, so that a task can be written as one expression.
  template <class F>
  Task&& run(F f) && {
    return std::move(run(std::move(f)));
  }
  Task&& retry(Retry r) && { return std::move(retry(r)); }
  Task&& record_payload(bool on = true) && { return std::move(record_payload(on)); }
  Task&& record_output(bool on = true) && { return std::move(record_output(on)); }
  template <class F>
  Task&& on_start(F f) && {
    return std::move(on_start(std::move(f)));
  }
  template <class F>
  Task&& on_success(F f) && {
    return std::move(on_success(std::move(f)));
  }
  template <class F>
  Task&& on_failure(F f) && {
    return std::move(on_failure(std::move(f)));
  }
  template <class F>
  Task&& on_complete(F f) && {
    return std::move(on_complete(std::move(f)));
  }

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const Function& function() const { return function_; }
  [[nodiscard]] const Hooks& hooks() const { return hooks_; }
  [[nodiscard]] const Retry& retry() const { return retry_; }
  [[nodiscard]] bool records_payload() const { return records_payload_; }
  [[nodiscard]] bool records_output() const { return records_output_; }

 private:
  std::string id_;
  Function function_;
  Hooks hooks_;
  Retry retry_;
  bool records_payload_ = false;
  bool records_output_ = false;
};

}  // namespace cairn

#endif  // CAIRN_TASK_H
