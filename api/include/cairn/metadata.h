// The metadata of the run that this thread works for, from anywhere in the code (see context.h).
//
//     cairn::metadata::set("progress", 0.5).increment("steps");
//
// Outside a run updates do nothing and reads give nothing, so library code may call these in any case. Inside a run
// they are the calls of Run: the same values, durability and errors; plain names throw, try_ names return a Status.
// Cost: that of the Run's call, and a thread-local load.
#ifndef CAIRN_METADATA_H
#define CAIRN_METADATA_H

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "cairn/context.h"
#include "cairn/run.h"

namespace cairn::metadata {

/// What an update returns, to chain another one. Valid as long as the current run: use it in the same expression.
class Updates {
 public:
  /// With null all updates do nothing.
  explicit Updates(Run* run = cairn::detail::current_run()) noexcept : run_(run) {}
  /// Updates of another run than the current one.
  explicit Updates(Run&& run) : owned_(std::make_shared<Run>(std::move(run))), run_(owned_.get()) {}

  template <class T = json>
  const Updates& set(std::string_view key, const T& value) const {  // {...} needs cairn/cairn.hpp
    return on_run([&](Run& run) { run.set(key, value); });
  }
  template <class T>
  const Updates& set(const Key<T>& key, const typename cairn::detail::Same<T>::type& value) const {
    return set<T>(key.name, value);
  }
  const Updates& del(std::string_view key) const {
    return on_run([&](Run& run) { run.del(key); });
  }
  template <class T = json>
  const Updates& append(std::string_view key, const T& value) const {  // {...} needs cairn/cairn.hpp
    return on_run([&](Run& run) { run.append(key, value); });
  }
  template <class T = json>
  const Updates& remove(std::string_view key, const T& value) const {  // {...} needs cairn/cairn.hpp
    return on_run([&](Run& run) { run.remove(key, value); });
  }
  template <class N = int64_t>
  const Updates& increment(std::string_view key, N by = 1) const {
    return on_run([&](Run& run) { run.increment(key, by); });
  }
  template <class N = int64_t>
  const Updates& decrement(std::string_view key, N by = 1) const {
    return on_run([&](Run& run) { run.decrement(key, by); });
  }
  template <class T = json>
  const Updates& save(const T& object) const {  // {...} needs cairn/cairn.hpp
    return on_run([&](Run& run) { run.save(object); });
  }

 private:
  template <class Update>
  const Updates& on_run(Update&& update) const {
    if (run_ != nullptr) {
      update(*run_);
    }
    return *this;
  }
  std::shared_ptr<Run> owned_;
  Run* run_;
};

template <class T = json>
Updates set(std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
  return Updates().set(key, value);
}
template <class T>
Updates set(const Key<T>& key, const typename cairn::detail::Same<T>::type& value) {
  return Updates().set(key, value);
}
inline Updates del(std::string_view key) { return Updates().del(key); }
template <class T = json>
Updates append(std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
  return Updates().append(key, value);
}
template <class T = json>
Updates remove(std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
  return Updates().remove(key, value);
}
template <class N = int64_t>
Updates increment(std::string_view key, N by = 1) {
  return Updates().increment(key, by);
}
template <class N = int64_t>
Updates decrement(std::string_view key, N by = 1) {
  return Updates().decrement(key, by);
}
template <class T = json>
Updates save(const T& object) {  // {...} needs cairn/cairn.hpp
  return Updates().save(object);
}

namespace detail {

/// If the run cannot be opened and on_error was called for that, the updates do nothing.
inline Updates updates_of(cairn_status (*find)(cairn_run*, cairn_run**)) {
  const Run* run = cairn::detail::current_run();
  cairn_run* other = nullptr;
  if (run != nullptr) {
    cairn::detail::check_update(find(run->handle(), &other));
  }
  return other == nullptr ? Updates(nullptr) : Updates(Run(other));
}

}  // namespace detail

/// Updates of the current run's parent, and of its root: metadata::parent().increment("done").append("log", "x"). See
/// Run::parent for those that are not in this store. Cost: a lookup, and the updates.
[[nodiscard]] inline Updates parent() { return detail::updates_of(cairn_run_parent); }
[[nodiscard]] inline Updates root() { return detail::updates_of(cairn_run_root); }

/// What was updated before is durable once it returns; see Run::flush.
inline void flush() {
  if (Run* run = cairn::detail::current_run(); run != nullptr) {
    run->flush();
  }
}
/// See Run::refresh.
inline void refresh() {
  if (Run* run = cairn::detail::current_run(); run != nullptr) {
    run->refresh();
  }
}

template <class T = json>
Status try_set(std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
  Run* run = cairn::detail::current_run();
  return run == nullptr ? Status() : run->try_set(key, value);
}
template <class N = int64_t>
Status try_increment(std::string_view key, N by = 1) noexcept {
  Run* run = cairn::detail::current_run();
  return run == nullptr ? Status() : run->try_increment(key, by);
}
template <class T = json>
Status try_append(std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
  Run* run = cairn::detail::current_run();
  return run == nullptr ? Status() : run->try_append(key, value);
}

template <class T = json>
Status try_remove(std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
  Run* run = cairn::detail::current_run();
  return run == nullptr ? Status() : run->try_remove(key, value);
}
inline Status try_del(std::string_view key) noexcept {
  Run* run = cairn::detail::current_run();
  return run == nullptr ? Status() : run->try_del(key);
}
template <class T = json>
Status try_save(const T& object) noexcept {  // {...} needs cairn/cairn.hpp
  Run* run = cairn::detail::current_run();
  return run == nullptr ? Status() : run->try_save(object);
}
template <class T = json>
[[nodiscard]] Result<std::optional<cairn::detail::Readable<T>>> try_get(std::string_view key) noexcept {
  using Value = std::optional<cairn::detail::Readable<T>>;
  Run* run = cairn::detail::current_run();
  return run == nullptr ? Result<Value>(Value()) : run->try_get<T>(key);
}

/// The value at `key`; nothing if it is not there, or outside a run. Errors: kTypeMismatch.
template <class T = json>
[[nodiscard]] std::optional<cairn::detail::Readable<T>> get(std::string_view key) {
  Run* run = cairn::detail::current_run();
  return run == nullptr ? std::nullopt : run->get<T>(key);
}
template <class T>
[[nodiscard]] std::optional<cairn::detail::Readable<T>> get(const Key<T>& key) {
  return get<T>(key.name);
}
/// The whole metadata, as json or as a type with a from_json; nothing outside a run.
template <class T>
[[nodiscard]] std::optional<cairn::detail::FromJson<T>> current() {
  Run* run = cairn::detail::current_run();
  return run == nullptr ? std::nullopt : std::optional<cairn::detail::FromJson<T>>(run->current<T>());
}
/// The whole metadata: an object, or null outside a run.
template <int = 0, class Json = json>
[[nodiscard]] cairn::detail::FromJson<Json> current() {
  Run* run = cairn::detail::current_run();
  return run == nullptr ? cairn::detail::FromJson<Json>() : run->current<Json>();
}
/// The same.
template <int = 0, class Json = json>
[[nodiscard]] cairn::detail::FromJson<Json> get() {
  return current<0, Json>();
}

}  // namespace cairn::metadata

#endif  // CAIRN_METADATA_H
