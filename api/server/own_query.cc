#include "api/server/own_query.h"

#include <algorithm>
#include <set>
#include <span>

#include "api/report/read_time.h"
#include "api/server/api_call.h"
#include "api/server/metadata_filter.h"
#include "api/server/query.h"
#include "engine/records/run_id.h"
#include "engine/records/run_status.h"

namespace cairn::server {

namespace {

constexpr std::string_view kFilters[] = {"status", "task",  "tag",   "parent", "root",
                                         "from",   "since", "until", "text",   "metadata"};
constexpr std::string_view kRepeated[] = {"status", "tag", "metadata"};

bool is_one_of(std::string_view name, Names names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string listed(Names first, Names second = {}) {
  std::string out;
  for (const Names names : {first, second}) {
    for (const std::string_view name : names) {
      out.append(out.empty() ? "" : ", ").append(name);
    }
  }
  return out;
}

std::string all_statuses() {
  std::string out;
  for (unsigned s = 0; s <= static_cast<unsigned>(engine::RunStatus::kTimedOut); ++s) {
    out.append(out.empty() ? "" : ", ").append(engine::status_name(static_cast<engine::RunStatus>(s)));
  }
  return out;
}

/// What is wrong with the filter; "": nothing is.
std::string read_filter(const std::string& name, const std::string& value, int64_t now_us, RunFilter& into) {
  if (name == "status") {
    engine::RunStatus status = engine::RunStatus::kQueued;
    if (!engine::status_from_name(value, status)) {
      return "'" + value + "' is not a status; they are " + all_statuses();
    }
    into.statuses.push_back(status);
  } else if (name == "task") {
    into.tasks = {value};
  } else if (name == "tag") {
    into.all_tags.push_back(value);
  } else if (name == "parent" || name == "root") {
    if (!value.empty() && !engine::valid_run_id(value)) {
      return name + ": '" + value +
             "' is no id that a run can have: 1 to 64 of A-Z a-z 0-9 _ - . :, and not first . or :";
    }
    (name == "parent" ? into.parent : into.root) = value;
  } else if (name == "from") {
    if (value.empty()) {
      return "from is empty: give the name of a host, or the first digits of a store's id, 4 or more";
    }
    into.from = value;
  } else if (name == "text") {
    into.text = value;
  } else if (name == "metadata") {
    std::string wrong;
    auto terms = read_metadata_terms(value, wrong);
    if (!terms) {
      return "metadata: '" + value + "' " + wrong;
    }
    into.metadata.insert(into.metadata.end(), terms->begin(), terms->end());
  } else {
    const auto time = report::parse_time(value, now_us);
    if (!time) {
      return name + ": '" + value + "' is not a time; write " + report::kTimeForms;
    }
    (name == "since" ? into.updated_from_us : into.updated_to_us) = time;
  }
  return {};
}

std::string read_page(const std::string& name, const std::string& value, OwnQuery& into) {
  if (name == "cursor") {
    into.cursor = value;
  } else if (name == "limit") {
    const auto limit = report::parse_whole(value, {1, kOwnPageMax});
    if (!limit) {
      return "limit must be a whole number from 1 to " + std::to_string(kOwnPageMax);
    }
    into.limit = *limit;
  } else if (name == "order") {
    static const std::pair<std::string_view, Order> kOrders[] = {
        {"newest", Order::kNewestFirst}, {"oldest", Order::kOldestFirst}, {"id", Order::kId}};
    const auto* found = std::find_if(std::begin(kOrders), std::end(kOrders),
                                     [&value](const auto& order) { return order.first == value; });
    if (found == std::end(kOrders)) {
      return "'" + value + "' is not an order; they are newest, oldest and id";
    }
    into.order = found->second;
  } else if (name == "fields") {
    if (value != "head" && value != "all") {
      return "fields must be all, or head: without the metadata";
    }
    into.head_only = value == "head";
  }
  return {};
}

std::optional<std::vector<std::pair<std::string, std::string>>> read_parts(std::string_view query, Names first,
                                                                           Names second, Names repeated,
                                                                           http::Response& refusal) {
  auto parts = read_query(query);
  if (!parts) {
    refusal = parameter_error("query", "the query is not percent-encoded UTF-8");
    return std::nullopt;
  }
  std::set<std::string_view> seen;
  for (const auto& [name, value] : *parts) {
    if (!is_one_of(name, first) && !is_one_of(name, second)) {
      const std::string names = listed(first, second);
      refusal = parameter_error(name, "there is no parameter '" + name +
                                          (names.empty() ? "' here, and no other" : "' here; they are " + names));
      return std::nullopt;
    }
    if (!seen.insert(name).second && !is_one_of(name, repeated)) {
      refusal = parameter_error(name, "the parameter '" + name + "' can be given once only");
      return std::nullopt;
    }
  }
  return parts;
}

}  // namespace

http::Response parameter_error(std::string_view name, std::string_view text) {
  return json_response(400, {{"error", text}, {"parameter", name}});
}

std::optional<OwnQuery> read_own_query(std::string_view query, int64_t now_us,
                                       std::initializer_list<std::string_view> others, http::Response& refusal) {
  const auto parts = read_parts(query, kFilters, {others.begin(), others.size()}, kRepeated, refusal);
  if (!parts) {
    return std::nullopt;
  }
  OwnQuery out;
  out.filter.foreign = true;
  for (const auto& [name, value] : *parts) {
    const std::string wrong =
        is_one_of(name, kFilters) ? read_filter(name, value, now_us, out.filter) : read_page(name, value, out);
    if (!wrong.empty()) {
      refusal = parameter_error(name, wrong);
      return std::nullopt;
    }
  }
  if (out.filter.updated_from_us && out.filter.updated_to_us &&
      *out.filter.updated_from_us > *out.filter.updated_to_us) {
    refusal = parameter_error("since", "the time of since is after that of until");
    return std::nullopt;
  }
  return out;
}

std::optional<std::vector<std::pair<std::string, std::string>>> read_known_query(std::string_view query, Names names,
                                                                                 http::Response& refusal,
                                                                                 Names repeated) {
  return read_parts(query, names, {}, repeated, refusal);
}

}  // namespace cairn::server
