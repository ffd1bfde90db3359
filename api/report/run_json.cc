#include "api/report/run_json.h"

#include <utility>

#include "api/report/readable_text.h"
#include "api/report/wide_numbers.h"
#include "engine/json/json.h"

namespace cairn::report {

namespace {

using engine::Array;
using engine::Object;
using engine::RunView;
using engine::Value;

Object origin_json(const engine::HomeStore& home, bool is_silent) {
  Object o = {{"store", Value(engine::store_id_text(home.id))}};
  for (const auto& [name, text] : {std::pair("host", &home.host), std::pair("directory", &home.directory)}) {
    if (!text->empty()) {
      o.push_back({name, Value(*text)});
    }
  }
  if (home.heard_us != 0) {
    o.push_back({"last_heard_at", Value(iso_time(home.heard_us))});
  }
  o.push_back({"worker_gone", Value(is_silent)});
  return o;
}

/// All but the metadata and its size.
Object head_json(const RunView& run, std::optional<uint64_t> children) {
  const engine::RunRecord& r = run.record;
  Object o;
  const auto add = [&o](const char* key, Value value) { o.push_back({key, std::move(value)}); };
  add("id", r.id);
  add("status", r.foreign ? Value() : Value(engine::status_name(r.status)));
  add("orphaned", run.orphaned);
  const auto add_text = [&add](const char* key, const std::string& text) {
    if (!text.empty()) {
      add(key, text);
    }
  };
  add_text("task", r.task);
  Array tags(r.tags.begin(), r.tags.end());
  add("tags", std::move(tags));
  add_text("parent", r.parent);
  add_text("root", r.root);
  if (children) {
    add("children", *children);
  }
  add("created_at", iso_time(r.created_us));
  add("updated_at", iso_time(r.updated_us));
  if (r.finished_us != 0) {
    add("finished_at", iso_time(r.finished_us));
  }
  for (const auto& [name, value] : details_json(r)) {
    add(name.c_str(), value);
  }
  add_text("error", r.error);
  add("sequence", r.sequence);
  if (run.home != nullptr) {
    add("origin", origin_json(*run.home, run.home_is_silent()));
  }
  if (r.foreign) {
    add("foreign", true);
    return o;
  }
  const auto add_typed_text = [&add](const char* key, const std::optional<engine::TypedText>& text) {
    if (text) {
      add(key, Object{{"type", Value(text->type)}, {"text", Value(text->text)}});
    }
  };
  if (r.texts && children) {
    add_typed_text("payload", r.texts->payload);
    add_typed_text("output", r.texts->output);
  }
  return o;
}

}  // namespace

Object details_json(const engine::RunRecord& run) {
  Object o;
  if (!run.details) {
    return o;
  }
  const engine::RunDetails& d = *run.details;
  const auto add_time = [&o](const char* key, int64_t us) {
    if (us != 0) {
      o.push_back({key, iso_time(us)});
    }
  };
  const auto add_text = [&o](const char* key, const std::string& text) {
    if (!text.empty()) {
      o.push_back({key, text});
    }
  };
  add_time("queued_at", d.queued_us);
  add_time("started_at", d.started_us);
  add_time("delayed_until", d.delayed_until_us);
  add_text("ttl", d.ttl);
  if (d.is_test) {
    o.push_back({"test", true});
  }
  if (d.function != engine::TriggerFunction::kTrigger) {
    o.push_back({"trigger_function", engine::trigger_function_name(d.function)});
  }
  add_text("batch", d.batch);
  if (!d.batch.empty()) {
    o.push_back({"batch_index", static_cast<uint64_t>(d.batch_index)});
  }
  add_text("idempotency_key", d.idempotency_key);
  if (d.depth != 0) {
    o.push_back({"depth", static_cast<uint64_t>(d.depth)});
  }
  return o;
}

Object run_json(const RunView& run, std::optional<uint64_t> children) {
  Object o = head_json(run, children);
  if (!run.record.foreign) {
    o.push_back({"metadata_bytes", static_cast<uint64_t>(run.record.document.to_json().size())});
    o.push_back({"metadata", run.record.document.to_object()});
  }
  return o;
}

std::string run_text(const RunView& run, std::optional<uint64_t> children, std::string_view metadata) {
  Object o = head_json(run, children);
  write_wide_as_text(o);
  if (run.record.foreign) {
    return engine::to_json(Value(std::move(o)));
  }
  const std::string_view document = metadata.empty() ? "{}" : metadata;
  o.push_back({"metadata_bytes", static_cast<uint64_t>(document.size())});
  std::string out = engine::to_json(Value(std::move(o)));
  out.pop_back();  // the brace
  out.append(",\"metadata\":").append(document).append("}");
  return out;
}

std::string run_head_text(const RunView& run) {
  Object o = head_json(run, std::nullopt);
  write_wide_as_text(o);
  return engine::to_json(Value(std::move(o)));
}

}  // namespace cairn::report
