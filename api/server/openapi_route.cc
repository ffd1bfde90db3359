#include "api/server/openapi_route.h"

#include <memory>
#include <utility>

namespace cairn::server {

Route openapi_route() {
  const auto text = std::make_shared<const std::string>(kOpenApi);
  Route out;
  out.method = "GET";
  out.pattern = "/openapi.json";
  out.body_bytes_max = 64u << 10;
  out.handler = [text](Call call) {
    http::Response response;
    response.content_type = "application/json";
    response.shared_body = text;
    call.answer.send(std::move(response));
  };
  return out;
}

}  // namespace cairn::server
