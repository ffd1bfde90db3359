#include "api/server/event_route.h"

#include <utility>

#include "api/server/api_call.h"
#include "api/server/own_query.h"

namespace cairn::server {

namespace {

constexpr std::string_view kParameters[] = {"run", "task", "tag", "parent", "root", "metadata", "lastEventId"};
constexpr std::string_view kRepeated[] = {"run", "tag"};
constexpr size_t kRunsMax = 500;

void follow_events(EventStreams& streams, Call call) {
  http::Response refusal;
  const auto parts = read_known_query(call.request.query, kParameters, refusal, kRepeated);
  if (!parts) {
    call.answer.send(std::move(refusal));
    return;
  }
  EventFilter filter;
  std::string last(call.request.header("last-event-id"));
  for (const auto& [name, value] : *parts) {
    if (name == "run") {
      filter.runs.push_back(value);
    } else if (name == "task") {
      filter.task = value;
    } else if (name == "tag") {
      filter.tags.push_back(value);
    } else if (name == "parent") {
      filter.parent = value;
    } else if (name == "root") {
      filter.root = value;
    } else if (name == "lastEventId") {
      last = last.empty() ? value : last;  // the header is the newer one: it comes with a reconnection
    } else if (value == "1" || value == "0") {
      filter.with_metadata = value == "1";
    } else {
      call.answer.send(parameter_error("metadata", "metadata must be 1 or 0"));
      return;
    }
  }
  if (filter.runs.size() > kRunsMax) {
    call.answer.send(parameter_error("run", "at most 500 runs can be named; leave them out to follow all"));
    return;
  }
  filter.with_metadata = filter.with_metadata || filter.runs.size() == 1;
  std::optional<Position> after;
  if (!last.empty()) {
    after = read_event_id(last);
    if (!after) {
      call.answer.send(parameter_error("lastEventId", "'" + last + "' is no id of an event"));
      return;
    }
  }
  streams.follow(std::move(filter), std::move(after), std::move(call.answer));
}

}  // namespace

Route event_route(EventStreams& streams) {
  Route out;
  out.method = "GET";
  out.pattern = "/cairn/v1/events";
  out.body_bytes_max = kUnreadBodyBytesMax;
  out.handler = [&streams](Call call) { follow_events(streams, std::move(call)); };
  return out;
}

}  // namespace cairn::server
