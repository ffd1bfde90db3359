// What a request to Cairn's own listing routes asks for: the filters of `cairn ls`, by the names of its options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/answer.h"
#include "api/server/run_storage.h"

namespace cairn::server {

inline constexpr size_t kOwnPage = 20;
inline constexpr size_t kOwnPageMax = 1000;

struct OwnQuery {
  RunFilter filter;
  Order order = Order::kNewestFirst;
  std::string cursor;
  size_t limit = kOwnPage;
  bool head_only = false;  // fields=head: without the metadata
};

/// The filters, and those of order, limit, cursor and fields that are among `others`. What is not known is refused by
/// its name; `refusal` gets the 400.
std::optional<OwnQuery> read_own_query(std::string_view query, int64_t now_us,
                                       std::initializer_list<std::string_view> others, http::Response& refusal);

/// 400 {"error": `text`, "parameter": `name`}
http::Response parameter_error(std::string_view name, std::string_view text);

using Names = std::span<const std::string_view>;
/// The names and values of a query of which only `names` are known; those that are not `repeated` at most once. The 400
/// likewise.
std::optional<std::vector<std::pair<std::string, std::string>>> read_known_query(std::string_view query, Names names,
                                                                                 http::Response& refusal,
                                                                                 Names repeated = {});

}  // namespace cairn::server
