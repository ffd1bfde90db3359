#include <cstdio>

#include "engine/json/json.h"
#include "tools/dump/dump.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::Diff;
using engine::DiffEntry;
using engine::FormKind;
using engine::Object;
using engine::Value;

const char* form_name(FormKind kind) {
  switch (kind) {
    case FormKind::kSet:
      return "set";
    case FormKind::kDelete:
      return "delete";
    case FormKind::kIncrement:
      return "increment";
    case FormKind::kList:
      return "list";
    case FormKind::kIncrementList:
      return "increment+list";
    case FormKind::kOperations:
      return "operations";
  }
  return "?";
}

std::string cut(const std::string& text) {
  constexpr size_t kShownMax = 48;
  if (text.size() <= kShownMax) {
    return text;
  }
  size_t end = kShownMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;  // not within a character
  }
  return text.substr(0, end) + "...";
}

std::string entry_text(const DiffEntry& e) {
  const std::string key = cut(printable(e.key));
  const std::string value = e.value ? cut(printable(engine::to_json(*e.value))) : "";
  const std::string result = e.value ? " -> " + value : e.gone ? " -> nothing" : "";
  switch (e.form.kind) {
    case FormKind::kSet:
      return key + " = " + value;
    case FormKind::kDelete:
      return "del " + key;
    case FormKind::kIncrement:
      return key + " += " + engine::to_json(e.form.delta) + result;
    default:
      return key + " (" + form_name(e.form.kind) + ")" + result;
  }
}

}  // namespace

std::string diff_text(const Diff& diff) {
  std::string text = std::to_string(diff.base) + ".." + std::to_string(diff.last);
  if (diff.replace) {
    text += " replace all:";
  }
  for (const DiffEntry& e : diff.entries) {
    text += (&e == &diff.entries.front() ? " " : ", ") + entry_text(e);
  }
  return text;
}

Object diff_json(const Diff& diff) {
  engine::Array entries;
  for (const DiffEntry& e : diff.entries) {
    Object entry;
    entry.push_back({"key", Value(e.key)});
    entry.push_back({"form", Value(form_name(e.form.kind))});
    if (e.form.kind == FormKind::kIncrement || e.form.kind == FormKind::kIncrementList) {
      entry.push_back({"delta", e.form.delta});
    }
    if (e.value) {
      entry.push_back({"value", *e.value});
    }
    entries.emplace_back(std::move(entry));
  }
  Object o;
  o.push_back({"base_sequence", Value(diff.base)});
  o.push_back({"last_sequence", Value(diff.last)});
  o.push_back({"updated_at", Value(iso_time(diff.updated_us))});
  o.push_back({"replace", Value(diff.replace)});
  o.push_back({"entries", Value(std::move(entries))});
  return o;
}

std::string session_text(uint64_t session) {
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(session));
  return hex;
}

}  // namespace cairn::tools
