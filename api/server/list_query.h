// What a listing of runs asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/request.h"
#include "api/server/run_storage.h"

namespace cairn::server {

struct ListQuery {
  RunFilter filter;
  Cursor cursor;
  size_t limit = 25;
};

/// Reads `page[...]` and `filter[...]`; other names are ignored. `refusal` gets the 400: "Query Error" with the places
/// in `details`, or the name of a filter that is not served, because leaving it out would answer another question.
std::optional<ListQuery> read_list_query(std::string_view query, int64_t now_us, http::Response& refusal);

/// 400 {"error":"Query Error","details":[{"path":`path`,"message":`message`}]}
http::Response query_error(std::string_view path, std::string_view message);

}  // namespace cairn::server
