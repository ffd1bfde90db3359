#include "tools/sync/endpoint.h"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "api/upstream/http_exchange.h"
#include "engine/sync/message.h"
#include "engine/sync/reply.h"

namespace cairn::tools {

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

}  // namespace

http::Response answer_sync(engine::sync::Receiver& receiver, const http::Request& request) {
  http::Response response;
  response.content_type = "application/json";
  if (request.path == "/healthz" && request.method == "GET") {
    response.content_type = "text/plain";
    response.body = "ok\n";
    return response;
  }
  if (request.path != upstream::kSyncPath) {
    response.status = 404;
    response.body = R"({"error":"there is nothing here"})";
    return response;
  }
  if (request.method != "POST") {
    response.status = 405;
    response.headers.emplace_back("Allow", "POST");
    response.body = R"({"error":"messages are posted"})";
    return response;
  }
  if (request.header("Content-Type") != upstream::kSyncContentType) {
    response.status = 415;
    response.body = R"({"error":"Content-Type must be application/vnd.cairn.sync"})";
    return response;
  }
  const std::string_view encoding = request.header("Content-Encoding");
  std::string plain;
  if (!encoding.empty() && encoding != "zstd" && encoding != "identity") {
    response.status = 415;
    response.body = R"({"error":"Content-Encoding must be zstd or none"})";
    return response;
  }
  if (encoding == "zstd" && !decompress(request.body, engine::sync::kMessageBytesMax, plain)) {
    response.status = 400;
    response.body = R"({"error":"the body is not one zstd frame of at most 8 MiB that says its size"})";
    return response;
  }
  response.body = receiver.handle(encoding == "zstd" ? plain : request.body);
  response.status = status_of(response.body);
  response.content_type = upstream::kSyncContentType;
  return response;
}

}  // namespace cairn::tools
