// A run and a key, found once, for hot loops.
#ifndef CAIRN_CELL_H
#define CAIRN_CELL_H

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "cairn/value.h"

namespace cairn {

namespace detail {

struct CloseCell {
  void operator()(cairn_cell* cell) const noexcept { (void)cairn_cell_close(cell); }
};

struct WriteCell {
  cairn_cell* cell;
  cairn_status boolean(bool v) const { return cairn_cell_set_bool(cell, v ? 1 : 0); }
  cairn_status int64(int64_t v) const { return cairn_cell_set_int64(cell, v); }
  cairn_status uint64(uint64_t v) const { return cairn_cell_set_uint64(cell, v); }
  cairn_status real(double v) const { return cairn_cell_set_double(cell, v); }
  cairn_status text(std::string_view v) const { return cairn_cell_set_string(cell, v.data(), v.size()); }
};

struct ReadCell {
  cairn_cell* cell;
  cairn_status boolean(int32_t* v) const { return cairn_cell_get_bool(cell, v); }
  cairn_status int64(int64_t* v) const { return cairn_cell_get_int64(cell, v); }
  cairn_status uint64(uint64_t* v) const { return cairn_cell_get_uint64(cell, v); }
  cairn_status real(double* v) const { return cairn_cell_get_double(cell, v); }
  cairn_status text(char* b, size_t n, size_t* needed) const { return cairn_cell_get_string(cell, b, n, needed); }
};

}  // namespace detail

/// Made by Run::bind. It may outlive the Run and the Store; its calls then fail with kFinished or kClosed.
/// Errors:   as the updates of a Run, also with Options::on_error. try_ names are the same without exceptions.
/// Threads:  any.
/// Cost:     set and increment of numbers and bools: tens of nanoseconds (hot_calls_bench measures it), no allocation.
template <class T>
class Cell {
  static_assert(std::is_arithmetic_v<T> || std::is_same_v<T, std::string>,
                "cairn: a cell holds a number, a bool or a std::string");
  using Argument = std::conditional_t<std::is_arithmetic_v<T>, T, std::string_view>;

 public:
  /// Takes ownership of the handle.
  explicit Cell(cairn_cell* handle) noexcept : handle_(handle) {}

  Cell& set(Argument value) {
    detail::check_update(detail::write(value, detail::WriteCell{handle_.get()}));
    return *this;
  }
  Status try_set(Argument value) noexcept {
    return detail::status_of(detail::write(value, detail::WriteCell{handle_.get()}));
  }

  Cell& increment(T by = 1) {
    detail::check_update(add(by));
    return *this;
  }
  Status try_increment(T by = 1) noexcept { return detail::status_of(add(by)); }

  /// The value; nullopt if the key is not there. Errors: kTypeMismatch.
  [[nodiscard]] std::optional<T> get() const {
    T value{};
    const cairn_status s = detail::read(value, "", detail::ReadCell{handle_.get()});
    detail::check(s);
    return s == CAIRN_OK ? std::optional<T>(std::move(value)) : std::nullopt;
  }
  [[nodiscard]] Result<std::optional<T>> try_get() const noexcept {
    T value{};
    const Status s = detail::attempt([&] { return detail::read(value, "", detail::ReadCell{handle_.get()}); });
    if (!s.worked()) {
      return s;
    }
    return s.ok() ? std::optional<T>(std::move(value)) : std::optional<T>();
  }

  [[nodiscard]] cairn_cell* handle() const noexcept { return handle_.get(); }

 private:
  cairn_status add(T by) noexcept {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>,
                  "cairn: only a cell of a number can be incremented");
    if constexpr (std::is_floating_point_v<T>) {
      return cairn_cell_increment_double(handle_.get(), static_cast<double>(by));
    } else {
      return cairn_cell_increment_int64(handle_.get(), static_cast<int64_t>(by));
    }
  }
  std::unique_ptr<cairn_cell, detail::CloseCell> handle_;
};

}  // namespace cairn

#endif  // CAIRN_CELL_H
