#include "api/server/trigger_options.h"

#include <algorithm>

#include "api/server/times.h"
#include "api/server/typed_text.h"
#include "engine/json/json.h"
#include "engine/records/run_id.h"

namespace cairn::server {

void read_payload(const Members& body, const Members& types, Trigger& trigger) {
  const auto type = types.text_of_bytes("payloadType", kTypeBytesMax);
  const engine::Value* payload = body.any("payload");
  if (payload == nullptr) {
    return;
  }
  const std::string* text = payload->get<std::string>();
  trigger.payload = TypedText{type.value_or("application/json"), text != nullptr ? *text : engine::to_json(*payload)};
  if (trigger.payload->text.size() > kPayloadBytesMax) {
    body.complaints().add(413, "Payload exceeds maximum size of " + std::to_string(kPayloadBytesMax) + " bytes");
    return;
  }
  const std::string wrong = why_not_of_type(*trigger.payload);
  if (!wrong.empty() && !type) {
    trigger.payload->type = "text/plain";  // {"payload": "hello"}, as people write it
  } else if (!wrong.empty()) {
    body.complain("payload", wrong);
  }
}

std::vector<std::string> distinct_tags(const std::vector<std::string>& tags) {
  std::vector<std::string> out;
  for (const std::string& tag : tags) {
    if (tag.find_first_not_of(" \t\r\n") != std::string::npos && std::find(out.begin(), out.end(), tag) == out.end()) {
      out.push_back(tag);
    }
  }
  return out;
}

std::string too_many_tags(size_t count) {
  return "Runs can only have " + std::to_string(kTriggerTagsMax) + " tags, you're trying to set " +
         std::to_string(count) + ".";
}

void read_tags(const Members& options, Trigger& trigger) {
  if (options.any("tags") == nullptr) {
    return;
  }
  trigger.tags = distinct_tags(options.texts("tags", kTagCharsMax));
  if (trigger.tags.size() > kTriggerTagsMax) {
    options.complaints().add(422, too_many_tags(trigger.tags.size()));
  }
}

void read_metadata(const Members& options, Trigger& trigger) {
  const engine::Value* metadata = options.any("metadata");
  if (metadata == nullptr) {
    return;
  }
  if (!metadata->is(engine::Type::kObject)) {
    options.complaints().add(400, "metadata must be a JSON object");
    return;
  }
  trigger.metadata = engine::to_json(*metadata);
}

void read_times(const Members& options, int64_t now_us, Trigger& trigger) {
  if (const auto delay = options.text("delay")) {
    const auto until_us = parse_delay_us(*delay, now_us);
    if (!until_us) {
      options.complaints().add(422, "Invalid delay: " + options.path_of("delay") +
                                        " must be a duration such as 30m, 1h or 2d, or an ISO 8601 date");
    }
    trigger.delayed_until_us = until_us.value_or(0);
  }
  const engine::Value* ttl = options.any("ttl");
  if (ttl != nullptr && ttl->is(engine::Type::kString)) {
    trigger.ttl = *options.text("ttl");
    const auto duration_us = parse_duration_us(trigger.ttl);
    if (!duration_us) {
      options.complaints().add(422, "Invalid ttl: " + options.path_of("ttl") +
                                        " must be a duration such as 30m, 1h or 2d, or a number of seconds");
    }
    trigger.ttl_us = duration_us.value_or(0);
  } else if (ttl != nullptr) {
    const auto seconds = options.whole("ttl", 0, kDurationMaxUs / 1'000'000);
    trigger.ttl = std::to_string(seconds.value_or(0)) + "s";
    trigger.ttl_us = seconds.value_or(0) * 1'000'000;
  }
}

void read_idempotency_key(const Members& options, int64_t now_us, std::string& key, int64_t& until_us) {
  key = options.text_of_bytes("idempotencyKey", kIdempotencyKeyBytesMax).value_or("");
  const auto ttl = options.text("idempotencyKeyTTL");
  const auto duration_us = ttl ? parse_duration_us(*ttl) : std::optional(kIdempotencyKeptUs);
  if (!duration_us) {
    options.complain("idempotencyKeyTTL", "must be a duration such as 60s, 5m, 1h or 7d");
  }
  until_us = now_us + duration_us.value_or(0);
}

std::string read_task(const Members& members, std::string_view name) {
  std::string task = members.required_text(name);
  if (std::any_of(task.begin(), task.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    members.complain(name, "must have no control characters");
  }
  return task;
}

std::string read_parent(const Members& members) {
  std::string id = members.text("parentRunId").value_or("");
  if (!id.empty() && !engine::valid_run_id(id)) {
    members.complain("parentRunId", std::string("is no id of a run: ") + engine::kRunIdRule);
  }
  return id;
}

Trigger read_trigger(const Members& body, int64_t now_us) {
  static const engine::Object kNone;
  const engine::Object* object = body.object("options");
  const Members options(object == nullptr ? kNone : *object, body.path_of("options"), body.complaints());
  Trigger out;
  read_payload(body, options, out);
  read_tags(options, out);
  read_metadata(options, out);
  read_times(options, now_us, out);
  read_idempotency_key(options, now_us, out.idempotency_key, out.idempotency_until_us);
  out.parent = read_parent(options);
  out.is_test = options.flag("test");
  if (options.flag("resumeParentOnCompletion")) {
    out.function = engine::TriggerFunction::kTriggerAndWait;
  }
  return out;
}

}  // namespace cairn::server
