// The text of numbers as ECMAScript's Number::toString writes it, and its length without writing it.
#include <array>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>

#include "engine/json/json.h"

namespace cairn::engine {
namespace {

constexpr std::array<uint64_t, 20> kPowersOfTen = [] {
  std::array<uint64_t, 20> p{};
  uint64_t v = 1;
  for (size_t i = 0; i < p.size(); ++i, v *= 10) {
    p[i] = v;
  }
  return p;
}();

// 1233 / 4096 is log10(2) from above, near enough for 64 bits (the guess is at most 19); the comparison adds the digit
// that the guess may lack. Zero counts as one: setting the lowest bit lifts no number over a power of ten.
size_t digits_of(uint64_t u) {
  const uint64_t v = u | 1;
  const size_t guess = static_cast<size_t>(std::bit_width(v) * 1233) >> 12;
  return guess + (v >= kPowersOfTen[guess] ? 1 : 0);
}

constexpr size_t kDigitsMax = 17;

/// The shortest digits that give `d` back: d = 0.DIGITS * 10^point.
struct Shortest {
  char digits[kDigitsMax];
  int count = 0;
  int point = 0;
};

Shortest shortest_of(double magnitude) {
  char text[32];  // D.DDDDDDDDDDDDDDDDe-XXX
  const char* end = std::to_chars(text, text + sizeof text, magnitude, std::chars_format::scientific).ptr;
  Shortest s;
  const char* at = text;
  for (; *at != 'e'; ++at) {
    if (*at != '.') {
      s.digits[s.count++] = *at;
    }
  }
  const bool negative = at[1] == '-';
  int exponent = 0;
  for (at += 2; at != end; ++at) {
    exponent = exponent * 10 + (*at - '0');
  }
  s.point = (negative ? -exponent : exponent) + 1;
  return s;
}

char* put(char* out, const char* from, int count) {
  std::memcpy(out, from, static_cast<size_t>(count));
  return out + count;
}

char* put_zeros(char* out, int count) {
  std::memset(out, '0', static_cast<size_t>(count));
  return out + count;
}

char* put_exponent(char* out, const Shortest& s) {
  *out++ = s.digits[0];
  if (s.count > 1) {
    *out++ = '.';
    out = put(out, s.digits + 1, s.count - 1);
  }
  *out++ = 'e';
  const int exponent = s.point - 1;
  *out++ = exponent < 0 ? '-' : '+';
  return std::to_chars(out, out + 4, std::abs(exponent)).ptr;
}

constexpr double kExactBelow = 1125899906842624.0;  // 2^50
constexpr double kRoundsToInteger = 0x1.8p52;       // adding it leaves no bits below 1 (SSE2, round to nearest)
constexpr std::array<double, 7> kScales = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

/// A function of its own, so that the fast path has no buffer and thus no stack guard.
[[gnu::noinline]] size_t formatted_bytes(double d) {
  char text[kDoubleTextMax];
  return format_double(d, text);
}

}  // namespace

size_t format_double(double d, char* out) {
  assert(std::isfinite(d));
  char* const begin = out;
  if (d == 0) {
    *out = '0';
    return 1;
  }
  if (d < 0) {
    *out++ = '-';
  }
  const Shortest s = shortest_of(std::fabs(d));
  if (s.point > 21 || s.point <= -6) {
    out = put_exponent(out, s);
  } else if (s.count <= s.point) {
    out = put_zeros(put(out, s.digits, s.count), s.point - s.count);
  } else if (s.point > 0) {
    out = put(out, s.digits, s.point);
    *out++ = '.';
    out = put(out, s.digits + s.point, s.count - s.point);
  } else {
    *out++ = '0';
    *out++ = '.';
    out = put(put_zeros(out, -s.point), s.digits, s.count);
  }
  assert(static_cast<size_t>(out - begin) <= kDoubleTextMax);
  return static_cast<size_t>(out - begin);
}

// Let k be the least number of decimals for which some integer r gives r / 10^k == d (a correctly rounded division, as
// 10^k is exact). While |d * 10^k| < 2^50, the product is off from that r by less than 2^-1, so rounding it finds r if
// there is one; and there is at most one, as two neighbours both rounding to d would need an ulp of d above 10^-k. The
// shortest text has a fixed place of its first digit, so fewest digits are fewest decimals: its digits are r's. From
// 1e-6 on (r is not 0 for k <= 6) the notation is fixed, so its length follows from k and r.
size_t double_text_bytes(double d) {
  assert(std::isfinite(d));
  for (size_t k = 0; k < kScales.size(); ++k) {
    const double scaled = d * kScales[k];
    if (!(std::fabs(scaled) < kExactBelow)) {
      break;
    }
    const double rounded = (scaled + kRoundsToInteger) - kRoundsToInteger;
    if (rounded / kScales[k] == d) {
      const auto r = static_cast<int64_t>(rounded);
      const size_t sign = r < 0 ? 1 : 0;
      const size_t digits = digits_of(static_cast<uint64_t>(r < 0 ? -r : r));
      return k == 0 ? sign + digits : sign + (digits > k ? digits : k + 1) + 1;
    }
  }
  return formatted_bytes(d);
}

size_t integer_text_bytes(uint64_t u) { return digits_of(u); }

size_t integer_text_bytes(int64_t i) {
  const auto u = static_cast<uint64_t>(i);
  return i < 0 ? 1 + digits_of(0 - u) : digits_of(u);
}

}  // namespace cairn::engine
