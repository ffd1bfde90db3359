// MemoryStorage: finding, listing and watching.
#include <algorithm>
#include <charconv>
#include <set>

#include "api/server/metadata_filter.h"
#include "engine/json/json.h"
#include "tests/support/memory_storage.h"

namespace cairn::tests {

using namespace server;

namespace {

template <class T>
bool is_one_of(const std::vector<T>& list, const T& one) {
  return list.empty() || std::find(list.begin(), list.end(), one) != list.end();
}

/// A cursor stands at a run, or just after it: "a" or "b", 16 hexadecimal digits of when the run was created, its id.
struct Mark {
  std::pair<int64_t, std::string> place;
  bool is_after = false;
};

std::string text_of(const Mark& mark) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(mark.place.first));
  return (mark.is_after ? "b" : "a") + std::string(digits) + mark.place.second;
}

std::optional<Mark> mark_of(const std::string& text) {
  constexpr size_t kHead = 17;
  uint64_t created = 0;
  if (text.size() <= kHead || (text[0] != 'a' && text[0] != 'b')) {
    return std::nullopt;
  }
  const auto [end, failed] = std::from_chars(text.data() + 1, text.data() + kHead, created, 16);
  if (failed != std::errc() || end != text.data() + kHead) {
    return std::nullopt;
  }
  return Mark{{static_cast<int64_t>(created), text.substr(kHead)}, text[0] == 'b'};
}

}  // namespace

RunView MemoryStorage::view_of(const Run& run, unsigned parts) const {
  RunView out = run.view;
  if ((parts & kMetadata) != 0 && run.document.size() != 0) {
    out.metadata = run.document.to_json();
  }
  if ((parts & kPayload) != 0) {
    out.payload = run.payload;
  }
  if ((parts & kOutput) != 0) {
    out.output = run.output;
  }
  if ((parts & kSeed) != 0) {
    out.seed = run.seed;
  }
  if ((parts & kRelatives) != 0) {
    const auto relative = [this](const std::string& id) {
      const auto found = runs_.find(id);
      return found == runs_.end() ? nullptr : std::make_shared<const RunView>(view_of(found->second, kMetadata));
    };
    out.parent_run = relative(run.view.parent);
    out.root_run = relative(run.view.root);
    for (auto at = by_created_.rbegin(); at != by_created_.rend() && out.children.size() < kChildrenMax; ++at) {
      const Run& other = runs_.at(at->second);
      if (other.view.parent == run.view.id) {
        out.children.push_back(view_of(other, kMetadata));
      }
    }
  }
  return out;
}

Result<std::optional<RunView>> MemoryStorage::find(std::string_view id, unsigned parts) {
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(trouble_);
  const auto found = runs_.find(std::string(id));
  return found == runs_.end() ? std::optional<RunView>() : view_of(found->second, parts);
}

bool MemoryStorage::fits(const Run& run, const RunFilter& filter) const {
  const RunView& view = run.view;
  const auto has_tag = [&view](const std::string& tag) {
    return std::find(view.tags.begin(), view.tags.end(), tag) != view.tags.end();
  };
  if (!is_one_of(filter.statuses, view.status) || !is_one_of(filter.tasks, view.task) ||
      !is_one_of(filter.batches, view.batch) || (filter.is_test && *filter.is_test != view.is_test) ||
      (!filter.tags.empty() && std::none_of(filter.tags.begin(), filter.tags.end(), has_tag)) ||
      !std::all_of(filter.all_tags.begin(), filter.all_tags.end(), has_tag) ||
      (!filter.parent.empty() && view.parent != filter.parent) || (!filter.root.empty() && view.root != filter.root) ||
      (filter.updated_from_us && view.updated_us < *filter.updated_from_us) ||
      (filter.updated_to_us && view.updated_us >= *filter.updated_to_us) ||
      (filter.created_from_us && view.created_us < *filter.created_from_us) ||
      (filter.created_to_us && view.created_us > *filter.created_to_us)) {
    return false;
  }
  return has_text(run, filter.text) && MetadataFilter(filter.metadata).fits(run.document);
}

bool MemoryStorage::has_text(const Run& run, const std::string& text) {
  const auto lower = [](std::string of) {
    std::transform(of.begin(), of.end(), of.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return of;
  };
  const auto has = [&](const std::string& in) { return lower(in).find(lower(text)) != std::string::npos; };
  return text.empty() || has(run.view.id) || has(run.view.task) || has(run.document.to_json()) ||
         std::any_of(run.view.tags.begin(), run.view.tags.end(), has);
}

// A cursor is ORDER, 16 hexadecimal digits of when the last run was updated, its id.
Result<Page> MemoryStorage::list_by(Order order, const RunFilter& filter, const Cursor& cursor, size_t limit) {
  const std::string mark = std::to_string(static_cast<int>(order));
  std::optional<Mark> after = mark_of("a" + cursor.text.substr(std::min(cursor.text.size(), mark.size())));
  if (cursor.backwards || (!cursor.text.empty() && (!after || !cursor.text.starts_with(mark)))) {
    return Status(Code::kInvalidArgument, "this is no cursor of this listing of runs");
  }
  if (filter.updated_from_us && filter.updated_to_us && *filter.updated_from_us > *filter.updated_to_us) {
    return Status(Code::kInvalidArgument, "the range of times ends before it begins");
  }
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(trouble_);
  const auto comes_before = [order](const Place& a, const Place& b) {
    return order == Order::kId ? a.second < b.second : order == Order::kOldestFirst ? a < b : a > b;
  };
  std::vector<Place> places;
  for (const auto& [id, run] : runs_) {
    const Place place(run.view.updated_us, id);
    if (fits(run, filter) && (cursor.text.empty() || comes_before(after->place, place))) {
      places.push_back(place);
    }
  }
  std::sort(places.begin(), places.end(), comes_before);
  Page out;
  for (size_t i = 0; i < places.size() && i < limit; ++i) {
    out.runs.push_back(view_of(runs_.at(places[i].second), kMetadata));
  }
  out.next = places.size() > limit ? mark + text_of({places[limit - 1], false}).substr(1) : "";
  return out;
}

Result<Counts> MemoryStorage::count(const RunFilter& filter) {
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(trouble_);
  Counts out;
  for (const auto& [id, run] : runs_) {
    if (!fits(run, filter)) {
      continue;
    }
    ++out.runs;
    ++out.by_status[run.view.status];
    out.by_task[run.view.task] += run.view.task.empty() ? 0 : 1;
    for (const std::string& tag : run.view.tags) {
      ++out.by_tag[tag];
    }
  }
  out.by_task.erase("");
  return out;
}

Result<uint64_t> MemoryStorage::count_children(std::string_view id) {
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(trouble_);
  return static_cast<uint64_t>(
      std::count_if(runs_.begin(), runs_.end(), [id](const auto& run) { return run.second.view.parent == id; }));
}

Result<Page> MemoryStorage::list(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit) {
  if (order != Order::kCreatedNewestFirst) {
    return list_by(order, filter, cursor, limit);
  }
  const std::optional<Mark> mark = mark_of(cursor.text);
  if (!cursor.text.empty() && !mark) {
    return Status(Code::kInvalidArgument, "this is no cursor of a listing of runs");
  }
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(trouble_);
  std::vector<const Place*> matching;
  for (auto at = by_created_.rbegin(); at != by_created_.rend(); ++at) {
    if (fits(runs_.at(at->second), filter)) {
      matching.push_back(&at->first);
    }
  }
  // The first that is after the mark, and the first that is not before it.
  size_t from = 0;
  size_t to = matching.size();
  if (mark) {
    const auto is_before = [&](const Place* place) {
      return *place > mark->place || (mark->is_after && *place == mark->place);
    };
    const auto at = std::partition_point(matching.begin(), matching.end(), is_before);
    if (cursor.backwards) {
      to = static_cast<size_t>(at - matching.begin());
      from = to > limit ? to - limit : 0;
    } else {
      from = static_cast<size_t>(at - matching.begin());
      from += from < matching.size() && *matching[from] == mark->place ? 1 : 0;
    }
  } else if (cursor.backwards) {
    from = to > limit ? to - limit : 0;
  }
  to = std::min(to, from + limit);
  Page out;
  for (size_t i = from; i < to; ++i) {
    out.runs.push_back(view_of(runs_.at(matching[i]->second), kMetadata));
  }
  if (to < matching.size()) {
    out.next = from < to ? text_of({*matching[to - 1], false}) : text_of({{INT64_MAX, "~"}, false});
  }
  if (from > 0) {
    out.previous = from < to ? text_of({*matching[from], false}) : text_of({*matching[from - 1], true});
  }
  return out;
}

// --- watching ---

bool MemoryStorage::fits(const Run& run, const Shape& shape) const {
  const RunView& view = run.view;
  switch (shape.kind) {
    case Shape::Kind::kAll:
      return true;
    case Shape::Kind::kRun:
      return view.id == shape.id;
    case Shape::Kind::kBatch:
      return view.batch == shape.id;
    case Shape::Kind::kTags:
      return view.created_us >= shape.created_from_us &&
             std::all_of(shape.tags.begin(), shape.tags.end(), [&view](const std::string& tag) {
               return std::find(view.tags.begin(), view.tags.end(), tag) != view.tags.end();
             });
  }
  return false;
}

Changes MemoryStorage::changes_of_run(const Shape& shape, const std::optional<Position>& after, unsigned parts) {
  Changes out;
  const Run* run = run_of(shape.id);
  out.found = run != nullptr;
  if (!out.found) {
    return out;
  }
  out.next = {run->view.life, run->view.sequence};
  out.reset = after && (after->feed != run->view.life || after->number > run->view.sequence);
  if (!out.reset && (!after || after->number < run->view.sequence)) {
    out.rows.push_back(view_of(*run, parts));
  }
  return out;
}

// The rest of a snapshot is "LEFT-MARK": how many runs it may still have, and the last one that it has.
bool MemoryStorage::read_shape(const Shape& shape, const std::string& rest, const Extent& extent, Changes& out) {
  size_t left = extent.runs_max;
  auto at = by_created_.rbegin();
  if (!rest.empty()) {
    size_t given = 0;
    const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), given);
    const std::optional<Mark> mark =
        failed == std::errc() ? mark_of(std::string(end, rest.data() + rest.size())) : std::nullopt;
    if (!mark) {
      return false;
    }
    left = std::min(left, given);
    at = std::make_reverse_iterator(by_created_.lower_bound(mark->place));
  }
  size_t bytes = 0;
  for (; at != by_created_.rend() && out.rows.size() < left; ++at) {
    const Run& run = runs_.at(at->second);
    if (!fits(run, shape)) {
      continue;
    }
    if (bytes >= extent.bytes_max && !out.rows.empty()) {
      const RunView& last = out.rows.back();
      out.next.rest = std::to_string(left - out.rows.size()) + text_of({{last.created_us, last.id}, false});
      break;
    }
    out.rows.push_back(view_of(run, extent.parts));
    bytes += bytes_of_texts(out.rows.back(), extent.parts);
  }
  return true;
}

Result<Changes> MemoryStorage::changes(const Shape& shape, const std::optional<Position>& after, const Extent& extent) {
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(trouble_);
  if (shape.kind == Shape::Kind::kRun) {
    return changes_of_run(shape, after, extent.parts);
  }
  Changes out;
  out.found = shape.kind != Shape::Kind::kBatch || batches_.count(shape.id) != 0;
  out.next = {feed_, position_};
  if (!out.found) {
    return out;
  }
  if (!after) {
    read_shape(shape, "", extent, out);
    out.complete = out.next.rest.empty();
    return out;
  }
  const uint64_t known_from = position_ - history_.size();  // what came after it is known
  if (after->feed != feed_ || after->number > position_ || after->number < known_from) {
    out.reset = true;
    return out;
  }
  if (!after->rest.empty()) {
    out.next.number = after->number;
    out.reset = !read_shape(shape, after->rest, extent, out);
    out.complete = out.next.rest.empty() && after->number == position_;
    return out;
  }
  std::set<std::string> seen;
  size_t bytes = 0;
  for (uint64_t number = after->number + 1; number <= position_; ++number) {
    const std::string& id = history_[number - known_from - 1];
    const Run* run = run_of(id);
    if (seen.count(id) != 0 || (run == nullptr ? shape.kind != Shape::Kind::kAll : !fits(*run, shape))) {
      continue;
    }
    if (seen.size() >= extent.runs_max || (bytes >= extent.bytes_max && !out.rows.empty())) {
      out.next.number = number - 1;
      out.complete = false;
      break;
    }
    seen.insert(id);
    if (run == nullptr) {
      out.erased.emplace_back(id, number);
      continue;
    }
    out.rows.push_back(view_of(*run, extent.parts));
    out.numbers.push_back(run->number);
    bytes += bytes_of_texts(out.rows.back(), extent.parts);
  }
  return out;
}

}  // namespace cairn::tests
