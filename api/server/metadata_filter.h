// Terms on the metadata of runs, of a listing: which runs fit.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/server/run_storage.h"
#include "engine/document/document.h"
#include "engine/document/path.h"
#include "engine/json/value.h"

namespace cairn::server {

/// The terms of "progress<0.5 and user.id=user_1234": KEY OP VALUE, joined by blanks or the word "and". OP is one of
/// = != < <= > >= ~ and may have blanks around it. KEY is a path, "$." in front may be left out. VALUE is a word, or a
/// text in quotes as JSON has it. `wrong`: what is wrong with it.
std::optional<std::vector<MetadataTerm>> read_metadata_terms(std::string_view text, std::string& wrong);

/// Judges documents by terms, which are taken apart once.
class MetadataFilter {
 public:
  explicit MetadataFilter(const std::vector<MetadataTerm>& terms);
  [[nodiscard]] bool empty() const { return terms_.empty(); }
  [[nodiscard]] bool fits(const engine::Document& document) const;
  /// Whether fits() may hold for a document, from the bytes that are stored of it, without decoding all of them.
  [[nodiscard]] bool may_fit(std::string_view stored) const;

 private:
  struct Term {
    std::vector<engine::Segment> path;  // empty: no document has it
    Comparison how = Comparison::kIs;
    std::string text;
    std::optional<engine::Value> value;  // what the text is as JSON
  };
  static bool fits(const Term& term, const engine::Value* found);

  std::vector<Term> terms_;
};

}  // namespace cairn::server
