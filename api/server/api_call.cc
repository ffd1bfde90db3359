#include "api/server/api_call.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "api/server/times.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

constexpr int64_t kHandleTokenS = 3600;

/// SHA-256 in hexadecimal.
std::string digest_of(std::string_view text) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> bytes{};
  unsigned count = 0;
  EVP_Digest(text.data(), text.size(), bytes.data(), &count, EVP_sha256(), nullptr);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < count; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

}  // namespace

int64_t Api::now_us() const { return options.now_us ? options.now_us() : wall_us(); }

ApiCall::ApiCall(Call call) : call_(std::move(call)) {
  if (call_.request.principal.role == kPublicToken) {
    token_ = read_public_token(call_.request.principal.claims);
  }
}

bool ApiCall::may_read(const RunView& run) const {
  return !is_limited() || lets_in(scopes_to_read_a_run(), token_, {run.id}, about(run));
}

bool ApiCall::may_be_parent(const std::string& parent) const {
  return parent.empty() || !is_limited() || lets_in({{"read", "runs", ScopeOf::kParameter}}, token_, {parent}, {});
}

RequestKey ApiCall::key() const {
  RequestKey out;
  if (const std::string_view given = request().header("x-trigger-request-idempotency-key"); !given.empty()) {
    // No part has a line end: neither a segment of a path nor a header may have one.
    out.request = call_.route->method + " " + call_.route->pattern;
    for (const std::string& parameter : call_.parameters) {
      out.request += "\n" + parameter;
    }
    out.request += "\n" + std::string(given);
  }
  if (token_.once) {
    // Of what it says: the same claims signed again are the same token.
    out.once_token = digest_of(token_.claims);
    out.once_until_us = std::min<int64_t>(token_.expires_s, INT64_MAX / 1'000'000) * 1'000'000;
  }
  return out;
}

Route api_route(std::shared_ptr<const Api> api, std::string method, std::string pattern, Scopes scopes,
                size_t body_bytes_max, Handler handler) {
  Route out;
  out.method = std::move(method);
  out.pattern = std::move(pattern);
  out.scopes = std::move(scopes);
  out.body_bytes_max = body_bytes_max;
  out.handler = [api = std::move(api), handler = std::move(handler)](Call call) {
    ApiCall api_call(std::move(call));
    api_call.answer(handler(*api, api_call));
  };
  return out;
}

http::Response json_response(unsigned status, engine::Object body) {
  http::Response out;
  out.status = status;
  out.content_type = "application/json";
  out.body = engine::to_json(engine::Value(std::move(body)));
  return out;
}

http::Response with_retry(http::Response response, bool again) {
  response.headers.emplace_back("x-should-retry", again ? "true" : "false");
  return response;
}

std::string message_of(Status failed) {
  const engine::ErrorDetail& detail = engine::error_detail();
  return *failed.what == '\0' && detail.code == failed.code ? detail.message : failed.what;
}

http::Response unavailable(Status trouble) {
  return error_response(503, "the storage of runs cannot do this now: " + engine::error_text(trouble));
}

http::Response not_allowed() {
  return json_response(
      403, {{"error", "Unauthorized"}, {"code", "unauthorized"}, {"param", "access_token"}, {"type", "authorization"}});
}

http::Response run_not_found() { return error_response(404, "Run not found"); }

http::Response refused_response(Refused refused, const std::string& reason, size_t bytes_max) {
  switch (refused) {
    case Refused::kNo:
      break;
    case Refused::kNoSuchRun:
      return run_not_found();
    case Refused::kNoSuchBatch:
      return error_response(404, "Batch not found");
    case Refused::kNoSuchKey:
      return error_response(404, "Idempotency key not found");
    case Refused::kFinished:
      return error_response(422, "Cannot update metadata for a completed run");
    case Refused::kOtherSequence:
      return with_retry(error_response(409, "The run has changed since it was at that sequence"), false);
    case Refused::kOtherStatus:
      return with_retry(error_response(409, "The run has another status"), false);
    case Refused::kOwnedElsewhere:
      return error_response(422, "This run belongs to " + reason + ", which decides its status, tags and end");
    case Refused::kTokenUsed:
      return error_response(422, "This public access token was good for one use, and has been used");
    case Refused::kTooManyTags:
      return error_response(422, "Runs can only have " + std::to_string(kTriggerTagsMax) + " tags");
    case Refused::kTooLarge:
      return error_response(413, "Metadata exceeds maximum size of " + std::to_string(bytes_max) + " bytes");
    case Refused::kBadRequest:
      return error_response(400, "Validation error: " + reason);
    case Refused::kFailed:
      break;  // its routes have words of their own
  }
  return error_response(500, "a refusal without a reason");
}

void add_token_headers(const Api& api, const std::string& scope, http::Response& response) {
  engine::Object claims = {{"sub", api.storage.name()}, {"pub", true}, {"scopes", engine::Array{scope}}};
  response.headers.emplace_back("x-trigger-jwt-claims", engine::to_json(engine::Value(claims)));
  if (api.options.keys == nullptr) {
    return;
  }
  const int64_t now_s = api.now_us() / 1'000'000;
  claims.push_back({"iss", kTokenIssuer});
  claims.push_back({"aud", kTokenAudience});
  claims.push_back({"iat", now_s});
  claims.push_back({"exp", now_s + kHandleTokenS});
  if (std::string token = api.options.keys->sign(engine::to_json(engine::Value(std::move(claims)))); !token.empty()) {
    response.headers.emplace_back("x-trigger-jwt", std::move(token));
  }
}

}  // namespace cairn::server
