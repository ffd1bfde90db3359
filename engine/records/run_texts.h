// The large texts of a run, which are written once and never with an update: what it was given, and what it gave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"

namespace cairn::engine {

inline constexpr size_t kRunTextBytesMax = 256u << 10;
inline constexpr size_t kTextTypeBytesMax = 128;

/// A text, and what it is: "application/json".
struct TypedText {
  std::string type;
  std::string text;
  bool operator==(const TypedText&) const = default;
};

/// Stored; never renumbered. Bits, so that several have one number.
enum class TextKind : uint8_t {
  kPayload = 1,
  kOutput = 2,
  kSeed = 4,  // the metadata that it was triggered with: JSON
};
inline constexpr TextKind kTextKinds[] = {TextKind::kPayload, TextKind::kOutput, TextKind::kSeed};

struct RunTexts {
  std::optional<TypedText> payload;
  std::optional<TypedText> output;
  std::optional<TypedText> seed;

  [[nodiscard]] const std::optional<TypedText>& of(TextKind kind) const {
    return kind == TextKind::kPayload ? payload : kind == TextKind::kOutput ? output : seed;
  }
  [[nodiscard]] std::optional<TypedText>& of(TextKind kind) {
    return kind == TextKind::kPayload ? payload : kind == TextKind::kOutput ? output : seed;
  }
  /// The bits of those that are there.
  [[nodiscard]] uint8_t kinds() const;
  [[nodiscard]] size_t bytes() const;
  bool operator==(const RunTexts&) const = default;
};

/// `from`'s texts take the place of those in `into`.
void take_texts(RunTexts& into, const RunTexts& from);

/// kTooLarge, kInvalidUtf8.
Status check_run_texts(const RunTexts& texts);

/// A map of kind to [type, text], in the order of their numbers.
void write_texts(MsgpackWriter& out, const RunTexts& texts);
/// A kind that this version does not know is left out. False: malformed, or over a limit.
bool read_texts(MsgpackCursor& in, RunTexts& texts);

}  // namespace cairn::engine
