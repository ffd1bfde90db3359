#include "api/server/list_query.h"

#include <charconv>
#include <utility>

#include "api/server/api_call.h"
#include "api/server/query.h"
#include "api/server/times.h"
#include "engine/records/run_status.h"

namespace cairn::server {

namespace {

constexpr size_t kPageMax = 100;

class ListQueryReader {
 public:
  explicit ListQueryReader(int64_t now_us) : now_us_(now_us) {}

  void read(const std::string& name, const std::string& value) {
    if (name.starts_with("page[")) {
      read_page(name, value);
    } else if (name.starts_with("filter[")) {
      read_filter(name, value);
    }
  }

  std::optional<ListQuery> finish(http::Response& refusal) {
    if (!unserved_.empty()) {
      refusal = error_response(400, unserved_ + " is not served: there is nothing here to filter by it");
      return std::nullopt;
    }
    if (!details_.empty()) {
      refusal = json_response(400, {{"error", "Query Error"}, {"details", std::move(details_)}});
      return std::nullopt;
    }
    out_.cursor = before_.text.empty() ? std::move(after_) : std::move(before_);
    if (created_since_us_) {
      out_.filter.created_from_us = created_since_us_;
      out_.filter.created_to_us.reset();
    }
    return std::move(out_);
  }

 private:
  void complain(const std::string& name, const char* message) {
    details_.emplace_back(engine::Object{{"path", name}, {"message", message}});
  }

  void read_page(const std::string& name, const std::string& value) {
    if (name == "page[size]") {
      const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), out_.limit);
      if (failed != std::errc() || end != value.data() + value.size() || out_.limit == 0 || out_.limit > kPageMax) {
        complain(name, "must be a whole number from 1 to 100");
      }
    } else if (name == "page[after]") {
      after_ = {value, false};
    } else if (name == "page[before]") {
      before_ = {value, true};
    } else {
      complain(name, "must be page[size], page[after] or page[before]");
    }
  }

  void read_filter(const std::string& name, const std::string& value) {
    RunFilter& filter = out_.filter;
    if (name == "filter[status]") {
      read_statuses(name, value);
    } else if (name == "filter[taskIdentifier]") {
      read_texts_of(value, filter.tasks);
    } else if (name == "filter[tag]") {
      read_texts_of(value, filter.tags);
    } else if (name == "filter[batch]") {
      read_texts_of(value, filter.batches);
    } else if (name == "filter[isTest]") {
      if (value != "true" && value != "false") {
        complain(name, "must be true or false");
      }
      filter.is_test = value == "true";
    } else if (name == "filter[createdAt][from]") {
      filter.created_from_us = read_instant(name, value);
    } else if (name == "filter[createdAt][to]") {
      filter.created_to_us = read_instant(name, value);
      if (filter.created_to_us && *filter.created_to_us % 1000 == 0 && *filter.created_to_us <= INT64_MAX - 999) {
        *filter.created_to_us += 999;  // clients know times to the millisecond: all of it is meant
      }
    } else if (name == "filter[createdAt][period]") {
      const auto duration_us = parse_duration_us(value);
      if (!duration_us) {
        complain(name, "must be a duration such as 30s, 5m, 1h, 7d or 2w");
      }
      created_since_us_ = now_us_ - duration_us.value_or(0);
    } else if (name.starts_with("filter[metadata.") && name.ends_with("]")) {
      read_metadata_filter(name, value);
    } else if (name != "filter[env]" && unserved_.empty()) {  // there is one environment
      unserved_ = name;
    }
  }

  void read_texts_of(const std::string& value, std::vector<std::string>& into) {
    const std::vector<std::string> found = split_list(value);  // none: the client's empty list, which is no filter
    into.insert(into.end(), found.begin(), found.end());
  }

  void read_statuses(const std::string& name, const std::string& value) {
    std::vector<std::string> names;
    read_texts_of(value, names);
    for (const std::string& one : names) {
      engine::RunStatus status = engine::RunStatus::kQueued;
      if (!engine::status_from_name(one, status)) {
        complain(name, "has a status that there is not");
      }
      out_.filter.statuses.push_back(status);
    }
  }

  /// Milliseconds since 1970, or ISO 8601.
  std::optional<int64_t> read_instant(const std::string& name, const std::string& value) {
    int64_t ms = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), ms);
    const bool is_number = failed == std::errc() && end == value.data() + value.size();
    const auto us = is_number && ms >= 0 && ms <= INT64_MAX / 1000 ? std::optional(ms * 1000) : parse_iso_us(value);
    if (!us) {
      complain(name, "must be milliseconds since 1970, or an ISO 8601 date");
    }
    return us;
  }

  void read_metadata_filter(const std::string& name, const std::string& value) {
    constexpr std::string_view kHead = "filter[metadata.";
    const std::string path = name.substr(kHead.size(), name.size() - kHead.size() - 1);
    if (path.empty()) {
      complain(name, "must name a path, such as filter[metadata.user.id]");
    }
    out_.filter.metadata.push_back({path, Comparison::kIs, value});
  }

  const int64_t now_us_;
  ListQuery out_;
  Cursor after_;
  Cursor before_;
  std::optional<int64_t> created_since_us_;
  std::string unserved_;
  engine::Array details_;
};

}  // namespace

http::Response query_error(std::string_view path, std::string_view message) {
  engine::Array details = {engine::Object{{"path", path}, {"message", message}}};
  return json_response(400, {{"error", "Query Error"}, {"details", std::move(details)}});
}

std::optional<ListQuery> read_list_query(std::string_view query, int64_t now_us, http::Response& refusal) {
  const auto parts = read_query(query);
  if (!parts) {
    refusal = query_error("query", "is not percent-encoded UTF-8");
    return std::nullopt;
  }
  ListQueryReader reader(now_us);
  for (const auto& [name, value] : *parts) {
    reader.read(name, value);
  }
  return reader.finish(refusal);
}

}  // namespace cairn::server
