#include "api/report/read_run.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/report/read_time.h"
#include "engine/base/error_detail.h"

namespace cairn::report {

namespace {

using engine::Object;
using engine::Value;

/// The members of the object, each in its form; the first that has another one is remembered.
class Row {
 public:
  explicit Row(const Object& object) : object_(object) {}

  [[nodiscard]] const Value* any(std::string_view name) const {
    const Value* value = engine::find_property(object_, name);
    return value == nullptr || value->is(engine::Type::kNull) ? nullptr : value;
  }
  template <class T>
  const T* get(std::string_view name) {
    const Value* value = any(name);
    const T* found = value == nullptr ? nullptr : value->get<T>();
    if (value != nullptr && found == nullptr) {
      wrong(name);
    }
    return found;
  }
  std::string text(std::string_view name) {
    const auto* found = get<std::string>(name);
    return found == nullptr ? std::string() : *found;
  }
  bool flag(std::string_view name) {
    const bool* found = get<bool>(name);
    return found != nullptr && *found;
  }
  /// As a number, or as text.
  uint64_t number(std::string_view name) {
    const Value* value = any(name);
    if (value == nullptr) {
      return 0;
    }
    if (const auto* whole = value->get<int64_t>(); whole != nullptr && *whole >= 0) {
      return static_cast<uint64_t>(*whole);
    }
    const auto* text = value->get<std::string>();
    const auto parsed = text == nullptr ? std::nullopt : parse_whole(*text);
    if (!parsed) {
      wrong(name);
    }
    return parsed.value_or(0);
  }
  int64_t time(std::string_view name) {
    const std::string at = text(name);
    const auto parsed = at.empty() ? std::optional<int64_t>(0) : parse_time(at, 0);
    if (!parsed) {
      wrong(name);
    }
    return parsed.value_or(0);
  }
  void wrong(std::string_view name) {
    if (wrong_.empty()) {
      wrong_ = name;
    }
  }
  [[nodiscard]] Status status() const {
    return wrong_.empty() ? Status() : engine::fail(Code::kInvalidArgument, "it is no run as JSON", wrong_);
  }

 private:
  const Object& object_;
  std::string wrong_;
};

engine::RunDetails read_details(Row& row) {
  engine::RunDetails out;
  out.queued_us = row.time("queued_at");
  out.started_us = row.time("started_at");
  out.delayed_until_us = row.time("delayed_until");
  out.ttl = row.text("ttl");
  out.is_test = row.flag("test");
  if (const auto* name = row.get<std::string>("trigger_function");
      name != nullptr && !engine::trigger_function_from_name(*name, out.function)) {
    row.wrong("trigger_function");
  }
  out.batch = row.text("batch");
  out.batch_index = static_cast<uint32_t>(row.number("batch_index"));
  out.idempotency_key = row.text("idempotency_key");
  out.depth = static_cast<uint32_t>(row.number("depth"));
  return out;
}

std::optional<engine::TypedText> read_typed_text(Row& row, const char* name) {
  const auto* object = row.get<Object>(name);
  if (object == nullptr) {
    return std::nullopt;
  }
  Row of(*object);
  engine::TypedText out{of.text("type"), of.text("text")};
  if (!of.status().ok()) {
    row.wrong(name);
  }
  return out;
}

bool read_id(const std::string& digits, std::array<uint8_t, 16>& id) {
  if (digits.size() != 2 * id.size()) {
    return false;
  }
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t value = std::string_view("0123456789abcdef").find(digits[i]);
    if (value == std::string_view::npos) {
      return false;
    }
    id[i / 2] = static_cast<uint8_t>(id[i / 2] << 4 | value);
  }
  return true;
}

/// Null: there is none.
std::shared_ptr<const engine::HomeStore> read_origin(Row& row) {
  const auto* object = row.get<Object>("origin");
  if (object == nullptr) {
    return nullptr;
  }
  Row of(*object);
  engine::HomeStore out;
  if (!read_id(of.text("store"), out.id)) {
    of.wrong("store");
  }
  out.host = of.text("host");
  out.directory = of.text("directory");
  out.heard_us = of.time("last_heard_at");
  out.silent = of.flag("worker_gone");
  if (!of.status().ok()) {
    row.wrong("origin");
  }
  return std::make_shared<const engine::HomeStore>(std::move(out));
}

}  // namespace

Result<engine::RunView> read_run(const Object& object, uint64_t* children) {
  Row row(object);
  engine::RunView out;
  engine::RunRecord& run = out.record;
  run.id = row.text("id");
  if (!engine::valid_run_id(run.id)) {
    row.wrong("id");
  }
  run.foreign = row.flag("foreign");
  if (!run.foreign && !engine::status_from_name(row.text("status"), run.status)) {
    row.wrong("status");
  }
  out.orphaned = row.flag("orphaned");
  run.task = row.text("task");
  if (const auto* tags = row.get<engine::Array>("tags")) {
    for (const Value& tag : *tags) {
      const auto* text = tag.get<std::string>();
      if (text == nullptr) {
        row.wrong("tags");
        break;
      }
      run.tags.push_back(*text);
    }
  }
  run.parent = row.text("parent");
  run.root = row.text("root");
  run.created_us = row.time("created_at");
  run.updated_us = row.time("updated_at");
  run.finished_us = row.time("finished_at");
  if (engine::RunDetails details = read_details(row); !details.empty()) {
    run.details = engine::Boxed(std::move(details));
  }
  run.error = row.text("error");
  run.sequence = row.number("sequence");
  out.home = read_origin(row);
  engine::RunTexts texts;
  texts.payload = read_typed_text(row, "payload");
  texts.output = read_typed_text(row, "output");
  if (texts.kinds() != 0) {
    run.texts = std::make_shared<const engine::RunTexts>(std::move(texts));
  }
  if (const auto* metadata = row.get<Object>("metadata")) {
    run.document = engine::Document::from_object(*metadata);
  }
  if (children != nullptr) {
    *children = row.number("children");
  }
  CAIRN_TRY(row.status());
  return out;
}

}  // namespace cairn::report
