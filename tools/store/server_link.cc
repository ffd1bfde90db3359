#include "tools/store/server_link.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "engine/base/code_name.h"
#include "engine/base/error_detail.h"
#include "engine/base/hooks.h"
#include "engine/json/json.h"
#include "tools/input/members.h"
#include "tools/process/interrupt.h"

#ifdef CAIRN_TOOLS_NETWORK
#include "api/http_client/client.h"
#include "api/http_client/endpoint.h"
#endif

namespace cairn::tools {

bool is_server(const std::string& store) {
  return store.starts_with("http://") || store.starts_with("https://") || store.starts_with("unix:");
}

#ifndef CAIRN_TOOLS_NETWORK

ServerLink::~ServerLink() = default;
Result<std::unique_ptr<ServerLink>> ServerLink::open(const Globals& /*globals*/, bool /*with_token*/) {
  return engine::fail(Code::kInvalidArgument, "this `cairn` was built without its HTTP client: give a directory");
}
Result<ServerLink::Answer> ServerLink::get(const std::string& /*path*/) { return Code::kInternal; }
Result<ServerLink::Answer> ServerLink::write(const std::string& /*method*/, const std::string& /*path*/,
                                             const std::string& /*body*/) {
  return Code::kInternal;
}

#else

namespace {

constexpr const char* kBase = "/cairn/v1";
constexpr const char* kNoRoute = "there is nothing here";  // as RouteTable says it
constexpr int64_t kTimeoutMs = 30'000;
constexpr int64_t kPollMs = 200;
constexpr size_t kReplyBytesMax = size_t{256} << 20;  // a page of whole runs
constexpr int64_t kPausesMs[] = {100, 1000};          // before each further try
constexpr const char* kTokenFileVariable = "CAIRN_TOKEN_FILE";
constexpr const char* kTokenVariable = "CAIRN_TOKEN";

const char* variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): only a setenv beside it would race, and nothing here calls it
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

/// Empty: there is none.
Result<Secret> read_token(const Globals& globals) {
  const char* const named = variable(kTokenFileVariable);
  const std::string file = !globals.token_file.empty() ? globals.token_file : named != nullptr ? named : "";
  if (!file.empty()) {
    auto token = Secret::from_file(file);
    return token.ok() ? std::move(token) : engine::fail(token.status(), token.status().what, file);
  }
  if (variable(kTokenVariable) == nullptr) {
    return Secret();
  }
  auto token = Secret::from_environment(kTokenVariable);
  return token.ok() ? std::move(token) : engine::fail(token.status(), token.status().what, kTokenVariable);
}

std::string new_key() {
  engine::Hooks hooks;
  (void)engine::complete_hooks(hooks);
  uint8_t bytes[16] = {};
  hooks.random_bytes(hooks.context, bytes, sizeof bytes);
  std::string out;
  for (const uint8_t byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

}  // namespace

ServerLink::ServerLink(std::unique_ptr<http_client::Client> client, std::string shown, bool has_token)
    : client_(std::move(client)), shown_(std::move(shown)), has_token_(has_token) {}
ServerLink::~ServerLink() = default;

Result<std::unique_ptr<ServerLink>> ServerLink::open(const Globals& globals, bool with_token) {
  engine::error_detail() = {};
  http_client::Options options;
  options.url = globals.store;
  options.ca_file = globals.ca_file;
  options.timeout_ms = kTimeoutMs;
  options.compress_above_bytes = SIZE_MAX;  // the routes of runs take JSON as it is
  options.reply_bytes_max = kReplyBytesMax;
  // The address before the token: what is wrong with it may have been pasted with one.
  const auto endpoint = http_client::parse_endpoint(globals.store, false);
  if (!endpoint.ok()) {
    return engine::fail(endpoint.status(), std::string("--store: ") + endpoint.status().what);
  }
  if (with_token) {
    CAIRN_TRY_ASSIGN(options.token, read_token(globals));
  }
  const bool has_token = !options.token.empty();
  auto client = http_client::Client::open(std::move(options));
  if (!client.ok()) {
    return engine::fail(client.status(), client.status().what, globals.ca_file);
  }
  return std::unique_ptr<ServerLink>(new ServerLink(std::move(*client), endpoint->shown, has_token));
}

Result<ServerLink::Answer> ServerLink::answer_of(const http_client::Reply& reply) const {
  const auto lasting = [this](const std::string& what) { return engine::fail(Code::kUnsafe, shown_ + ": " + what); };
  if (!reply.answered()) {
    return engine::fail(reply.failure == http_client::Failure::kTransient ? Code::kAgain : Code::kUnsafe, reply.error);
  }
  Answer out;
  out.status = reply.http_status;
  auto parsed = engine::parse_json(reply.body, SIZE_MAX, engine::kStoredDepthMax + 16);
  if (auto* object = parsed.ok() ? parsed->get<engine::Object>() : nullptr) {
    out.body = std::move(*object);
  }
  const bool is_json = parsed.ok() && parsed->is(engine::Type::kObject);
  switch (out.status) {
    case 401:
      return lasting(has_token_ ? "the server does not accept the token"
                                : "the server asks for a token: give --token-file FILE, or set CAIRN_TOKEN_FILE");
    case 403:
      return lasting("the token does not open the runs: it takes one of the server's --token-file");
    case 421:
      return lasting("the server does not know itself by this name: start `cairn serve` with --host and that name");
    case 408:
    case 425:
    case 429:
      return engine::fail(Code::kAgain, shown_ + ": the server has too much to do (HTTP " + std::to_string(out.status) +
                                            "): try again in a moment");
    default:
      break;
  }
  if (out.status >= 300 && out.status < 400) {
    return lasting("what answers there names another address, which is not followed: give that one");
  }
  const bool says_why = text_at(out.body, "error") != nullptr;
  if (out.status >= 500 && !(is_json && says_why)) {
    return engine::fail(Code::kAgain, shown_ + ": HTTP " + std::to_string(out.status));
  }
  if (!is_json || (!out.is_done() && !says_why)) {
    return lasting("what answers there is not a `cairn serve` (HTTP " + std::to_string(out.status) + ")");
  }
  if (out.status == 405 || (out.status == 404 && *text_at(out.body, "error") == kNoRoute)) {
    return lasting("what answers there has no " + std::string(kBase) +
                   ": it is an older `cairn serve`, or the URL lacks a prefix");
  }
  return out;
}

Result<ServerLink::Answer> ServerLink::exchange(const std::string& method, const std::string& path,
                                                const std::string& body, const std::string& header, bool& may_repeat) {
  may_repeat = false;
  if (const Status sent = client_->send(method, kBase + path, body, "application/json", header); !sent.ok()) {
    return engine::fail(sent, shown_ + ": " + sent.what);
  }
  for (;;) {
    if (interrupted()) {
      client_->cancel();
      return engine::fail(Code::kTimeout, "interrupted");
    }
    if (auto reply = client_->poll(kPollMs)) {
      may_repeat = reply->failure == http_client::Failure::kTransient;
      return answer_of(*reply);
    }
  }
}

Result<ServerLink::Answer> ServerLink::get(const std::string& path) { return write("GET", path, ""); }

Result<ServerLink::Answer> ServerLink::write(const std::string& method, const std::string& path,
                                             const std::string& body) {
  const std::string header = method == "GET" ? "" : "x-trigger-request-idempotency-key: " + new_key();
  bool may_repeat = false;
  auto answer = exchange(method, path, body, header, may_repeat);
  for (const int64_t pause : kPausesMs) {
    if (!may_repeat || interrupted()) {
      break;
    }
    pause_ms(static_cast<uint64_t>(pause));
    answer = exchange(method, path, body, header, may_repeat);
  }
  return answer;
}

#endif

Status ServerLink::failure_of(const Answer& answer) {
  const std::string* words = text_at(answer.body, "error");
  const std::string* name = text_at(answer.body, "code");
  std::optional<Code> code = name == nullptr ? std::nullopt : engine::code_from_name(*name);
  if (!code) {
    code = answer.status == 404   ? Code::kNoSuchRun
           : answer.status == 413 ? Code::kTooLarge
           : answer.status < 500  ? Code::kInvalidArgument
                                  : Code::kAgain;
  }
  engine::ErrorDetail& detail = engine::error_detail();
  detail = engine::ErrorDetail();
  detail.code = *code;
  detail.message = words == nullptr ? "" : *words;
  const std::string* key = text_at(answer.body, "key");
  detail.key = key == nullptr ? "" : *key;
  detail.needed = number_at(answer.body, "needed");
  detail.limit = number_at(answer.body, "limit");
  detail.cause = static_cast<int32_t>(number_at(answer.body, "cause"));
  return {*code, "", detail.cause};
}

}  // namespace cairn::tools
