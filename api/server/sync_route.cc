#include "api/server/sync_route.h"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/server/keys.h"
#include "api/upstream/http_exchange.h"
#include "engine/sync/message.h"
#include "engine/sync/reply.h"

namespace cairn::server {

namespace {

constexpr size_t kFirstBytes = 4096;
constexpr int kWindowLogMax = 23;  // 8 MiB, as a message may have

/// One zstd frame (RFC 8878) with its size in front. Memory is taken as bytes come out, and no more of them than the
/// first if those are no message: what a few bytes claim costs nothing.
bool decompress(std::string_view bytes, size_t bytes_max, std::string& out) {
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > bytes_max) {
    return false;
  }
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (context == nullptr ||
      ZSTD_isError(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLogMax)) != 0) {
    return false;
  }
  ZSTD_inBuffer in = {bytes.data(), bytes.size(), 0};
  size_t count = 0;
  size_t left = 1;
  while (left != 0 && (in.pos < in.size || count == out.size())) {
    if (count == out.size()) {
      if (count == size || (count > 0 && engine::sync::kind_of(out) == engine::sync::MessageKind::kUnknown)) {
        return false;
      }
      out.resize(std::min<size_t>(size, count == 0 ? kFirstBytes : 4 * count));
    }
    ZSTD_outBuffer to = {out.data(), out.size(), count};
    left = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(left) != 0) {
      return false;
    }
    count = to.pos;
  }
  return left == 0 && count == size && in.pos == in.size;
}

unsigned status_of(const std::string& answer) {
  const auto reply = engine::sync::decode_reply(answer);
  if (!reply.ok()) {
    return 200;  // documents
  }
  switch (reply->answer()) {
    case engine::sync::Answer::kOk:
    case engine::sync::Answer::kDup:
      return 200;
    case engine::sync::Answer::kTooLarge:
      return 413;
    case engine::sync::Answer::kRefused:
      return 422;
    case engine::sync::Answer::kUnable:
      return 503;
    default:
      return 409;
  }
}

http::Response plain_text(unsigned status, const std::string& line) {
  http::Response out;
  out.status = status;
  out.content_type = "text/plain";
  out.body = line + "\n";
  return out;
}

http::Response answer_sync(engine::sync::Receiver& receiver, const http::Request& request) {
  if (request.header("Content-Type") != upstream::kSyncContentType) {
    return error_response(415, "Content-Type must be application/vnd.cairn.sync");
  }
  const std::string_view encoding = request.header("Content-Encoding");
  if (!encoding.empty() && encoding != "zstd" && encoding != "identity") {
    return error_response(415, "Content-Encoding must be zstd or none");
  }
  std::string plain;
  if (encoding == "zstd" && !decompress(request.body, engine::sync::kMessageBytesMax, plain)) {
    return error_response(400, "the body is not one zstd frame of at most 8 MiB that says its size");
  }
  http::Response response;
  response.body = receiver.handle(encoding == "zstd" ? plain : request.body);
  response.status = status_of(response.body);
  response.content_type = upstream::kSyncContentType;
  return response;
}

}  // namespace

Route sync_route(engine::sync::Receiver& receiver) {
  Route route;
  route.method = "POST";
  route.pattern = upstream::kSyncPath;
  route.roles = kApiKey | kSyncToken;
  route.body_bytes_max = engine::sync::kMessageBytesMax;
  route.handler = [&receiver](Call call) { call.answer.send(answer_sync(receiver, call.request)); };
  return route;
}

Route health_route() {
  Route route;
  route.method = "GET";
  route.pattern = "/healthz";
  route.handler = [](Call call) { call.answer.send(plain_text(200, "ok")); };
  return route;
}

Route ready_route(std::function<std::string()> why_not) {
  Route route;
  route.method = "GET";
  route.pattern = "/readyz";
  route.handler = [why_not = std::move(why_not)](Call call) {
    const std::string reason = why_not();
    call.answer.send(reason.empty() ? plain_text(200, "ready") : plain_text(503, "not ready: " + reason));
  };
  return route;
}

}  // namespace cairn::server
