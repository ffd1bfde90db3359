// RunStore: finding and watching.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <unordered_map>

#include "api/server/run_store.h"
#include "api/server/run_store_cursor.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"
#include "engine/store/home_stores.h"

namespace cairn::server {

using engine::RunStatus;

namespace {

constexpr size_t kRead = 256;  // runs of one page of the store

bool has_all_tags(const engine::RunRecord& run, const std::vector<std::string>& tags) {
  return std::all_of(tags.begin(), tags.end(), [&run](const std::string& tag) {
    return std::find(run.tags.begin(), run.tags.end(), tag) != run.tags.end();
  });
}

bool fits(const engine::RunRecord& run, const Shape& shape) {
  if (run.foreign) {
    return false;
  }
  switch (shape.kind) {
    case Shape::Kind::kAll:
      return true;
    case Shape::Kind::kRun:
      return run.id == shape.id;
    case Shape::Kind::kBatch:
      return run.details && run.details->batch == shape.id;
    case Shape::Kind::kTags:
      return run.created_us >= shape.created_from_us && has_all_tags(run, shape.tags);
  }
  return false;
}

std::optional<TypedText> typed(const std::optional<engine::TypedText>& text) {
  return text ? std::optional<TypedText>({text->type, text->text}) : std::nullopt;
}

bool waits(RunStatus status) {
  return status == RunStatus::kQueued || status == RunStatus::kDelayed || status == RunStatus::kPendingVersion;
}

}  // namespace

std::string RunStore::life_of(const engine::RunRecord& run) const {
  char text[40];
  std::snprintf(text, sizeof text, "%llx-%llx", static_cast<unsigned long long>(store_.incarnation()),
                static_cast<unsigned long long>(run.created_lsn));
  return text;
}

// One run that cannot be read does not keep the others from those who follow them.
Status RunStore::unless_damaged(const Status& s, const std::string& id) const {
  if (s.code != Code::kCorrupt) {
    return s;
  }
  engine::write_log(store_.options().hooks, engine::LogLevel::kError, s.code,
                    "run " + id + " is left out of what is followed: " + engine::error_text(s));
  return {};
}

Result<RunView> RunStore::view_of(const engine::RunView& run, unsigned parts) {
  const engine::RunRecord& r = run.record;
  RunView out;
  out.id = r.id;
  out.life = life_of(r);
  out.sequence = r.sequence;
  out.status = r.status;
  out.task = r.task;
  out.parent = r.parent;
  out.root = r.root;
  out.tags = r.tags;
  out.orphaned = run.orphaned;
  out.foreign = r.foreign;
  out.created_us = r.created_us;
  out.updated_us = r.updated_us;
  out.finished_us = r.finished_us;
  out.error = r.error;
  if (!r.owned_here()) {
    out.owner = engine::owner_text(r.origin.owner);
  }
  if (r.origin.received()) {
    out.home = store_.home_stores().find(r.origin.owner);
  }
  if (r.details) {
    const engine::RunDetails& d = *r.details;
    out.queued_us = d.queued_us;
    out.started_us = d.started_us;
    out.delayed_until_us = d.delayed_until_us;
    out.ttl = d.ttl;
    out.is_test = d.is_test;
    out.function = d.function;
    out.batch = d.batch;
    out.batch_index = d.batch_index;
    out.idempotency_key = d.idempotency_key;
    out.depth = d.depth;
  }
  if (out.queued_us == 0 && out.delayed_until_us == 0 && !waits(r.status)) {
    out.began_with_start = true;
    out.started_us = r.created_us;
  }
  if ((parts & kMetadata) != 0 && r.document.size() != 0) {
    out.metadata = r.document.to_json();
  }
  if ((parts & (kPayload | kOutput | kSeed)) != 0) {
    CAIRN_TRY_ASSIGN(auto&& texts, store_.texts(r.id));
    out.payload = (parts & kPayload) != 0 ? typed(texts.payload) : std::nullopt;
    out.output = (parts & kOutput) != 0 ? typed(texts.output) : std::nullopt;
    if ((parts & kSeed) != 0 && texts.seed) {
      out.seed = texts.seed->text;
    }
  }
  return out;
}

Status RunStore::add_relatives(RunView& view) {
  const auto relative = [this](const std::string& id, std::shared_ptr<const RunView>& into) -> Status {
    if (!id.empty()) {
      CAIRN_TRY_ASSIGN(auto&& found, find(id, kMetadata));
      into = found ? std::make_shared<const RunView>(std::move(*found)) : nullptr;
    }
    return {};
  };
  CAIRN_TRY(relative(view.parent, view.parent_run));
  CAIRN_TRY(relative(view.root, view.root_run));
  engine::RunQuery query;
  query.parent = view.id;
  query.order = engine::RunOrder::kCreatedLast;
  query.limit = kChildrenMax;
  std::vector<std::string> children;
  const auto listed = store_.list(
      query,
      [&children](const engine::RunView& child) {
        children.push_back(child.record.id);
        return true;
      },
      false);
  CAIRN_TRY(listed.status());
  for (const std::string& child : children) {
    CAIRN_TRY_ASSIGN(auto&& found, find(child, kMetadata));
    if (found) {
      view.children.push_back(std::move(*found));
    }
  }
  return {};
}

Result<std::optional<RunView>> RunStore::find(std::string_view id, unsigned parts) {
  if (!engine::valid_run_id(id)) {
    return std::optional<RunView>();
  }
  CAIRN_TRY_ASSIGN(const auto found, store_.peek(id, (parts & kMetadata) != 0));
  if (!found || found->erased || (found->record.foreign && (parts & kForeign) == 0)) {
    return std::optional<RunView>();
  }
  CAIRN_TRY_ASSIGN(auto&& view, view_of(*found, parts));
  if ((parts & kRelatives) != 0) {
    CAIRN_TRY(add_relatives(view));
  }
  return std::optional<RunView>(std::move(view));
}

// --- watching ---

void RunStore::on_change(std::function<void()> hint) { feed_.on_change(std::move(hint)); }

Result<Changes> RunStore::changes_of_run(const Shape& shape, const std::optional<Position>& after, unsigned parts) {
  Changes out;
  CAIRN_TRY_ASSIGN(auto&& head, find(shape.id, kHeadOnly));
  // Texts are read only if there is something to tell.
  const bool is_told = head && after && after->feed == head->life && after->number == head->sequence;
  CAIRN_TRY_ASSIGN(auto&& run, is_told ? Result<std::optional<RunView>>(std::move(head)) : find(shape.id, parts));
  out.found = run.has_value();
  if (!out.found) {
    return out;
  }
  out.next = {run->life, run->sequence};
  out.reset = after && (after->feed != run->life || after->number > run->sequence);
  if (!out.reset && !is_told) {
    out.rows.push_back(std::move(*run));
  }
  return out;
}

/// What a snapshot has still to read.
struct RunStore::Remainder {
  size_t left = 0;    // so many runs at most
  std::string place;  // of a batch, the index that comes next; else the last run that was read. Empty: the beginning

  // As Position::rest: LEFT-PLACE
  static std::optional<Remainder> from(std::string_view text, Shape::Kind kind) {
    Remainder out;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out.left);
    if (failed != std::errc() || end == text.data() + text.size() || *end != '-') {
      return std::nullopt;
    }
    out.place = text.substr(static_cast<size_t>(end - text.data()) + 1);
    const bool is_place = kind == Shape::Kind::kBatch ? out.index().has_value() : read_cursor(out.place).has_value();
    return is_place ? std::optional(std::move(out)) : std::nullopt;
  }
  [[nodiscard]] std::optional<size_t> index() const {
    size_t out = 0;
    const auto [end, failed] = std::from_chars(place.data(), place.data() + place.size(), out);
    return failed == std::errc() && end == place.data() + place.size() ? std::optional(out) : std::nullopt;
  }
  [[nodiscard]] std::string text() const { return left == 0 ? "" : std::to_string(left) + "-" + place; }
};

// Everything of the shape as it is, from `rest` on, which then is what does not fit any more. Documents are read of
// those that fit only.
Status RunStore::read_shape(const Shape& shape, const Extent& extent, Remainder& rest, Changes& out) {
  const size_t runs_max = std::min(rest.left, extent.runs_max);
  size_t bytes = 0;
  const auto is_full = [&] { return out.rows.size() >= runs_max || (bytes >= extent.bytes_max && !out.rows.empty()); };
  const auto add = [&](const std::string& id) -> Status {
    const auto found = store_.peek(id, (extent.parts & kMetadata) != 0);
    if (!found.ok()) {
      return unless_damaged(found.status(), id);
    }
    if (!*found || (*found)->erased || !fits((*found)->record, shape)) {
      return {};
    }
    auto row = view_of(**found, extent.parts);
    if (!row.ok()) {
      return unless_damaged(row.status(), id);
    }
    bytes += bytes_of_texts(*row, extent.parts);
    out.rows.push_back(std::move(*row));
    return {};
  };
  const auto left = [&](bool more) { return more ? runs_max - out.rows.size() : 0; };
  if (shape.kind == Shape::Kind::kBatch) {
    CAIRN_TRY_ASSIGN(const auto runs, store_.runs_of_batch(shape.id));
    const size_t first = rest.index().value_or(0);
    for (const auto& [index, id] : runs) {
      if (index >= first && is_full()) {
        rest = {left(true), std::to_string(index)};
        return {};
      }
      if (index >= first) {
        CAIRN_TRY(add(id));
      }
    }
    rest.left = 0;
    return {};
  }
  engine::RunQuery query;
  query.order = engine::RunOrder::kCreatedLast;
  query.limit = kRead;
  if (shape.kind == Shape::Kind::kTags) {
    query.tags = shape.tags;
    query.created_from_us = shape.created_from_us;
  }
  if (const auto place = read_cursor(rest.place); place) {
    query.cursor = engine::encode_cursor(query, *place);
  }
  bool more = false;
  do {
    std::vector<std::string> fitting;
    auto next = store_.list(
        query,
        [&](const engine::RunView& view) {
          if (fits(view.record, shape)) {
            fitting.push_back(view.record.id);
          }
          return true;
        },
        false);
    CAIRN_TRY(next.status());
    size_t i = 0;
    for (; i < fitting.size() && !is_full(); ++i) {
      CAIRN_TRY(add(fitting[i]));
    }
    query.cursor = std::move(*next);
    more = i < fitting.size() || !query.cursor.empty();
  } while (more && !is_full());
  rest.left = left(more);
  if (!out.rows.empty()) {
    rest.place = cursor_text(out.rows.back().created_us, out.rows.back().id);
  }
  return {};
}

Result<Changes> RunStore::more_of_shape(const Shape& shape, const Position& after, const Extent& extent) {
  Changes out;
  auto rest = Remainder::from(after.rest, shape.kind);
  bool has_changed = false;  // since the snapshot began: that is told when all of it was read
  CAIRN_TRY_ASSIGN(const auto look, feed_.look(after.feed, after.number, [&](const std::string&, uint64_t) {
    has_changed = true;
    return Result<uint64_t>(StoreFeed::kEnough);
  }));
  out.next = {look.feed, look.number};
  out.reset = !look.known || !rest;
  if (out.reset) {
    return out;
  }
  CAIRN_TRY(read_shape(shape, extent, *rest, out));
  out.next = {look.feed, after.number, rest->text()};
  out.complete = out.next.rest.empty() && !has_changed;
  return out;
}

Result<Changes> RunStore::changes(const Shape& shape, const std::optional<Position>& after, const Extent& extent) {
  if (shape.kind == Shape::Kind::kRun) {
    return changes_of_run(shape, after, extent.parts);
  }
  Changes out;
  if (shape.kind == Shape::Kind::kBatch) {
    CAIRN_TRY_ASSIGN(const auto batch, read_batch(shape.id));
    out.found = batch.has_value();
  }
  if (!out.found) {
    const StoreFeed::Look look = feed_.now();
    out.next = {look.feed, look.number};
    return out;
  }
  if (after && !after->rest.empty()) {
    return more_of_shape(shape, *after, extent);
  }
  std::unordered_map<std::string, size_t> places;  // of the rows
  size_t bytes = 0;                                // of the rows
  uint64_t first_left_out = 0;
  const auto fetch = [&](const std::string& id, uint64_t number) -> Result<uint64_t> {
    auto peeked = store_.peek(id, false);
    const bool is_told = peeked.ok() && *peeked && !(*peeked)->erased && fits((*peeked)->record, shape);
    if (is_told && (extent.parts & kMetadata) != 0) {
      peeked = store_.peek(id, true);
    }
    if (!peeked.ok()) {
      CAIRN_TRY(unless_damaged(peeked.status(), id));
      return uint64_t{0};
    }
    const auto& found = *peeked;
    const bool is_full =
        out.rows.size() + out.erased.size() >= extent.runs_max || (bytes >= extent.bytes_max && !out.rows.empty());
    if (!found || found->erased) {
      if (!after || shape.kind != Shape::Kind::kAll) {
        return uint64_t{0};
      }
      if (is_full) {
        first_left_out = number;
        return StoreFeed::kEnough;
      }
      out.erased.emplace_back(id, number);
      return uint64_t{0};
    }
    if (!fits(found->record, shape)) {
      return uint64_t{0};
    }
    const auto [at, is_new] = places.try_emplace(id, out.rows.size());
    if (is_new && is_full) {
      places.erase(at);
      first_left_out = number;
      return StoreFeed::kEnough;
    }
    auto read = view_of(*found, extent.parts);
    if (!read.ok()) {
      if (is_new) {
        places.erase(at);
      }
      CAIRN_TRY(unless_damaged(read.status(), id));
      return uint64_t{0};
    }
    RunView& row = *read;
    const uint64_t sequence = row.sequence;
    if (is_new) {
      out.rows.emplace_back();
      out.numbers.resize(after ? out.rows.size() : 0);
    }
    bytes += bytes_of_texts(row, extent.parts) - bytes_of_texts(out.rows[at->second], extent.parts);
    out.rows[at->second] = std::move(row);
    if (after) {
      out.numbers[at->second] = number;
    }
    return sequence;
  };
  Result<StoreFeed::Look> look = Status(Code::kInternal);
  Remainder rest = {extent.runs_max, ""};
  if (after) {
    rest.left = 0;
    look = feed_.look(after->feed, after->number, fetch);
  } else {
    look = feed_.snapshot(
        [&] {
          const Status s = read_shape(shape, extent, rest, out);
          for (size_t i = 0; i < out.rows.size(); ++i) {
            places[out.rows[i].id] = i;
            bytes += bytes_of_texts(out.rows[i], extent.parts);
          }
          return s;
        },
        fetch);
  }
  CAIRN_TRY(look.status());
  out.reset = !look->known;
  if (out.reset) {
    out.rows.clear();
    out.numbers.clear();
  }
  out.next = {look->feed, first_left_out == 0 ? look->number : first_left_out - 1, rest.text()};
  out.complete = first_left_out == 0 && out.next.rest.empty();
  return out;
}

}  // namespace cairn::server
