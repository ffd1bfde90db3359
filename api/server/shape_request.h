// What a realtime request asks for, and the two texts that a client gives back as it got them: the handle, which names
// the rows that it has, and the offset, which says how much of their changes it has.
//
//   of one run       handle STORE-LIFE-HASH[-BORN]            offset SEQUENCE_0
//   of several runs  handle FEED-CREATED_FROM_MS-HASH-BORN    offset NUMBER_0
//   ... read in part        FEED-CREATED_FROM_MS-HASH-BORN~REST
//
// HASH is of what is asked for: the path, the tags, the columns. A handle of other rows, of another life of the run or
// of another feed is answered by a new one, and the client begins anew. BORN is the number at which a handle was made:
// the client never takes up a handle again that it was told to give up, so a new one in the same life or feed must
// differ. The time that CREATED_FROM_MS bounds is fixed by the first request. REST is Position::rest, where a snapshot
// goes on that is answered in several parts; the offset then says from where on changes come after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/server/run_storage.h"
#include "api/server/shape_columns.h"

namespace cairn::server {

struct ShapeRequest {
  Shape shape;  // of kTags: created_from_us is that of the handle, or of now if there is none
  ColumnSet columns = kAllColumns;
  bool live = false;
  std::optional<uint64_t> offset;    // none: from the start
  std::string handle;                // as it came; empty: none
  std::string feed;                  // of the handle; empty: it is not one of these rows
  std::string rest;                  // of the handle; empty: it has none
  std::optional<int64_t> cursor_ms;  // when the answer before was given, wall clock, as far as the client says it
};

/// Reads what `query` says into `out`, whose `shape` has its kind and, of kRun and kBatch, its id, and whose `columns`
/// are those that the client may have. `store`: the storage's name. Returns what is wrong with the query; empty: nothing.
std::string read_shape_request(std::string_view query, std::string_view store, int64_t now_us, ShapeRequest& out);

/// The handle for these rows from `at` on. It is never the one that the request came with if `anew`.
std::string make_handle(const ShapeRequest& request, std::string_view store, const Position& at, bool anew);

/// The handle for what is still to come of a snapshot; of all of it, if nothing is.
std::string with_rest(std::string_view handle, const std::string& rest);

std::string offset_text(uint64_t number);

}  // namespace cairn::server
