#include "api/server/public_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <optional>

#include "engine/json/json.h"

namespace cairn::server {

namespace {

using engine::Array;
using engine::Object;
using engine::Value;

constexpr int kDepthMax = 8;

int base64url_digit(char c) {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

std::optional<Object> read_object(std::string_view text) {
  auto value = engine::parse_json(text, kPublicTokenBytesMax, kDepthMax);
  if (!value.ok() || !value->is(engine::Type::kObject)) {
    return std::nullopt;
  }
  return std::move(*value->get<Object>());
}

bool has_text(const Object& object, std::string_view key, std::string_view wanted) {
  const Value* value = engine::find_property(object, key);
  const std::string* text = value == nullptr ? nullptr : value->get<std::string>();
  return text != nullptr && *text == wanted;
}

bool is_true(const Value* value) {
  const bool* is = value == nullptr ? nullptr : value->get<bool>();
  return is != nullptr && *is;
}

/// Seconds since 1970, whole or not.
std::optional<int64_t> read_time(const Value* value) {
  if (value == nullptr) {
    return std::nullopt;
  }
  if (const int64_t* whole = value->get<int64_t>(); whole != nullptr) {
    return *whole;
  }
  const double* part = value->get<double>();
  if (part == nullptr || *part < 0 || *part > 1e15) {
    return std::nullopt;
  }
  return static_cast<int64_t>(*part);
}

/// Absent: none. False: something else than a list of texts.
bool read_texts(const Value* value, std::vector<std::string>& out) {
  if (value == nullptr) {
    return true;
  }
  const Array* list = value->get<Array>();
  if (list == nullptr) {
    return false;
  }
  for (const Value& one : *list) {
    const std::string* text = one.get<std::string>();
    if (text == nullptr) {
      return false;
    }
    out.push_back(*text);
  }
  return true;
}

/// RFC 7515 section 4.1.11: what a reader does not know and must, it refuses.
bool is_hs256_header(const Object& header) {
  return has_text(header, "alg", "HS256") && engine::find_property(header, "crit") == nullptr;
}

/// What a token may do, and until when.
bool read_powers(const Object& claims, PublicToken& token) {
  const std::optional<int64_t> expires_s = read_time(engine::find_property(claims, "exp"));
  if (!expires_s) {
    return false;
  }
  token.expires_s = *expires_s;
  token.once = is_true(engine::find_property(claims, "otu"));
  const Value* realtime = engine::find_property(claims, "realtime");
  const Object* of_realtime = realtime == nullptr ? nullptr : realtime->get<Object>();
  return read_texts(engine::find_property(claims, "scopes"), token.scopes) &&
         (realtime == nullptr || of_realtime != nullptr) &&
         (of_realtime == nullptr || read_texts(engine::find_property(*of_realtime, "skipColumns"), token.skip_columns));
}

bool read_claims(const Object& claims, std::string_view subject, int64_t now_s, PublicToken& token) {
  if (!has_text(claims, "iss", kTokenIssuer) || !has_text(claims, "aud", kTokenAudience) ||
      !has_text(claims, "sub", subject) || !is_true(engine::find_property(claims, "pub"))) {
    return false;
  }
  const Value* begins = engine::find_property(claims, "nbf");
  const std::optional<int64_t> begins_s = read_time(begins);
  return (begins == nullptr || (begins_s && *begins_s <= now_s)) && read_powers(claims, token);
}

}  // namespace

bool decode_base64url(std::string_view text, std::string& out) {
  out.clear();
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = base64url_digit(c);
    if (digit < 0) {
      return false;
    }
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>((bits >> count) & 0xff));
    }
  }
  return count < 6 && (bits & ((1u << count) - 1)) == 0;
}

std::string encode_base64url(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<uint8_t>(c);
    for (count += 8; count >= 6;) {
      count -= 6;
      out += kDigits[(bits >> count) & 63];
    }
  }
  if (count != 0) {
    out += kDigits[(bits << (6 - count)) & 63];
  }
  return out;
}

PublicToken read_public_token(std::string_view claims) {
  const std::optional<Object> object = read_object(claims);
  PublicToken out;
  if (!object || !read_powers(*object, out)) {
    return {};
  }
  out.claims = claims;
  return out;
}

std::string sign_public_token(std::string_view key, std::string_view claims) {
  const std::string text = encode_base64url(R"({"alg":"HS256"})") + "." + encode_base64url(claims);
  const auto mac = hs256(key, text);
  return text + "." + encode_base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

std::array<uint8_t, 32> hs256(std::string_view key, std::string_view text) {
  std::array<uint8_t, 32> out{};
  unsigned bytes = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), out.data(), &bytes);
  return out;
}

TokenVerdict verify_public_token(std::string_view text, const std::vector<std::string_view>& keys,
                                 std::string_view subject, int64_t now_s, PublicToken& token) {
  const size_t second = text.rfind('.');
  const size_t first = text.find('.');
  std::string signature;
  if (text.size() > kPublicTokenBytesMax || second == std::string_view::npos || first == second ||
      text.find('.', first + 1) != second || !decode_base64url(text.substr(second + 1), signature) ||
      signature.size() != 32) {
    return TokenVerdict::kForeign;
  }
  const std::string_view signed_part = text.substr(0, second);
  bool ours = false;
  for (const std::string_view key : keys) {
    const std::array<uint8_t, 32> mac = hs256(key, signed_part);
    ours = CRYPTO_memcmp(mac.data(), signature.data(), mac.size()) == 0 || ours;
  }
  if (!ours) {
    return TokenVerdict::kForeign;
  }
  PublicToken found;
  std::string header_text;
  if (!decode_base64url(text.substr(0, first), header_text) ||
      !decode_base64url(text.substr(first + 1, second - first - 1), found.claims)) {
    return TokenVerdict::kWrong;
  }
  const std::optional<Object> header = read_object(header_text);
  const std::optional<Object> claims = read_object(found.claims);
  if (!header || !claims || !is_hs256_header(*header) || !read_claims(*claims, subject, now_s, found)) {
    return TokenVerdict::kWrong;
  }
  if (found.expires_s <= now_s) {
    return TokenVerdict::kExpired;
  }
  token = std::move(found);
  return TokenVerdict::kGood;
}

bool PublicToken::allows(std::string_view action, std::string_view type, std::string_view id) const {
  return std::any_of(scopes.begin(), scopes.end(), [&](std::string_view scope) {
    if (scope == "admin") {
      return true;
    }
    const size_t first = scope.find(':');
    const std::string_view of_action = scope.substr(0, first);
    if (of_action != action && of_action != "*") {
      return false;
    }
    if (first == std::string_view::npos) {
      return true;
    }
    const std::string_view rest = scope.substr(first + 1);
    const size_t second = rest.find(':');
    const std::string_view of_type = rest.substr(0, second);
    if (of_type != type && of_type != "all") {
      return false;
    }
    return second == std::string_view::npos || (!id.empty() && rest.substr(second + 1) == id);
  });
}

}  // namespace cairn::server
