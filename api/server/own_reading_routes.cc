// Cairn's own routes that read: the runs, as `cairn ls` and `cairn show` have them, and what the store tells of itself.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/report/readable_text.h"
#include "api/report/wide_numbers.h"
#include "api/server/api_routes.h"
#include "api/server/own_query.h"
#include "api/server/own_row.h"
#include "api/server/remembered_counts.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

http::Response text_response(std::string json) {
  http::Response out;
  out.content_type = "application/json";
  out.body = std::move(json);
  return out;
}

constexpr size_t kRowsBytesMax = 4u << 20;  // of an answer: the row that reaches it is the last

/// The rows of these runs, until they have `bytes_max`. `count`: how many they are.
std::string rows_text(const std::vector<RunView>& runs, bool head_only, size_t bytes_max, size_t& count) {
  std::string out;
  for (count = 0; count < runs.size() && out.size() < bytes_max; ++count) {
    out += (count == 0 ? "" : ",") + own_row(runs[count], head_only);
  }
  return out;
}

/// {"runs": [...], "next_cursor"?}
http::Response list_own(const Api& api, const ApiCall& call) {
  http::Response refusal;
  const auto query =
      read_own_query(call.request().query, api.now_us(), {"order", "limit", "cursor", "fields"}, refusal);
  if (!query) {
    return refusal;
  }
  auto page = api.storage.list(query->filter, query->order, {query->cursor, false}, query->limit);
  std::string rows;
  if (page.ok()) {
    size_t count = 0;
    rows = rows_text(page.value().runs, query->head_only, kRowsBytesMax, count);
    if (count < page.value().runs.size()) {
      // Only the storage can say where a shorter page ends.
      page = api.storage.list(query->filter, query->order, {query->cursor, false}, count);
      rows = page.ok() ? rows_text(page.value().runs, query->head_only, SIZE_MAX, count) : "";
    }
  }
  if (page.code() == Code::kInvalidArgument) {
    return parameter_error("cursor", message_of(page.status()));
  }
  if (!page.ok()) {
    return unavailable(page.status());
  }
  std::string out = "{\"runs\":[" + rows + "]";
  if (!page.value().next.empty()) {
    out += ",\"next_cursor\":";
    engine::append_json_string(out, page.value().next);
  }
  return text_response(out + "}");
}

http::Response show_own(const Api& api, const ApiCall& call) {
  http::Response refusal;
  if (!read_known_query(call.request().query, {}, refusal)) {
    return refusal;
  }
  const std::string& id = call.parameter();
  std::optional<RunDurability> durability;
  if (api.options.local != nullptr) {
    // First: what is said to have come so far is not more than what is shown.
    auto found = api.options.local->durability(id);
    if (!found.ok()) {
      return unavailable(found.status());
    }
    durability = std::move(*found);
  }
  const auto run = api.storage.find(id, kMetadata | kPayload | kOutput | kForeign);
  if (!run.ok()) {
    return unavailable(run.status());
  }
  if (!*run) {
    return run_not_found();
  }
  const auto children = api.storage.count_children(id);
  if (!children.ok()) {
    return unavailable(children.status());
  }
  return text_response(own_run(**run, *children, durability ? &*durability : nullptr));
}

using engine::Array;
using engine::Object;
using engine::Value;

Value time_or_null(int64_t us) { return us == 0 ? Value() : Value(report::iso_time(us)); }
template <class Known>
Value value_or_null(const std::optional<Known>& known) {
  return known ? Value(*known) : Value();
}
Value text_or_null(const std::string& text) { return text.empty() ? Value() : Value(report::valid_text(text)); }

http::Response own_response(Object body) {
  report::write_wide_as_text(body);
  return json_response(200, std::move(body));
}

Object by_status(const Counts& counts) {
  Object out;
  for (const auto& [status, count] : counts.by_status) {
    out.push_back({engine::status_name(status), Value(count)});
  }
  return out;
}

/// The most frequent first, at most 1,000 of them.
Array by_name(const char* what, const std::map<std::string, uint64_t>& counts) {
  constexpr size_t kNamesMax = 1000;
  std::vector<std::pair<std::string, uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  Array out;
  for (size_t i = 0; i < sorted.size() && i < kNamesMax; ++i) {
    out.emplace_back(Object{{what, Value(sorted[i].first)}, {"runs", Value(sorted[i].second)}});
  }
  return out;
}

http::Response count_runs(RememberedCounts& remembered, const Api& api, const ApiCall& call) {
  http::Response refusal;
  const auto query = read_own_query(call.request().query, api.now_us(), {}, refusal);
  if (!query) {
    return refusal;
  }
  const auto counted = remembered.get(api.storage, call.request().query, query->filter, api.now_us());
  if (!counted.ok()) {
    return unavailable(counted.status());
  }
  const Counts& counts = counted.value()->counts;
  return own_response({{"runs", Value(counts.runs)},
                       {"orphaned_runs", Value(counts.orphaned)},
                       {"foreign_runs", Value(counts.foreign)},
                       {"runs_by_status", by_status(counts)},
                       {"runs_by_task", by_name("task", counts.by_task)},
                       {"runs_by_tag", by_name("tag", counts.by_tag)},
                       {"counted_at", Value(report::iso_time(counted.value()->at_us))}});
}

// --- what only a store of this machine tells ---

/// A handler that needs one, and knows these parameters.
template <class Answer>
Handler of_local_store(std::initializer_list<std::string_view> names, Answer answer) {
  return [names = std::vector<std::string_view>(names), answer](const Api& api, const ApiCall& call) -> http::Response {
    if (api.options.local == nullptr) {
      return with_retry(error_response(501, "the runs of this server are kept elsewhere: it cannot tell this"), false);
    }
    http::Response refusal;
    const auto parts = read_known_query(call.request().query, names, refusal);
    return parts ? answer(*api.options.local, api, call, *parts) : refusal;
  };
}

using Parameters = std::vector<std::pair<std::string, std::string>>;

std::string value_of(const Parameters& parts, std::string_view name) {
  const auto found = std::find_if(parts.begin(), parts.end(), [name](const auto& part) { return part.first == name; });
  return found == parts.end() ? "" : found->second;
}

http::Response show_history(LocalStore& local, const Api& /*api*/, const ApiCall& call, const Parameters& parts) {
  const std::string key = value_of(parts, "key");
  if (key.empty()) {
    return parameter_error("key", "key is required: the name of a number at the top level of the metadata");
  }
  const auto history = local.history(call.parameter(), key);
  if (history.code() == Code::kInvalidArgument) {
    return with_retry(error_response(501, message_of(history.status())), false);
  }
  if (!history.ok()) {
    return unavailable(history.status());
  }
  if (!*history) {
    return run_not_found();
  }
  Array points;
  for (const HistoryPoint& point : history.value()->points) {
    points.emplace_back(Object{{"at", Value(report::iso_time(point.at_us))}, {"value", Value(point.value)}});
  }
  return own_response({{"id", Value(call.parameter())},
                       {"key", Value(key)},
                       {"interval_ms", Value(uint64_t{history.value()->interval_ms})},
                       {"points", std::move(points)}});
}

http::Response show_sync(LocalStore& local, const Api& /*api*/, const ApiCall& /*call*/, const Parameters& /*parts*/) {
  const auto found = local.sync();
  if (!found.ok()) {
    return unavailable(found.status());
  }
  const SyncState& s = found.value();
  return own_response({{"upstream", text_or_null(s.upstream)},
                       {"attached", Value(s.attached)},
                       {"all_acknowledged", Value(s.all_acknowledged)},
                       {"waiting_runs", Value(s.waiting_runs)},
                       {"held_runs", Value(s.held_runs)},
                       {"since", time_or_null(s.oldest_us)},
                       {"in_flight_runs", Value(s.in_flight_runs)},
                       {"in_flight_bytes", Value(s.in_flight_bytes)},
                       {"not_folded", Value(s.not_folded)},
                       {"not_logged", Value(s.not_logged)},
                       {"batches", Value(s.batches)},
                       {"lost_deltas", Value(s.lost_deltas)},
                       {"acknowledged_at", time_or_null(s.acked_us)},
                       {"paused", Value(s.paused)},
                       {"halt", text_or_null(s.halt)},
                       {"last_error", text_or_null(s.last_error)},
                       {"last_error_since", s.last_error.empty() ? Value() : time_or_null(s.last_error_us)},
                       {"next_try_ms", s.attached ? Value(s.next_try_ms) : Value()}});
}

http::Response list_dead(LocalStore& local, const Api& /*api*/, const ApiCall& /*call*/, const Parameters& parts) {
  const auto letters = local.dead(value_of(parts, "cursor"), kOwnPageMax + 1);
  if (!letters.ok()) {
    return unavailable(letters.status());
  }
  Object out;
  Array dead;
  for (size_t i = 0; i < letters->size() && i < kOwnPageMax; ++i) {
    const DeadRun& run = letters.value()[i];
    dead.emplace_back(Object{{"id", Value(run.id)},
                             {"reason", Value(run.reason)},
                             {"text", Value(report::valid_text(run.text))},
                             {"since", Value(report::iso_time(run.since_us))}});
  }
  out.push_back({"dead", std::move(dead)});
  if (letters->size() > kOwnPageMax) {
    out.push_back({"next_cursor", Value(letters.value()[kOwnPageMax - 1].id)});
  }
  return own_response(std::move(out));
}

http::Response list_senders(LocalStore& local, const Api& /*api*/, const ApiCall& /*call*/,
                            const Parameters& /*parts*/) {
  const auto senders = local.senders();
  if (!senders.ok()) {
    return unavailable(senders.status());
  }
  Array out;
  for (const SendingStore& store : senders.value()) {
    out.emplace_back(Object{{"store_id", Value(store.owner)},
                            {"generation", Value(store.generation)},
                            {"batches", Value(store.batches)},
                            {"refused", Value(store.refused)},
                            {"host", text_or_null(store.home.host)},
                            {"directory", text_or_null(store.home.directory)},
                            {"process_id", store.home.process == 0 ? Value() : Value(store.home.process)},
                            {"last_heard_at", time_or_null(store.home.heard_us)},
                            {"last_batch_at", time_or_null(store.home.taken_us)},
                            {"runs", value_or_null(store.runs)},
                            {"unfinished_runs", value_or_null(store.unfinished_runs)},
                            {"gone", value_or_null(store.is_gone())}});
  }
  return own_response({{"stores", std::move(out)}});
}

http::Response show_store(RememberedCounts& remembered, LocalStore& local, const Api& api) {
  const auto found = local.figures();
  RunFilter all;
  all.foreign = true;
  const auto counted = remembered.get(api.storage, "", all, api.now_us());
  if (!found.ok()) {
    return unavailable(found.status());
  }
  const StoreFigures& f = found.value();
  const Counts* const counts = counted.ok() ? &counted.value()->counts : nullptr;  // null: a run cannot be read
  return own_response({{"store_id", Value(f.store_id)},
                       {"created_at", time_or_null(f.created_us)},
                       {"owner_pid", Value(f.owner_pid)},
                       {"owner_alive", Value(true)},
                       {"runs", counts != nullptr ? Value(counts->runs) : Value()},
                       {"orphaned_runs", counts != nullptr ? Value(counts->orphaned) : Value()},
                       {"runs_by_status", counts != nullptr ? Value(by_status(*counts)) : Value()},
                       {"foreign_runs", counts != nullptr ? Value(counts->foreign) : Value()},
                       {"metadata_bytes", value_or_null(f.metadata_bytes)},
                       {"last_lsn", Value(f.last_lsn)},
                       {"durable_lsn", Value(f.durable_lsn)},
                       {"applied_lsn", Value(f.applied_lsn)},
                       {"segments", Value(f.segments)},
                       {"disk_bytes", Value(f.disk_bytes)},
                       {"wal_bytes", Value(f.wal_bytes)},
                       {"staging_bytes", Value(f.staging_bytes)},
                       {"tables_bytes", Value(f.tables_bytes)},
                       {"runs_in_memory", Value(f.runs_in_memory)},
                       {"runs_unflushed", Value(f.runs_unflushed)},
                       {"flushes", Value(f.flushes)},
                       {"checkpoints", Value(f.checkpoints)},
                       {"transactions", Value(f.transactions)},
                       {"recovered_runs", Value(f.recovered_runs)},
                       {"recovered_changes", Value(f.recovered_changes)},
                       {"dropped_records", Value(f.dropped_records)},
                       {"torn_tail", Value(f.torn_tail)},
                       {"staging_on", Value(f.staging_on)},
                       {"staging_lost", Value(f.staging_lost)}});
}

}  // namespace

void add_own_reading_routes(const SharedApi& api, std::vector<Route>& routes) {
  const auto add = [&](const char* pattern, Handler handler) {
    routes.push_back(api_route(api, "GET", pattern, {}, kUnreadBodyBytesMax, std::move(handler)));
  };
  add("/cairn/v1/runs", list_own);
  add("/cairn/v1/runs/:id", show_own);
  add("/cairn/v1/runs/:id/history", of_local_store({"key"}, show_history));
  const auto remembered = std::make_shared<RememberedCounts>();
  add("/cairn/v1/counts",
      [remembered](const Api& given, const ApiCall& call) { return count_runs(*remembered, given, call); });
  add("/cairn/v1/sync", of_local_store({}, show_sync));
  add("/cairn/v1/dead", of_local_store({"cursor"}, list_dead));
  add("/cairn/v1/stores", of_local_store({}, list_senders));
  add("/cairn/v1/store",
      of_local_store({}, [remembered](LocalStore& local, const Api& given, const ApiCall& /*call*/,
                                      const Parameters& /*parts*/) { return show_store(*remembered, local, given); }));
}

}  // namespace cairn::server
