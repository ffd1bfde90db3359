// Random runs and queries that meet each other, and what a query must find among runs: by looking at each of them.
#pragma once

#include <rapidcheck.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <string>
#include <vector>

#include "engine/records/run_query.h"

namespace cairn::testing {

using engine::RunOrder;
using engine::RunQuery;
using engine::RunRecord;
using engine::RunStatus;

inline RunStatus any_status() { return static_cast<RunStatus>(*rc::gen::inRange(3, 9)); }
inline int64_t any_time() { return *rc::gen::inRange(-3, 4); }
inline std::string any_run_id() { return "run_" + std::string(1, static_cast<char>('a' + *rc::gen::inRange(0, 20))); }
/// "", short ones, one that begins another before a zero byte, two that share their key in the index.
inline std::string any_task() {
  static const std::string kLong(600, 'l');
  static const std::vector<std::string> kTasks = {"",    "copy",     "copy", "Move", std::string("copy\0run_x", 10),
                                                  kLong, kLong + "2"};
  return *rc::gen::elementOf(kTasks);
}
inline std::string any_parent() {
  static const std::vector<std::string> kParents = {"", "run_p", "run_p", "run", "run_pp"};
  return *rc::gen::elementOf(kParents);
}
inline std::vector<std::string> any_tags() {
  static const std::vector<std::string> kTags = {"nightly", "Blue", "x"};
  return *rc::gen::container<std::vector<std::string>>(*rc::gen::inRange<size_t>(0, 3), rc::gen::elementOf(kTags));
}
inline engine::Object any_document() {
  static const std::vector<std::string> kTexts = {"", "Hello \"World\"", "blue", "RUN_P", "0.5"};
  engine::Object object;
  object.push_back({"note", engine::Value(*rc::gen::elementOf(kTexts))});
  return object;
}

inline RunRecord any_run(std::string id) {
  RunRecord r;
  r.id = std::move(id);
  r.sequence = 1;
  r.status = any_status();
  r.task = any_task();
  r.tags = any_tags();
  r.parent = any_parent();
  r.root = any_parent();
  r.updated_us = any_time();
  r.document = engine::Document::from_object(any_document());
  return r;
}

/// Half of the filters are not set.
inline RunQuery any_query() {
  static const std::vector<std::string> kTexts = {"BLUE", "run_p", "\\\"world", "0.5", "nothing", "COPY", "note"};
  const auto maybe = [] { return *rc::gen::inRange(0, 3) == 0; };
  RunQuery q;
  if (maybe()) {
    q.statuses = static_cast<uint32_t>(*rc::gen::inRange(0, 64)) << 3;
  }
  if (maybe()) {
    q.task = any_task();
  }
  if (maybe()) {
    q.tags = any_tags();
  }
  if (maybe()) {
    q.parent = any_parent();
  }
  if (maybe()) {
    q.root = any_parent();
  }
  if (maybe()) {
    q.updated_from_us = any_time();
  }
  if (maybe()) {
    q.updated_to_us = std::max(any_time(), q.updated_from_us.value_or(-3));
  }
  if (maybe()) {
    q.text = *rc::gen::elementOf(kTexts);
  }
  q.order = static_cast<RunOrder>(*rc::gen::inRange(0, 3));
  q.limit = *rc::gen::inRange<size_t>(0, 5);
  return q;
}

inline bool matches(const RunQuery& q, const RunRecord& r) {
  const auto lower = [](std::string text) {
    for (char& c : text) {
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return text;
  };
  std::string all = r.id + "\n" + r.task + "\n" + r.document.to_json();
  for (const std::string& tag : r.tags) {
    all += "\n" + tag;
  }
  for (const std::string& tag : q.tags) {
    if (std::count(r.tags.begin(), r.tags.end(), tag) == 0) {
      return false;
    }
  }
  if (q.statuses != 0 && (q.statuses >> static_cast<int>(r.status)) % 2 == 0) {
    return false;
  }
  if (!q.task.empty() && q.task != r.task) {
    return false;
  }
  if (!q.parent.empty() && q.parent != r.parent) {
    return false;
  }
  if (!q.root.empty() && q.root != r.root) {
    return false;
  }
  if (q.updated_from_us && r.updated_us < *q.updated_from_us) {
    return false;
  }
  if (q.updated_to_us && r.updated_us >= *q.updated_to_us) {
    return false;
  }
  return lower(all).find(lower(q.text)) != std::string::npos;
}

/// Id and document of each run that the query finds, in its order, without limit.
inline std::vector<std::string> expected(const RunQuery& q, std::vector<RunRecord> runs) {
  std::erase_if(runs, [&q](const RunRecord& r) { return !matches(q, r); });
  std::sort(runs.begin(), runs.end(), [](const RunRecord& a, const RunRecord& b) { return a.id < b.id; });
  if (q.order != RunOrder::kId) {
    std::stable_sort(runs.begin(), runs.end(),
                     [](const RunRecord& a, const RunRecord& b) { return a.updated_us < b.updated_us; });
  }
  if (q.order == RunOrder::kNewestFirst) {
    std::reverse(runs.begin(), runs.end());
  }
  std::vector<std::string> out;
  for (const RunRecord& r : runs) {
    out.push_back(r.id + r.document.to_json());
  }
  return out;
}

/// The same by pages: `page` appends to the list and gives the next cursor. Each page but the last is full.
inline std::vector<std::string> by_pages(
    RunQuery q, const std::function<std::string(const RunQuery&, std::vector<std::string>&)>& page) {
  std::vector<std::string> out;
  do {
    const size_t before = out.size();
    q.cursor = page(q, out);
    if (!q.cursor.empty()) {
      RC_ASSERT(q.limit != 0U && out.size() == before + q.limit);
    } else {
      RC_ASSERT(q.limit == 0U || out.size() <= before + q.limit);
    }
  } while (!q.cursor.empty());
  return out;
}

}  // namespace cairn::testing
