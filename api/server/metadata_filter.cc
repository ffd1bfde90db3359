#include "api/server/metadata_filter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/document/path_apply.h"
#include "engine/document/stored_document.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

using engine::Segment;
using engine::Type;
using engine::Value;

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kOperators = "=!<>~";

// The longer ones first: "<=" begins as "<" does.
constexpr std::array<std::pair<std::string_view, Comparison>, 7> kComparisons = {{{"!=", Comparison::kUnequal},
                                                                                  {"<=", Comparison::kAtMost},
                                                                                  {">=", Comparison::kAtLeast},
                                                                                  {"=", Comparison::kEqual},
                                                                                  {"<", Comparison::kLess},
                                                                                  {">", Comparison::kGreater},
                                                                                  {"~", Comparison::kContains}}};

void skip_blanks(std::string_view& text) { text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size())); }

/// Cuts off what stands in front of one of `ends`, or of the end.
std::string_view take_until(std::string_view& text, std::string_view ends) {
  const std::string_view out = text.substr(0, text.find_first_of(ends));
  text.remove_prefix(out.size());
  return out;
}

/// A JSON text in quotes at the start of `text`, which is cut off.
std::optional<std::string> take_quoted(std::string_view& text) {
  size_t end = 1;
  while (end < text.size() && text[end] != '"') {
    end += text[end] == '\\' ? 2 : 1;
  }
  if (end >= text.size()) {
    return std::nullopt;
  }
  const auto parsed = engine::parse_json(text.substr(0, end + 1));
  text.remove_prefix(end + 1);
  const std::string* out = parsed.ok() ? parsed.value().get<std::string>() : nullptr;
  return out != nullptr ? std::optional(*out) : std::nullopt;
}

Result<std::vector<Segment>> path_of(std::string_view key) {
  return engine::parse_path(engine::is_path(key) ? std::string(key) : "$." + std::string(key));
}

std::string why_no_path(std::string_view key) {
  const auto path = path_of(key);
  if (!path.ok() || path->empty()) {
    return "'" + std::string(key) + "' is no path, such as user.id";
  }
  const bool is_one =
      std::all_of(path->begin(), path->end(), [](const Segment& s) { return s.kind == Segment::Kind::kName; });
  return is_one ? "" : "'" + std::string(key) + "' may stand for several places: name one";
}

std::optional<MetadataTerm> take_term(std::string_view& text, std::string& wrong) {
  MetadataTerm out;
  out.path = take_until(text, " \t=!<>~");
  skip_blanks(text);
  const auto found = std::find_if(kComparisons.begin(), kComparisons.end(),
                                  [&text](const auto& one) { return text.starts_with(one.first); });
  if (found == kComparisons.end() || out.path.empty()) {
    wrong = "must be KEY OP VALUE, with OP one of = != < <= > >= ~";
    return std::nullopt;
  }
  if (wrong = why_no_path(out.path); !wrong.empty()) {
    return std::nullopt;
  }
  out.how = found->second;
  text.remove_prefix(found->first.size());
  skip_blanks(text);
  out.is_text = text.starts_with('"');
  if (out.is_text) {
    const auto quoted = take_quoted(text);
    if (!quoted || (!text.empty() && kBlanks.find(text[0]) == std::string_view::npos)) {
      wrong = "has a text in quotes that is no JSON text, or goes on behind it";
      return std::nullopt;
    }
    out.value = *quoted;
    return out;
  }
  out.value = take_until(text, kBlanks);
  if (out.value.empty() || kOperators.find(out.value[0]) != std::string_view::npos) {
    wrong = "has no value after the " + std::string(found->first) + "; an empty text is \"\"";
    return std::nullopt;
  }
  return out;
}

/// -1, 0, 1. Exact also where one is a whole number that no double holds.
int compare_numbers(const Value& a, const Value& b) {
  const auto wide = [](const Value& v) -> long double {
    if (const auto* i = v.get<int64_t>()) {
      return static_cast<long double>(*i);
    }
    if (const auto* u = v.get<uint64_t>()) {
      return static_cast<long double>(*u);
    }
    return static_cast<long double>(*v.get<double>());
  };
  const long double x = wide(a);
  const long double y = wide(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

}  // namespace

std::optional<std::vector<MetadataTerm>> read_metadata_terms(std::string_view text, std::string& wrong) {
  std::vector<MetadataTerm> out;
  for (skip_blanks(text); !text.empty(); skip_blanks(text)) {
    if (!out.empty() && (text.starts_with("and ") || text.starts_with("and\t"))) {
      text.remove_prefix(4);
      skip_blanks(text);
    }
    auto term = take_term(text, wrong);
    if (!term) {
      return std::nullopt;
    }
    out.push_back(std::move(*term));
  }
  if (out.empty()) {
    wrong = "must be KEY OP VALUE, with OP one of = != < <= > >= ~";
    return std::nullopt;
  }
  return out;
}

MetadataFilter::MetadataFilter(const std::vector<MetadataTerm>& terms) {
  for (const MetadataTerm& term : terms) {
    auto path = term.how == Comparison::kIs ? engine::parse_path("$." + term.path) : path_of(term.path);
    Term& out = terms_.emplace_back();
    out.path = path.ok() ? std::move(*path) : std::vector<Segment>();
    out.how = term.how;
    out.text = term.value;
    if (auto value = engine::parse_json(term.value); !term.is_text && value.ok()) {
      out.value = std::move(*value);
    }
  }
}

bool MetadataFilter::fits(const engine::Document& document) const {
  return std::all_of(terms_.begin(), terms_.end(), [&document](const Term& term) {
    if (term.path.empty()) {
      return false;
    }
    if (term.path[0].kind != Segment::Kind::kName) {
      const Value whole(document.to_object());
      return fits(term, engine::find_at(whole, term.path, 0));
    }
    const int member = document.find(term.path[0].name);
    const Value* found = member < 0 ? nullptr : &document.member(member).value;
    return fits(term, found == nullptr || term.path.size() == 1 ? found : engine::find_at(*found, term.path, 1));
  });
}

bool MetadataFilter::may_fit(std::string_view stored) const {
  return std::all_of(terms_.begin(), terms_.end(), [stored](const Term& term) {
    if (term.path.empty()) {
      return false;
    }
    Value value;
    const engine::Found found = engine::find_in_stored(stored, term.path, value);
    return found == engine::Found::kMalformed || fits(term, found == engine::Found::kValue ? &value : nullptr);
  });
}

bool MetadataFilter::fits(const Term& term, const Value* found) {
  if (found == nullptr) {
    return term.how == Comparison::kUnequal;
  }
  const std::string* stored = found->get<std::string>();
  if (term.how == Comparison::kIs) {
    if (found->is(Type::kObject) || found->is(Type::kArray)) {
      return false;
    }
    return stored != nullptr ? *stored == term.text : term.value && engine::deep_equal(*found, *term.value);
  }
  if (term.how == Comparison::kContains) {
    return (stored != nullptr ? *stored : engine::to_json(*found)).find(term.text) != std::string::npos;
  }
  const bool as_numbers = found->is_number() && term.value && term.value->is_number();
  const int order = as_numbers          ? compare_numbers(*found, *term.value)
                    : stored != nullptr ? stored->compare(term.text)
                                        : engine::to_json(*found).compare(term.text);
  switch (term.how) {
    case Comparison::kEqual:
      return order == 0;
    case Comparison::kUnequal:
      return order != 0;
    case Comparison::kLess:
      return order < 0;
    case Comparison::kAtMost:
      return order <= 0;
    case Comparison::kGreater:
      return order > 0;
    case Comparison::kAtLeast:
      return order >= 0;
    case Comparison::kIs:
    case Comparison::kContains:
      break;
  }
  return false;
}

}  // namespace cairn::server
