// Public tokens: JSON Web Tokens (RFC 7519) that whoever has an API key signs with it, as the npm client does, and gives
// to a browser. Signed by HS256 (RFC 7515, RFC 7518 section 3.2), with the bytes of the key as the secret.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::server {

constexpr size_t kPublicTokenBytesMax = 8192;

struct PublicToken {
  std::vector<std::string> scopes;        // "read:runs:run_1"
  bool once = false;                      // good for one successful use
  std::vector<std::string> skip_columns;  // what its subscriptions leave out
  int64_t expires_s = 0;                  // Unix time
  std::string claims;                     // all of it, as signed: JSON text

  /// Whether one of the scopes allows `action` on the thing `id` of this type, or on all of the type where `id` is
  /// empty. A scope is ACTION[:TYPE[:ID]]; "*" is any action, "all" any type, "admin" everything.
  [[nodiscard]] bool allows(std::string_view action, std::string_view type, std::string_view id) const;
};

enum class TokenVerdict : uint8_t {
  kGood,
  kForeign,  // no key of ours signed it
  kWrong,    // signed by us, and not what a public token of this server says
  kExpired,
};

/// Verifies the signature, in constant time, before anything of the token is read; then that it is for this server:
/// `subject` is its `sub`. `token` is set if the verdict is kGood. `now_s`: Unix time.
TokenVerdict verify_public_token(std::string_view text, const std::vector<std::string_view>& keys,
                                 std::string_view subject, int64_t now_s, PublicToken& token);

/// What claims that were verified before say (http::Principal::claims). Nothing is allowed by what cannot be read.
PublicToken read_public_token(std::string_view claims);

/// A token that says `claims`, the JSON text of an object.
std::string sign_public_token(std::string_view key, std::string_view claims);
inline constexpr std::string_view kTokenIssuer = "https://id.trigger.dev";
inline constexpr std::string_view kTokenAudience = "https://api.trigger.dev";

/// The MAC of `text` under `key`.
std::array<uint8_t, 32> hs256(std::string_view key, std::string_view text);

/// base64url without padding (RFC 4648 section 5). False: other characters, or bits that no encoder leaves.
bool decode_base64url(std::string_view text, std::string& out);
std::string encode_base64url(std::string_view bytes);

}  // namespace cairn::server
