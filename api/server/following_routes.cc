// Cairn's own routes for the commands of `cairn` that read all runs: what changed, and runs as a whole.
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "api/report/read_time.h"
#include "api/report/run_line.h"
#include "api/server/api_routes.h"
#include "api/server/own_query.h"
#include "api/server/own_row.h"
#include "engine/json/json.h"
#include "engine/records/run_id.h"

namespace cairn::server {

namespace {

constexpr size_t kChangesMax = 500;           // since a position
constexpr size_t kSnapshotMax = 100'000'000;  // of all runs as they are, in parts of kPartBytes
constexpr size_t kPartBytes = 4u << 20;
constexpr size_t kExportedMax = 1000;
constexpr std::string_view kOfChanges[] = {"run", "after"};
constexpr std::string_view kOfExport[] = {"run", "cursor", "limit"};
constexpr char kBetween = '~';  // not in the parts of a position

std::string text_of_position(const Position& position) {
  return position.feed.empty() ? ""
                               : position.feed + kBetween + std::to_string(position.number) + kBetween + position.rest;
}

std::optional<Position> position_of(std::string_view text) {
  const size_t first = text.find(kBetween);
  const size_t second = first == std::string_view::npos ? first : text.find(kBetween, first + 1);
  if (second == std::string_view::npos || first == 0) {
    return std::nullopt;
  }
  Position out;
  out.feed = text.substr(0, first);
  const char* const end = text.data() + second;
  const auto [stopped, failed] = std::from_chars(text.data() + first + 1, end, out.number);
  out.rest = text.substr(second + 1);
  return failed == std::errc() && stopped == end ? std::optional(std::move(out)) : std::nullopt;
}

http::Response as_json(std::string json) {
  http::Response out;
  out.content_type = "application/json";
  out.body = std::move(json);
  return out;
}

const std::string* parameter(const std::vector<std::pair<std::string, std::string>>& query, std::string_view name) {
  for (const auto& [given, value] : query) {
    if (given == name) {
      return &value;
    }
  }
  return nullptr;
}

/// {"runs": [...], "erased": [ids], "reset", "complete", "next"}: of all runs, or of ?run=, what changed since ?after=
/// was `next`; without that everything as it is.
http::Response list_changes(const Api& api, const ApiCall& call) {
  http::Response refusal;
  const auto query = read_known_query(call.request().query, kOfChanges, refusal);
  if (!query) {
    return refusal;
  }
  Shape shape;
  if (const std::string* run = parameter(*query, "run")) {
    if (!engine::valid_run_id(*run)) {
      return parameter_error("run", engine::kRunIdRule);
    }
    shape.kind = Shape::Kind::kRun;
    shape.id = *run;
  }
  std::optional<Position> after;
  if (const std::string* text = parameter(*query, "after")) {
    after = position_of(*text);
    if (!after) {
      return parameter_error("after", "this is no position that these changes gave as `next`");
    }
  }
  const bool is_snapshot = !after || !after->rest.empty();
  const auto changes =
      api.storage.changes(shape, after, {kMetadata, is_snapshot ? kSnapshotMax : kChangesMax, kPartBytes});
  if (!changes.ok()) {
    return unavailable(changes.status());
  }
  std::string out = "{\"runs\":[";
  for (const RunView& run : changes->rows) {
    out += (out.back() == '[' ? "" : ",") + own_row(run, false);
  }
  engine::Array erased;
  for (const auto& [id, number] : changes->erased) {
    erased.emplace_back(id);
  }
  if (!changes->found) {
    erased.emplace_back(shape.id);
  }
  out += "],\"erased\":";
  engine::append_json(out, engine::Value(std::move(erased)));
  out += std::string(",\"reset\":") + (changes->reset ? "true" : "false") +
         ",\"complete\":" + (changes->complete ? "true" : "false") + ",\"next\":";
  engine::append_json_string(out, text_of_position(changes->next));
  return as_json(out + "}");
}

std::optional<engine::TypedText> engine_text(const std::optional<TypedText>& text) {
  return text ? std::optional<engine::TypedText>({text->type, text->text}) : std::nullopt;
}

/// With all that belongs to it.
engine::RunRecord whole(const RunView& run) {
  engine::RunRecord out = head_of(run).record;
  if (auto metadata = engine::parse_json(run.metadata.empty() ? "{}" : run.metadata, SIZE_MAX, engine::kStoredDepthMax);
      metadata.ok() && metadata->is(engine::Type::kObject)) {
    out.document = engine::Document::from_object(std::move(*metadata->get<engine::Object>()));
  }
  engine::RunTexts texts;
  texts.payload = engine_text(run.payload);
  texts.output = engine_text(run.output);
  if (run.seed) {
    texts.seed = engine::TypedText{"application/json", *run.seed};
  }
  if (texts.kinds() != 0) {
    out.texts = std::make_shared<const engine::RunTexts>(std::move(texts));
  }
  return out;
}

/// {"runs": [...], "next_cursor"?}: runs as `cairn export` prints them, in the order of their ids; or the one of ?run=,
/// if it is there.
http::Response export_runs(const Api& api, const ApiCall& call) {
  constexpr unsigned kParts = kMetadata | kPayload | kOutput | kSeed | kForeign;
  http::Response refusal;
  const auto query = read_known_query(call.request().query, kOfExport, refusal);
  if (!query) {
    return refusal;
  }
  std::vector<std::string> ids;
  std::string next;
  RunFilter filter;
  filter.foreign = true;
  Cursor from;
  if (const std::string* wanted = parameter(*query, "run")) {
    if (!engine::valid_run_id(*wanted)) {
      return parameter_error("run", engine::kRunIdRule);
    }
    ids.push_back(*wanted);
  } else {
    const std::string* limit = parameter(*query, "limit");
    const auto runs_max = limit == nullptr ? kExportedMax : report::parse_whole(*limit, {1, kExportedMax}).value_or(0);
    if (runs_max == 0) {
      return parameter_error("limit", "limit must be a whole number from 1 to " + std::to_string(kExportedMax));
    }
    const std::string* cursor = parameter(*query, "cursor");
    from.text = cursor == nullptr ? "" : *cursor;
    auto page = api.storage.list(filter, Order::kId, from, runs_max);
    if (page.code() == Code::kInvalidArgument) {
      return parameter_error("cursor", message_of(page.status()));
    }
    if (!page.ok()) {
      return unavailable(page.status());
    }
    for (RunView& run : page->runs) {
      ids.push_back(std::move(run.id));
    }
    next = page->next;
  }
  std::string out = "{\"runs\":[";
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto found = api.storage.find(ids[i], kParts);
    if (!found.ok()) {
      return unavailable(found.status());
    }
    if (*found) {
      out += (out.back() == '[' ? "" : ",") + report::run_line(whole(**found));
    }
    if (out.size() >= kPartBytes && i + 1 < ids.size()) {
      const auto page = api.storage.list(filter, Order::kId, from, i + 1);  // for where it ends
      if (!page.ok()) {
        return unavailable(page.status());
      }
      next = page->next;
      break;
    }
  }
  out += "]";
  if (!next.empty()) {
    out += ",\"next_cursor\":";
    engine::append_json_string(out, next);
  }
  return as_json(out + "}");
}

}  // namespace

void add_following_routes(const SharedApi& api, std::vector<Route>& routes) {
  routes.push_back(api_route(api, "GET", "/cairn/v1/changes", {}, kUnreadBodyBytesMax, list_changes));
  routes.push_back(api_route(api, "GET", "/cairn/v1/export", {}, kUnreadBodyBytesMax, export_runs));
}

}  // namespace cairn::server
