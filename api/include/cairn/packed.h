// Writes structs to metadata and reads them through msgpack-c (MSGPACK_DEFINE_MAP), without a JSON value in between:
// for programs that use msgpack-c anyway. Not included by cairn.hpp; needs its headers (MSGPACK_NO_BOOST works).
//
//     struct Settings { double rate = 0; std::string mode; MSGPACK_DEFINE_MAP(rate, mode) };
//     cairn::packed::save(run, Settings{0.1, "fast"});
//     const auto settings = cairn::packed::current<Settings>(run);
//
// Durability, threads and errors: those of Run's calls of the same names. MSGPACK_DEFINE_MAP leaves members that are
// missing as they are; MSGPACK_DEFINE_ARRAY makes an array, which cannot be a whole metadata object (kTypeMismatch).
// Binary members (std::vector<char>) have no JSON form: kInvalidMsgpack.
#ifndef CAIRN_PACKED_H
#define CAIRN_PACKED_H

#if !defined(__cpp_exceptions)
#error "cairn/packed.h needs exceptions: msgpack-c throws if a value does not fit"
#endif
#if defined(__has_include)
#if !__has_include(<msgpack.hpp>)
#error "cairn/packed.h needs msgpack-c (Debian: libmsgpack-cxx-dev)"
#endif
#endif

#include <msgpack.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/json_conversion.h"
#include "cairn/options.h"
#include "cairn/run.h"

namespace cairn::packed {

namespace detail {

template <class T>
::msgpack::sbuffer bytes_of(const T& value) {
  ::msgpack::sbuffer bytes;
  ::msgpack::pack(bytes, value);
  return bytes;
}

template <class T>
cairn_status convert(const std::string& bytes, std::string_view key, T& value) {
  const std::string where = key.empty() ? "the metadata" : std::string(key);
  try {
    const ::msgpack::object_handle handle = ::msgpack::unpack(bytes.data(), bytes.size());
    handle->convert(value);
    return CAIRN_OK;
  } catch (const ::msgpack::type_error&) {
    return cairn::detail::set_error(Code::kTypeMismatch, std::string(key),
                                    where + ": does not fit the struct: " + json::from_msgpack(bytes).dump());
  }
}

}  // namespace detail

/// Replaces the whole metadata by `object`.
template <class T>
void save(Run& run, const T& object) {
  const ::msgpack::sbuffer bytes = detail::bytes_of(object);
  cairn::detail::check_update(cairn_run_replace_msgpack(run.handle(), bytes.data(), bytes.size()));
}

/// Sets `key` to `value`.
template <class T>
void set(Run& run, std::string_view key, const T& value) {
  const ::msgpack::sbuffer bytes = detail::bytes_of(value);
  cairn::detail::check_update(cairn_run_set_msgpack(run.handle(), key.data(), key.size(), bytes.data(), bytes.size()));
}

/// The whole metadata as a T. Errors: kTypeMismatch.
template <class T>
[[nodiscard]] T current(const Run& run) {
  std::string bytes;
  cairn::detail::check(cairn::detail::read_bytes(bytes, [&](char* buffer, size_t capacity, size_t* needed) {
    return cairn_run_current_msgpack(run.handle(), buffer, capacity, needed, nullptr);
  }));
  T value{};
  cairn::detail::check(detail::convert(bytes, "", value));
  return value;
}

/// The value at `key` as a T; nullopt if it is not there. Errors: kTypeMismatch.
template <class T>
[[nodiscard]] std::optional<T> get(const Run& run, std::string_view key) {
  std::string bytes;
  const cairn_status s = cairn::detail::read_bytes(bytes, [&](char* buffer, size_t capacity, size_t* needed) {
    return cairn_run_get_msgpack(run.handle(), key.data(), key.size(), buffer, capacity, needed);
  });
  cairn::detail::check(s);
  if (s == CAIRN_NOT_FOUND) {
    return std::nullopt;
  }
  std::optional<T> value(std::in_place);
  cairn::detail::check(detail::convert(bytes, key, *value));
  return value;
}

}  // namespace cairn::packed

#endif  // CAIRN_PACKED_H
