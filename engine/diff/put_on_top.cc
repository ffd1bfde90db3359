#include "engine/diff/put_on_top.h"

#include <utility>

#include "engine/diff/evaluate.h"
#include "engine/diff/fold.h"
#include "engine/diff/nesting.h"
#include "engine/json/json.h"

namespace cairn::engine {

Status put_on_top(Diff waits, Document& document) {
  if (waits.last == 0) {
    return {};
  }
  for (DiffEntry& e : waits.entries) {
    if (e.form.kind == FormKind::kSet || e.form.kind == FormKind::kDelete) {
      continue;
    }
    const int at = document.find(e.key);
    std::optional<Value> value = at < 0 ? std::nullopt : std::optional<Value>(document.member(at).value);
    static_cast<void>(evaluate(e.key, e.form, value));
    e.form = Form(value ? FormKind::kSet : FormKind::kDelete);
    e.value = std::move(value);
    e.gone = false;
  }
  return apply(waits, document);
}

Status evaluate_within_depth(const DiffEntry& change, const Value* there, std::optional<Value>& value) {
  CAIRN_TRY(check_nesting(change));
  if (change.form.kind == FormKind::kSet || change.form.kind == FormKind::kDelete) {
    value = change.value;
    return {};
  }
  value = there == nullptr ? std::nullopt : std::optional<Value>(*there);
  CAIRN_TRY(evaluate(change.key, change.form, value));
  const Status s = value ? check_nesting(*value) : Status();
  return s.ok() || (there != nullptr && depth_of(*value) <= depth_of(*there)) ? Status() : s;
}

namespace {

Status put_on_top(const DiffEntry& change, size_t bytes_max, Document& document) {
  int at = document.find(change.key);
  std::optional<Value> value;
  CAIRN_TRY(evaluate_within_depth(change, at < 0 ? nullptr : &document.member(at).value, value));
  const size_t bytes = value ? json_bytes(*value) : 0;
  if (value && !(at < 0 ? document.fits_insert(json_string_bytes(change.key), bytes, bytes_max)
                        : document.fits_assign(at, bytes, bytes_max))) {
    return {Code::kTooLarge, "the metadata would exceed its limit"};
  }
  if (at >= 0 && (!value || change.form.fresh)) {
    document.erase(at);
    at = -1;
  }
  if (value && at >= 0) {
    document.assign(at, std::move(*value), bytes);
  } else if (value) {
    document.insert(change.key, std::move(*value), bytes);
  }
  return {};
}

}  // namespace

std::vector<std::string> put_on_top(Diff& waits, size_t bytes_max, Document& document) {
  std::vector<std::string> left_out;
  if (waits.replace) {
    document.clear();
  }
  std::erase_if(waits.entries, [&](const DiffEntry& change) {
    const bool fits = put_on_top(change, bytes_max, document).ok();
    if (!fits) {
      left_out.push_back(change.key);
    }
    return !fits;
  });
  return left_out;
}

}  // namespace cairn::engine
