// The responses to realtime requests, and those that the storage can give at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/request.h"
#include "api/server/recent_changes.h"
#include "api/server/run_storage.h"
#include "api/server/shape_request.h"

namespace cairn::server {

/// How many runs a snapshot has at most: the newest. Further changes come in parts of so many.
inline constexpr size_t kSnapshotRunsMax = 1000;
/// How many bytes of texts an answer has at most, and the rest of one run; what is left out is in the next one. As JSON
/// they are more: twice as many if each is a quote, six times if each is a control character.
inline constexpr size_t kAnswerBytesMax = 4u << 20;

/// Bodies of answers with what changed: `rows` has each run once. Not `complete`: the client asks for the rest at once.
/// Whoever gets the same shares it.
class ChangeBodies {
 public:
  std::shared_ptr<const std::string> body_of(ColumnSet columns, const std::vector<ChangedRunPtr>& rows, bool complete);

 private:
  struct Made {
    ColumnSet columns;
    std::vector<ChangedRunPtr> rows;
    bool complete = false;
    std::shared_ptr<const std::string> body;
  };
  std::vector<Made> made_;  // the last few
};

/// 200 with what changed. `handle` and `after`: what the client has from now on.
http::Response changes_response(const ShapeRequest& request, std::string_view handle, uint64_t after, bool complete,
                                std::shared_ptr<const std::string> body);
/// The same with the body of these rows, for one client.
http::Response changes_response(const ShapeRequest& request, std::string_view handle, uint64_t after,
                                const std::vector<ChangedRunPtr>& rows, bool complete);
/// 409: the client forgets what it has and begins anew with this handle.
http::Response refetch_response(std::string_view handle);
/// 404
http::Response no_such_shape();

/// What changed since the request's offset.
struct Since {
  std::optional<http::Response> instead;  // there is something else to say: trouble, 404, 409
  std::vector<ChangedRunPtr> rows;
  Position next;
  bool complete = true;
};
Since read_since(RunStorage& storage, const ShapeRequest& request);

/// Answers a request that does not wait.
http::Response answer_at_once(RunStorage& storage, const ShapeRequest& request);

/// 409 with the handle of the rows as they are now; or trouble, or 404.
http::Response refetch(RunStorage& storage, const ShapeRequest& request);

}  // namespace cairn::server
