#include "engine/sync/about.h"

#include <cstdint>
#include <utility>

#include "engine/json/json.h"

namespace cairn::engine::sync {

namespace {

enum AboutMember : uint8_t { kAboutHost = 1, kAboutDirectory = 2, kAboutProcess = 3, kAboutInterval = 4 };

constexpr uint64_t kAboutNumberMax = INT32_MAX;  // of process ids, and 24 days
constexpr std::string_view kCutOff = "...";

bool begins_character(char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }

std::string fitting_text(std::string_view text) {
  std::string out(text);
  if (!valid_utf8(out)) {
    for (char& c : out) {
      c = static_cast<uint8_t>(c) < 0x80 ? c : '?';
    }
  }
  if (out.size() <= kAboutBytesMax) {
    return out;
  }
  size_t from = out.size() - (kAboutBytesMax - kCutOff.size());
  while (from < out.size() && !begins_character(out[from])) {
    ++from;
  }
  return std::string(kCutOff) + out.substr(from);
}

/// Leaves `into` if the value is no text that it may be.
void use_text(std::string_view span, std::string& into) {
  MsgpackCursor in(span);
  std::string_view text;
  if (in.read_string(text) && text.size() <= kAboutBytesMax && valid_utf8(text)) {
    into = text;
  }
}

void use_number(std::string_view span, uint64_t& into) {
  MsgpackCursor in(span);
  uint64_t number = 0;
  if (in.read_unsigned(number) && number <= kAboutNumberMax) {
    into = number;
  }
}

}  // namespace

void write_about(MsgpackWriter& out, const About& about) {
  const std::pair<AboutMember, const std::string*> texts[] = {{kAboutHost, &about.host},
                                                              {kAboutDirectory, &about.directory}};
  const std::pair<AboutMember, uint64_t> numbers[] = {{kAboutProcess, about.process},
                                                      {kAboutInterval, about.interval_ms}};
  size_t members = 0;
  for (const auto& [member, text] : texts) {
    members += text->empty() ? 0 : 1;
  }
  for (const auto& [member, number] : numbers) {
    members += number == 0 ? 0 : 1;
  }
  out.write_map(members);
  for (const auto& [member, text] : texts) {
    if (!text->empty()) {
      out.write_unsigned(member);
      out.write_string(fitting_text(*text));
    }
  }
  for (const auto& [member, number] : numbers) {
    if (number != 0) {
      out.write_unsigned(member);
      out.write_unsigned(number);
    }
  }
}

bool read_about(MsgpackCursor& in, About& about) {
  return in.read_members([&](uint64_t number) {
    std::string_view span;
    if (!in.read_span(span)) {
      return false;
    }
    if (number == kAboutHost || number == kAboutDirectory) {
      use_text(span, number == kAboutHost ? about.host : about.directory);
    } else if (number == kAboutProcess || number == kAboutInterval) {
      use_number(span, number == kAboutProcess ? about.process : about.interval_ms);
    }
    return true;
  });
}

}  // namespace cairn::engine::sync
