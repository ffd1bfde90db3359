#include "engine/records/run_texts.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "engine/json/json.h"

namespace cairn::engine {

uint8_t RunTexts::kinds() const {
  uint8_t bits = 0;
  for (const TextKind kind : kTextKinds) {
    bits |= of(kind) ? static_cast<uint8_t>(kind) : 0;
  }
  return bits;
}

size_t RunTexts::bytes() const {
  size_t all = 0;
  for (const TextKind kind : kTextKinds) {
    all += of(kind) ? of(kind)->type.size() + of(kind)->text.size() : 0;
  }
  return all;
}

void take_texts(RunTexts& into, const RunTexts& from) {
  for (const TextKind kind : kTextKinds) {
    if (from.of(kind)) {
      into.of(kind) = from.of(kind);
    }
  }
}

Status check_run_texts(const RunTexts& texts) {
  for (const TextKind kind : kTextKinds) {
    if (!texts.of(kind)) {
      continue;
    }
    if (texts.of(kind)->text.size() > kRunTextBytesMax) {
      return {Code::kTooLarge, kind == TextKind::kPayload  ? "the payload is over 256 KiB"
                               : kind == TextKind::kOutput ? "the output is over 256 KiB"
                                                           : "the metadata of the trigger is over 256 KiB"};
    }
    if (texts.of(kind)->type.size() > kTextTypeBytesMax) {
      return {Code::kTooLarge, "the type of a payload or an output is over 128 bytes"};
    }
    if (!valid_utf8(texts.of(kind)->text) || !valid_utf8(texts.of(kind)->type)) {
      return {Code::kInvalidUtf8, "a payload or an output is not UTF-8"};
    }
  }
  return {};
}

void write_texts(MsgpackWriter& out, const RunTexts& texts) {
  size_t count = 0;
  for (const TextKind kind : kTextKinds) {
    count += texts.of(kind) ? 1 : 0;
  }
  out.write_map(count);
  for (const TextKind kind : kTextKinds) {
    if (texts.of(kind)) {
      out.write_unsigned(static_cast<uint8_t>(kind));
      out.write_array(2);
      out.write_string(texts.of(kind)->type);
      out.write_string(texts.of(kind)->text);
    }
  }
}

bool read_texts(MsgpackCursor& in, RunTexts& texts) {
  const bool read = in.read_members([&](uint64_t number) {
    const auto* kind = std::find_if(std::begin(kTextKinds), std::end(kTextKinds),
                                    [number](TextKind known) { return static_cast<uint64_t>(known) == number; });
    if (kind == std::end(kTextKinds)) {
      std::string_view later;
      return in.read_span(later);
    }
    size_t fields = 0;
    std::string_view type;
    std::string_view text;
    if (!in.read_array(fields) || fields != 2 || !in.read_string(type) || !in.read_string(text)) {
      return false;
    }
    if (type.size() > kTextTypeBytesMax || text.size() > kRunTextBytesMax) {
      return false;
    }
    texts.of(*kind) = TypedText{std::string(type), std::string(text)};
    return true;
  });
  return read && check_run_texts(texts).ok();
}

}  // namespace cairn::engine
