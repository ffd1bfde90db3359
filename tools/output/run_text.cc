#include "tools/output/run_text.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "engine/json/json.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::Array;
using engine::Object;
using engine::Property;
using engine::RunView;
using engine::Value;

constexpr size_t kOneLineItems = 16;

void append_pretty(std::string& out, const Value& value, size_t level) {
  const std::string indent(2 * (level + 1), ' ');
  const std::string closing(2 * level, ' ');
  if (const Object* object = value.get<Object>(); object != nullptr && !object->empty()) {
    out += "{\n";
    for (const Property& p : *object) {
      out += indent;
      engine::append_json_string(out, p.key);
      out += ": ";
      append_pretty(out, p.value, level + 1);
      out += &p == &object->back() ? "\n" : ",\n";
    }
    out += closing + "}";
    return;
  }
  const Array* array = value.get<Array>();
  if (array == nullptr || array->empty()) {
    engine::append_json(out, value);
    return;
  }
  const bool one_line = array->size() <= kOneLineItems &&
                        std::all_of(array->begin(), array->end(), [](const Value& v) { return v.is_fixed(); });
  out += one_line ? "[" : "[\n";
  for (const Value& item : *array) {
    const bool last = &item == &array->back();
    if (one_line) {
      engine::append_json(out, item);
      out += last ? "" : ", ";
    } else {
      out += indent;
      append_pretty(out, item, level + 1);
      out += last ? "\n" : ",\n";
    }
  }
  out += one_line ? "]" : closing + "]";
}

/// Names and texts, one a line, with the texts below each other.
class Fields {
 public:
  void add(std::string name, std::string text) { fields_.emplace_back(std::move(name), std::move(text)); }
  [[nodiscard]] std::string lines() const {
    constexpr size_t kColumnsMin = 10;
    size_t columns = kColumnsMin;
    for (const auto& [name, text] : fields_) {
      columns = std::max(columns, columns_of(name) + 1);
    }
    std::string out;
    for (const auto& [name, text] : fields_) {
      out += padded(name, columns) + text + "\n";
    }
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// "build-7, store /var/lib/w, last heard of 3 s ago"
std::string home_text(const RunView& run, int64_t now_us) {
  const engine::HomeStore& home = *run.home;
  std::string out = home.host.empty() ? "" : printable(home.host) + ", ";
  out += "store " + (home.directory.empty() ? engine::store_id_text(home.id) : printable(home.directory));
  if (home.heard_us == 0) {
    return out;
  }
  const std::string age = age_text(home.heard_us, now_us);
  if (!run.home_is_silent()) {
    return out + ", last heard of " + age;
  }
  const std::string_view ago = " ago";
  return out + ", not heard of for " + (age.ends_with(ago) ? age.substr(0, age.size() - ago.size()) : age) +
         ": its worker is gone or cannot reach this store";
}

size_t document_bytes(const engine::Document& document) { return document.to_json().size(); }

}  // namespace

std::string status_text(const RunView& run) {
  if (run.record.foreign) {
    return "(elsewhere)";
  }
  return std::string(engine::status_name(run.record.status)) + (run.orphaned           ? " (orphaned)"
                                                                : run.home_is_silent() ? " (silent)"
                                                                                       : "");
}

std::optional<double> progress_of(const RunView& run) {
  const int member = run.record.document.find("progress");
  if (member < 0) {
    return std::nullopt;
  }
  const Value& value = run.record.document.member(member).value;
  double share = -1;
  if (const auto* d = value.get<double>()) {
    share = *d;
  } else if (const auto* i = value.get<int64_t>()) {
    share = static_cast<double>(*i);
  }
  return share >= 0 && share <= 1 ? std::optional<double>(share) : std::nullopt;
}

std::string pretty_json(const Value& value) {
  std::string out;
  append_pretty(out, value, 0);
  return printable_json(out);
}

std::string describe_run(const RunView& run, uint64_t children, int64_t now_us) {
  const engine::RunRecord& r = run.record;
  Fields fields;
  fields.add("run", r.id);
  fields.add("status", run.orphaned ? std::string(engine::status_name(r.status)) +
                                          ", orphaned: the process that ran it is gone; resume it or finish it"
                                    : status_text(run));
  if (!r.task.empty()) {
    fields.add("task", printable(r.task));
  }
  if (!r.tags.empty()) {
    std::string tags;
    for (const std::string& tag : r.tags) {
      tags += (tags.empty() ? "" : ", ") + printable(tag);
    }
    fields.add("tags", tags);
  }
  if (!r.parent.empty()) {
    fields.add("parent", r.parent);
  }
  if (!r.root.empty()) {
    fields.add("root", r.root);
  }
  if (children != 0) {
    fields.add("children", std::to_string(children) + " (cairn ls --parent " + r.id + ")");
  }
  if (run.home != nullptr) {
    fields.add("from", home_text(run, now_us));
  }
  fields.add("created", iso_time(r.created_us));
  fields.add("updated", iso_time(r.updated_us) + " (" + age_text(r.updated_us, now_us) + ")");
  if (r.finished_us != 0) {
    fields.add("finished", iso_time(r.finished_us));
  }
  for (const auto& [name, value] : report::details_json(r)) {
    const auto* text = value.get<std::string>();
    std::string label = name;
    std::replace(label.begin(), label.end(), '_', ' ');
    fields.add(std::move(label), printable(text != nullptr ? *text : engine::to_json(value)));
  }
  if (!r.error.empty()) {
    fields.add("error", printable(r.error));
  }
  fields.add("sequence", std::to_string(r.sequence));
  if (r.foreign) {
    fields.add("metadata", "none here: the run is owned elsewhere");
    return fields.lines();
  }
  const auto add_typed_text = [&fields](const char* name, const std::optional<engine::TypedText>& text) {
    constexpr size_t kShown = 60;
    if (text) {
      const bool is_long = text->text.size() > kShown;
      fields.add(name,
                 is_long ? counted(text->text.size(), "byte") + " of " + printable(text->type) : printable(text->text));
    }
  };
  if (r.texts) {
    add_typed_text("payload", r.texts->payload);
    add_typed_text("output", r.texts->output);
  }
  fields.add("size", counted(document_bytes(r.document), "byte") + " of JSON");
  if (const auto share = progress_of(run)) {
    fields.add("progress", bar_text(*share, 30));
  }
  return fields.lines() + "\n" + pretty_json(Value(r.document.to_object())) + "\n";
}

void print_started(const engine::RunView& run, bool json) {
  if (json) {
    print_json(report::run_json(run));
  } else {
    std::printf("%s\n", run.record.id.c_str());
  }
}

}  // namespace cairn::tools
