#include "api/server/shape_answer.h"

#include <algorithm>
#include <utility>

#include "api/server/api_call.h"
#include "api/server/times.h"

namespace cairn::server {

namespace {

constexpr size_t kBodiesMax = 8;  // few sets of rows are told to many

http::Response shape_response(unsigned status, std::string_view handle) {
  http::Response out;
  out.status = status;
  out.content_type = "application/json";
  out.headers = {{"electric-handle", std::string(handle)}, {"cache-control", "no-store"}};
  return out;
}

/// A text that is another one in the next answer. The client sends it back, so the time of its last answer is known
/// here without remembering the client.
std::string cursor_after(const ShapeRequest& request) {
  const int64_t now_ms = (wall_us() + 999) / 1000;
  return std::to_string(request.cursor_ms == now_ms ? now_ms + 1 : now_ms);
}

void add_head(const ShapeRequest& request, uint64_t after, bool complete, http::Response& out) {
  out.headers.emplace_back("electric-offset", offset_text(after));
  if (request.live) {
    out.headers.emplace_back("electric-cursor", cursor_after(request));
  } else {
    out.headers.emplace_back("electric-schema", schema_text(request.columns));
  }
  if (complete) {
    out.headers.emplace_back("electric-up-to-date", "");
  }
}

Extent extent_of(const ShapeRequest& request) { return {parts_of(request.columns), kSnapshotRunsMax, kAnswerBytesMax}; }

/// The first part of it, or the next one.
http::Response snapshot(RunStorage& storage, const ShapeRequest& request) {
  std::optional<Position> after;
  if (!request.rest.empty()) {
    after = Position{request.feed, *request.offset, request.rest};
  }
  Result<Changes> all = storage.changes(request.shape, after, extent_of(request));
  if (!all.ok()) {
    return unavailable(all.status());
  }
  if (!all->found) {
    return no_such_shape();
  }
  if (all->reset) {
    return refetch(storage, request);
  }
  // A client that begins anew with a handle that it got for that goes on with it.
  const bool goes_on = !request.feed.empty() && request.feed == all->next.feed;
  const std::string handle = goes_on ? request.handle : make_handle(request, storage.name(), all->next, false);
  http::Response out = shape_response(200, with_rest(handle, all->next.rest));
  add_head(request, all->next.number, all->complete, out);
  ShapeBody body;
  for (const RunView& run : all->rows) {
    body.add(change_text(run, request.columns, RowOperation::kInsert));
  }
  if (all->complete) {
    body.add(kUpToDateText);
  }
  out.body = std::move(body).finish();
  return out;
}

}  // namespace

std::shared_ptr<const std::string> ChangeBodies::body_of(ColumnSet columns, const std::vector<ChangedRunPtr>& rows,
                                                         bool complete) {
  const auto known = std::find_if(made_.begin(), made_.end(), [&](const Made& made) {
    return made.columns == columns && made.complete == complete && made.rows == rows;
  });
  if (known != made_.end()) {
    return known->body;
  }
  ShapeBody body;
  for (const ChangedRunPtr& row : rows) {
    body.add(*row->update_text(columns));
  }
  if (complete) {
    body.add(kUpToDateText);
  }
  if (made_.size() == kBodiesMax) {
    made_.erase(made_.begin());
  }
  made_.push_back({columns, rows, complete, std::make_shared<const std::string>(std::move(body).finish())});
  return made_.back().body;
}

http::Response changes_response(const ShapeRequest& request, std::string_view handle, uint64_t after, bool complete,
                                std::shared_ptr<const std::string> body) {
  http::Response out = shape_response(200, handle);
  add_head(request, after, complete, out);
  out.shared_body = std::move(body);
  return out;
}

http::Response changes_response(const ShapeRequest& request, std::string_view handle, uint64_t after,
                                const std::vector<ChangedRunPtr>& rows, bool complete) {
  return changes_response(request, handle, after, complete, ChangeBodies().body_of(request.columns, rows, complete));
}

http::Response refetch_response(std::string_view handle) {
  http::Response out = shape_response(409, handle);
  ShapeBody body;
  body.add(kMustRefetchText);
  out.body = std::move(body).finish();
  return out;
}

http::Response no_such_shape() { return with_retry(error_response(404, "Not found"), false); }

http::Response refetch(RunStorage& storage, const ShapeRequest& request) {
  const Result<Changes> now = storage.changes(request.shape, std::nullopt, {});
  if (!now.ok()) {
    return unavailable(now.status());
  }
  return now->found ? refetch_response(make_handle(request, storage.name(), now->next, true)) : no_such_shape();
}

Since read_since(RunStorage& storage, const ShapeRequest& request) {
  Since out;
  if (request.feed.empty()) {
    out.instead = refetch(storage, request);
    return out;
  }
  Result<Changes> changes =
      storage.changes(request.shape, Position{request.feed, request.offset.value_or(0)}, extent_of(request));
  if (!changes.ok()) {
    out.instead = unavailable(changes.status());
  } else if (!changes->found) {
    out.instead = no_such_shape();
  } else if (changes->reset) {
    out.instead = refetch(storage, request);
  } else {
    out.rows = changed_runs(*changes);
    out.next = std::move(changes->next);
    out.complete = changes->complete;
  }
  return out;
}

http::Response answer_at_once(RunStorage& storage, const ShapeRequest& request) {
  if (!request.offset || !request.rest.empty()) {
    return snapshot(storage, request);
  }
  Since since = read_since(storage, request);
  return since.instead ? std::move(*since.instead)
                       : changes_response(request, request.handle, since.next.number, since.rows, since.complete);
}

}  // namespace cairn::server
