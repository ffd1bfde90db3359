// A typed name: `constexpr cairn::Key<double> progress{"progress"};`
#ifndef CAIRN_KEY_H
#define CAIRN_KEY_H

#include <string_view>

namespace cairn {

/// Says once which type the value of a key has, so that set and get agree at compile time. It holds no run and no
/// value. The name must outlive it, as a literal does.
template <class T>
struct Key {
  std::string_view name;
  constexpr explicit Key(std::string_view n) : name(n) {}
};

}  // namespace cairn

#endif  // CAIRN_KEY_H
