#include "api/server/own_row.h"

#include <memory>
#include <utility>

#include "api/report/readable_text.h"
#include "api/report/run_json.h"
#include "api/report/wide_numbers.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

using engine::Object;
using engine::Value;

Object reached_json(const ChangeReached& reached) {
  Object out = {{"sequence", Value(reached.sequence)}};
  if (reached.at_us != 0) {
    out.push_back({"at", Value(report::iso_time(reached.at_us))});
  }
  return out;
}

/// `, "name": OBJECT` behind the members of an object.
void add_member(std::string& object, const char* name, Object value) {
  report::write_wide_as_text(value);
  object.pop_back();  // the brace
  object.append(",\"").append(name).append("\":");
  engine::append_json(object, Value(std::move(value)));
  object += '}';
}

std::optional<engine::TypedText> typed(const std::optional<TypedText>& text) {
  return text ? std::optional<engine::TypedText>({text->type, text->text}) : std::nullopt;
}

}  // namespace

engine::RunView head_of(const RunView& run) {
  engine::RunView out;
  out.orphaned = run.orphaned;
  out.home = run.home;
  engine::RunRecord& r = out.record;
  r.id = run.id;
  r.sequence = run.sequence;
  r.status = run.status;
  r.task = run.task;
  r.parent = run.parent;
  r.root = run.root;
  r.tags = run.tags;
  r.created_us = run.created_us;
  r.updated_us = run.updated_us;
  r.finished_us = run.finished_us;
  r.foreign = run.foreign;
  r.error = run.error;
  engine::RunDetails details;
  details.queued_us = run.queued_us;
  details.started_us = run.began_with_start ? 0 : run.started_us;
  details.delayed_until_us = run.delayed_until_us;
  details.ttl = run.ttl;
  details.is_test = run.is_test;
  details.function = run.function;
  details.batch = run.batch;
  details.batch_index = run.batch_index;
  details.idempotency_key = run.idempotency_key;
  details.depth = run.depth;
  if (!details.empty()) {
    r.details = engine::Boxed(std::move(details));
  }
  return out;
}

std::string own_row(const RunView& run, bool head_only) {
  return head_only ? report::run_head_text(head_of(run)) : report::run_text(head_of(run), std::nullopt, run.metadata);
}

std::string own_run(const RunView& run, uint64_t children, const RunDurability* durability) {
  engine::RunView shown = head_of(run);
  if (run.payload || run.output) {
    engine::RunTexts texts;
    texts.payload = typed(run.payload);
    texts.output = typed(run.output);
    shown.record.texts = std::make_shared<const engine::RunTexts>(std::move(texts));
  }
  std::string out = report::run_text(shown, children, run.metadata);
  if (durability != nullptr) {
    Object positions = {{"memory", reached_json(durability->memory)},
                        {"process", reached_json(durability->process)},
                        {"power", reached_json(durability->power)},
                        {"upstream", durability->upstream ? Value(reached_json(*durability->upstream)) : Value()}};
    add_member(out, "durability", std::move(positions));
    add_member(out, "why", report::why_json(durability->why));
  }
  return out;
}

}  // namespace cairn::server
