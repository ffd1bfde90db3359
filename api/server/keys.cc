#include "api/server/keys.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "api/server/public_token.h"

namespace cairn::server {

namespace {

// All are compared, so that the time does not tell which one it was.
bool has(const std::vector<Secret>& tokens, std::string_view bearer) {
  bool found = false;
  for (const Secret& token : tokens) {
    found = token.equals(bearer) || found;
  }
  return found;
}

bool has_three_parts(std::string_view bearer) { return std::count(bearer.begin(), bearer.end(), '.') == 2; }

}  // namespace

std::vector<std::string> skipped_columns(const http::Principal& who) {
  return who.role == kPublicToken ? read_public_token(who.claims).skip_columns : std::vector<std::string>();
}

Keys::Keys(std::vector<Secret> api, std::vector<Secret> sync, std::string subject, std::function<int64_t()> now_s)
    : tokens_(std::make_shared<const Tokens>(Tokens{std::move(api), std::move(sync)})),
      subject_(std::move(subject)),
      now_s_(std::move(now_s)) {}

std::shared_ptr<const Keys::Tokens> Keys::tokens() const {
  const MutexLock lock(mutex_);
  return tokens_;
}

void Keys::replace(std::vector<Secret> api, std::vector<Secret> sync) {
  auto tokens = std::make_shared<const Tokens>(Tokens{std::move(api), std::move(sync)});
  const MutexLock lock(mutex_);
  tokens_.swap(tokens);
}

bool Keys::empty() const {
  const auto now = tokens();
  return now->api.empty() && now->sync.empty();
}

http::Authenticated Keys::check(const http::Credentials& credentials) const {
  const auto now = tokens();
  http::Authenticated out;
  if (credentials.is_own_user) {  // who could read the store's files as well
    out.principal.role = kApiKey;
    return out;
  }
  out.principal.role =
      (has(now->api, credentials.bearer) ? kApiKey : 0) | (has(now->sync, credentials.bearer) ? kSyncToken : 0);
  if (out.principal.role != 0) {
    return out;
  }
  if (subject_.empty() || !has_three_parts(credentials.bearer)) {
    out.refusal = {401, credentials.has_authorization ? "Invalid API key" : "Invalid or Missing API key"};
    out.counts = credentials.has_authorization;
    return out;
  }
  std::vector<std::string_view> keys;
  for (const Secret& key : now->api) {
    keys.push_back(key.reveal());
  }
  PublicToken token;
  switch (verify_public_token(credentials.bearer, keys, subject_, now_s_ ? now_s_() : std::time(nullptr), token)) {
    case TokenVerdict::kGood:
      out.principal = {kPublicToken, std::move(token.claims)};
      break;
    case TokenVerdict::kExpired:  // who signed it has a key: that is no guess
      out.refusal = {401, "Public Access Token has expired."};
      break;
    case TokenVerdict::kWrong:
    case TokenVerdict::kForeign:
      out.refusal = {401, "Public Access Token is invalid."};
      out.counts = true;
      break;
  }
  return out;
}

std::string Keys::sign(std::string_view claims) const {
  const auto now = tokens();
  return now->api.empty() ? std::string() : sign_public_token(now->api.front().reveal(), claims);
}

}  // namespace cairn::server
