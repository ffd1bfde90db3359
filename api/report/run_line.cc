#include "api/report/run_line.h"

#include "api/report/read_time.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"

namespace cairn::report {

namespace {

using engine::Array;
using engine::Object;
using engine::RunRecord;
using engine::Value;

constexpr int64_t kFormat = 1;
constexpr size_t kRunLineBytesMax = 8u << 20;
constexpr int kDepthMax = engine::kDepthMax + 1;  // the line's own braces

Status wrong(const std::string& member, const char* expected) {
  return engine::fail(Code::kTypeMismatch, "\"" + member + "\" is " + expected);
}

Status take_text(const std::string& member, const Value& value, std::string& into) {
  const auto* text = value.get<std::string>();
  if (text == nullptr) {
    return wrong(member, "a string");
  }
  into = *text;
  return {};
}

Status take_time(const std::string& member, const Value& value, int64_t& into) {
  // As far as a date can be written with four digits for the year.
  constexpr int64_t kEndOf9999 = 253'402'300'799'999'999;
  const auto* us = value.get<int64_t>();
  if (us == nullptr || *us < 0 || *us > kEndOf9999) {
    return wrong(member, "a time: a whole number, microseconds since 1970 UTC, to the end of the year 9999");
  }
  into = *us;
  return {};
}

Status take_tags(const std::string& member, const Value& value, std::vector<std::string>& into) {
  const auto* list = value.get<Array>();
  if (list == nullptr) {
    return wrong(member, "an array of strings");
  }
  for (const Value& tag : *list) {
    into.emplace_back();
    CAIRN_TRY(take_text(member, tag, into.back()));
  }
  return {};
}

Status take_sequence(const std::string& member, const Value& value, uint64_t& into) {
  const auto* text = value.get<std::string>();
  const auto number = parse_whole(text != nullptr ? *text : engine::to_json(value), {1, UINT64_MAX});
  if (!number) {
    return wrong(member, "a whole number, 1 or more, as text or as it is");
  }
  into = *number;
  return {};
}

Status take_status(const std::string& member, const Value& value, engine::RunStatus& into) {
  std::string name;
  CAIRN_TRY(take_text(member, value, name));
  return engine::status_from_name(name, into) ? Status() : wrong(member, "the name of a status, as in \"COMPLETED\"");
}

Status take_small(const std::string& member, const Value& value, uint32_t& into) {
  const auto number = parse_whole(engine::to_json(value), {0, UINT32_MAX});
  if (!number) {
    return wrong(member, "a whole number of at most 32 bits");
  }
  into = static_cast<uint32_t>(*number);
  return {};
}

Status take_flag(const std::string& member, const Value& value, bool& into) {
  const auto* flag = value.get<bool>();
  into = flag != nullptr && *flag;
  return flag != nullptr ? Status() : wrong(member, "true or false");
}

Status take_function(const std::string& member, const Value& value, engine::TriggerFunction& into) {
  std::string name;
  CAIRN_TRY(take_text(member, value, name));
  return engine::trigger_function_from_name(name, into)
             ? Status()
             : wrong(member, "trigger, triggerAndWait, batchTrigger or batchTriggerAndWait");
}

Status take_typed_text(const std::string& member, Value& value, std::optional<engine::TypedText>& into) {
  auto* object = value.get<Object>();
  if (object == nullptr || object->size() != 2) {
    return wrong(member, "an object with \"type\" and \"text\"");
  }
  into.emplace();
  for (const engine::Property& p : *object) {
    if (p.key != "type" && p.key != "text") {
      return wrong(member, "an object with \"type\" and \"text\"");
    }
    CAIRN_TRY(take_text(member + "." + p.key, p.value, p.key == "type" ? into->type : into->text));
  }
  return {};
}

Status take_texts(const std::string& member, Value& value, RunRecord& run) {
  engine::RunTexts texts = run.texts ? *run.texts : engine::RunTexts();
  CAIRN_TRY(take_typed_text(member, value,
                            member == "payload"  ? texts.payload
                            : member == "output" ? texts.output
                                                 : texts.seed));
  run.texts = std::make_shared<const engine::RunTexts>(std::move(texts));
  return {};
}

/// kNotFound: it is no member of the details.
Status take_detail(const std::string& member, const Value& value, engine::RunDetails& details) {
  if (member == "queued_us") {
    return take_time(member, value, details.queued_us);
  }
  if (member == "started_us") {
    return take_time(member, value, details.started_us);
  }
  if (member == "delayed_until_us") {
    return take_time(member, value, details.delayed_until_us);
  }
  if (member == "ttl") {
    return take_text(member, value, details.ttl);
  }
  if (member == "test") {
    return take_flag(member, value, details.is_test);
  }
  if (member == "trigger_function") {
    return take_function(member, value, details.function);
  }
  if (member == "batch") {
    return take_text(member, value, details.batch);
  }
  if (member == "batch_index") {
    return take_small(member, value, details.batch_index);
  }
  if (member == "idempotency_key") {
    return take_text(member, value, details.idempotency_key);
  }
  if (member == "depth") {
    return take_small(member, value, details.depth);
  }
  return Code::kNotFound;
}

Status take(const std::string& member, Value& value, RunRecord& run) {
  if (member == "format") {
    const auto* format = value.get<int64_t>();
    if (format == nullptr || *format < 1) {
      return wrong(member, "1");
    }
    return *format <= kFormat ? Status() : engine::fail(Code::kVersion, "it was exported by a newer version of Cairn");
  }
  if (member == "id") {
    return take_text(member, value, run.id);
  }
  if (member == "status") {
    return take_status(member, value, run.status);
  }
  if (member == "task") {
    return take_text(member, value, run.task);
  }
  if (member == "tags") {
    return take_tags(member, value, run.tags);
  }
  if (member == "parent") {
    return take_text(member, value, run.parent);
  }
  if (member == "root") {
    return take_text(member, value, run.root);
  }
  if (member == "created_us") {
    return take_time(member, value, run.created_us);
  }
  if (member == "updated_us") {
    return take_time(member, value, run.updated_us);
  }
  if (member == "finished_us") {
    return take_time(member, value, run.finished_us);
  }
  if (member == "sequence") {
    return take_sequence(member, value, run.sequence);
  }
  if (member == "error") {
    return take_text(member, value, run.error);
  }
  if (member == "foreign") {
    return take_flag(member, value, run.foreign);
  }
  if (member == "payload" || member == "output" || member == "triggered_with") {
    return take_texts(member, value, run);
  }
  if (member == "metadata") {
    auto* metadata = value.get<Object>();
    if (metadata == nullptr) {
      return wrong(member, "an object");
    }
    run.document = engine::Document::from_object(std::move(*metadata));
    return {};
  }
  if (const Status s = take_detail(member, value, run.details.made()); s.code != Code::kNotFound) {
    return s;
  }
  return engine::fail(Code::kInvalidJson,
                      "there is no member \"" + member.substr(0, 64) + "\" in a line of `cairn export`");
}

void add_details(const engine::RunDetails& details, Object& o) {
  const auto add = [&o](const char* key, Value value) { o.push_back({key, std::move(value)}); };
  const auto add_number = [&add](const char* key, int64_t number) {
    if (number != 0) {
      add(key, number);
    }
  };
  const auto add_text = [&add](const char* key, const std::string& text) {
    if (!text.empty()) {
      add(key, text);
    }
  };
  add_number("queued_us", details.queued_us);
  add_number("started_us", details.started_us);
  add_number("delayed_until_us", details.delayed_until_us);
  add_text("ttl", details.ttl);
  if (details.is_test) {
    add("test", true);
  }
  if (details.function != engine::TriggerFunction::kTrigger) {
    add("trigger_function", engine::trigger_function_name(details.function));
  }
  add_text("batch", details.batch);
  add_number("batch_index", details.batch_index);
  add_text("idempotency_key", details.idempotency_key);
  add_number("depth", details.depth);
}

}  // namespace

std::string run_line(const RunRecord& run) {
  Object o;
  const auto add = [&o](const char* key, Value value) { o.push_back({key, std::move(value)}); };
  const auto add_text = [&add](const char* key, const std::string& text) {
    if (!text.empty()) {
      add(key, text);
    }
  };
  add("format", kFormat);
  add("id", run.id);
  add("status", engine::status_name(run.status));
  add_text("task", run.task);
  if (!run.tags.empty()) {
    add("tags", Array(run.tags.begin(), run.tags.end()));
  }
  add_text("parent", run.parent);
  add_text("root", run.root);
  add("created_us", run.created_us);
  add("updated_us", run.updated_us);
  if (run.finished_us != 0) {
    add("finished_us", run.finished_us);
  }
  if (run.details) {
    add_details(*run.details, o);
  }
  add("sequence", std::to_string(run.sequence));
  add_text("error", run.error);
  if (run.foreign) {
    add("foreign", true);
  } else {
    add("metadata", run.document.to_object());
  }
  const auto add_typed_text = [&add](const char* key, const std::optional<engine::TypedText>& text) {
    if (text) {
      add(key, Object{{"type", Value(text->type)}, {"text", Value(text->text)}});
    }
  };
  if (run.texts) {
    add_typed_text("payload", run.texts->payload);
    add_typed_text("output", run.texts->output);
    add_typed_text("triggered_with", run.texts->seed);
  }
  return engine::to_json(Value(std::move(o)));
}

Result<RunRecord> parse_run_line(std::string_view line, int64_t now_us) {
  auto parsed = engine::parse_json(line, kRunLineBytesMax, kDepthMax);
  if (!parsed.ok()) {
    return engine::fail(parsed.status(), parsed.code() == Code::kInvalidJson ? "it is not JSON" : parsed.status().what);
  }
  auto* object = parsed->get<Object>();
  if (object == nullptr) {
    return engine::fail(Code::kTypeMismatch, "it is not an object, as in {\"id\":\"r\",\"metadata\":{}}");
  }
  RunRecord run;
  run.sequence = 1;
  run.created_us = run.updated_us = now_us;
  for (engine::Property& member : *object) {
    CAIRN_TRY(take(member.key, member.value, run));
  }
  if (run.details && run.details->empty()) {
    run.details.reset();
  }
  if (run.id.empty()) {
    return engine::fail(Code::kInvalidJson, "it has no \"id\"");
  }
  if (run.finished_us == 0 && engine::is_final(run.status)) {
    run.finished_us = run.updated_us;
  }
  return run;
}

}  // namespace cairn::report
