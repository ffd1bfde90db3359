// Public tokens: what the npm client signs is understood, and nothing else is let in.
#include "api/server/public_token.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <fstream>

#include "tests/support/property.h"

namespace cairn::tests {
namespace {

using server::PublicToken;
using server::TokenVerdict;
using server::verify_public_token;

constexpr const char* kKey = "api-key-0123456789-abcdefghijklmnopqrst";  // that signed tests/data/public_tokens.txt
constexpr const char* kSubject = "env_0123";
constexpr int64_t kNow = 1'800'000'000;

using server::encode_base64url;

std::string signed_by(std::string_view key, const std::string& header, const std::string& claims) {
  const std::string text = encode_base64url(header) + "." + encode_base64url(claims);
  const auto mac = server::hs256(key, text);
  return text + "." + encode_base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

const std::string kHeader = R"({"alg":"HS256"})";
const std::string kClaims =
    R"({"iss":"https://id.trigger.dev","aud":"https://api.trigger.dev","sub":"env_0123","pub":true,)"
    R"("exp":1900000000,"scopes":["read:runs"]})";

std::string claims_with(const std::string& from, const std::string& to) {
  std::string out = kClaims;
  const size_t at = out.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return out.replace(at, from.size(), to);
}

TokenVerdict verdict_of(const std::string& token, int64_t now_s = kNow) {
  PublicToken out;
  return verify_public_token(token, {kKey}, kSubject, now_s, out);
}

std::vector<std::string> tokens_of_the_client() {
  std::ifstream in(CAIRN_TEST_DATA "/public_tokens.txt");
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) {
    out.push_back(line);
  }
  EXPECT_EQ(out.size(), 6u);
  return out;
}

// RFC 7515 appendix A.1, and RFC 4231 test case 2.
TEST(Hs256, IsThatOfTheStandards) {
  std::string key;
  ASSERT_TRUE(server::decode_base64url(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", key));
  const auto mac = server::hs256(key,
                                 "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAs"
                                 "DQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
  EXPECT_EQ(encode_base64url({reinterpret_cast<const char*>(mac.data()), mac.size()}),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
  EXPECT_EQ(server::hs256("Jefe", "what do ya want for nothing?")[0], 0x5b);
}

TEST(Base64url, IsReadStrictly) {
  std::string out;
  for (const auto& [text, bytes] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"Zg", "f"}, {"Zm8", "fo"}, {"Zm9v", "foo"}, {"-_8", "\xfb\xff"}}) {
    ASSERT_TRUE(server::decode_base64url(text, out)) << text;
    EXPECT_EQ(out, bytes);
  }
  for (const char* wrong : {"Z", "Zg==", "Zh", "Zm9", "a+b/", "Zm9v\n", " Zm9v", "Zm8="}) {
    EXPECT_FALSE(server::decode_base64url(wrong, out)) << wrong;
  }
}

TEST(PublicTokens, OfTheClientAreUnderstood) {
  const std::vector<std::string> tokens = tokens_of_the_client();
  std::vector<PublicToken> out(tokens.size());
  for (size_t i = 0; i < 5; ++i) {
    ASSERT_EQ(verify_public_token(tokens[i], {kKey}, kSubject, kNow, out[i]), TokenVerdict::kGood) << i;
  }
  EXPECT_EQ(verdict_of(tokens[5]), TokenVerdict::kExpired);
  EXPECT_EQ(out[0].scopes, (std::vector<std::string>{"read:runs:run_1", "read:runs:run:2", "read:tags:user:1234"}));
  EXPECT_EQ(out[1].skip_columns, (std::vector<std::string>{"payload", "output"}));
  EXPECT_EQ(out[1].expires_s, 32'503'680'000);
  EXPECT_TRUE(out[2].once);
  EXPECT_FALSE(out[3].once);
  EXPECT_TRUE(out[3].allows("trigger", "tasks", "b/c"));
  EXPECT_TRUE(out[4].allows("batchTrigger", "tasks", "import-csv"));
}

TEST(PublicTokens, OfEitherKeyCountWhileAKeyIsReplaced) {
  PublicToken out;
  const std::string token = signed_by(kKey, kHeader, kClaims);
  EXPECT_EQ(verify_public_token(token, {"another key", kKey}, kSubject, kNow, out), TokenVerdict::kGood);
  EXPECT_EQ(verify_public_token(token, {kKey, "another key"}, kSubject, kNow, out), TokenVerdict::kGood);
  EXPECT_EQ(verify_public_token(token, {"another key"}, kSubject, kNow, out), TokenVerdict::kForeign);
  EXPECT_EQ(verify_public_token(token, {}, kSubject, kNow, out), TokenVerdict::kForeign);
}

TEST(PublicTokens, WithoutOurSignatureNothingIsRead) {
  const std::string good = signed_by(kKey, kHeader, kClaims);
  ASSERT_EQ(verdict_of(good), TokenVerdict::kGood);
  const std::string unsigned_header = encode_base64url(R"({"alg":"none"})") + "." + encode_base64url(kClaims);
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), std::string("..."), std::string("a.b.c"),
        unsigned_header + ".", unsigned_header, good + "A", good.substr(0, good.size() - 1), good + ".", "." + good,
        good + "=", " " + good, signed_by("another key", kHeader, kClaims), std::string(100'000, 'a'),
        std::string(100'000, '.'), good.substr(0, good.rfind('.')) + "." + std::string(43, 'A')}) {
    EXPECT_EQ(verdict_of(token), TokenVerdict::kForeign) << token.substr(0, 80);
  }
}

TEST(PublicTokens, EachByteCounts) {
  const std::string good = signed_by(kKey, kHeader, kClaims);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string other = good;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(verdict_of(other), TokenVerdict::kForeign) << i;
  }
}

TEST(PublicTokens, TheHeaderIsHs256AndNothingElse) {
  for (const char* header :
       {R"({"alg":"none"})", R"({"alg":"HS512"})", R"({"alg":"hs256"})", R"({"alg":"RS256"})", R"({"alg":["HS256"]})",
        R"({})", R"([])", R"("HS256")", R"({"alg":"HS256","crit":["x"],"x":1})", "", "{", R"({"alg":null})"}) {
    EXPECT_EQ(verdict_of(signed_by(kKey, header, kClaims)), TokenVerdict::kWrong) << header;
  }
  EXPECT_EQ(verdict_of(signed_by(kKey, R"({"typ":"JWT","alg":"HS256"})", kClaims)), TokenVerdict::kGood);
}

TEST(PublicTokens, TheClaimsAreThoseOfThisServer) {
  const std::vector<std::pair<std::string, std::string>> changes = {
      {R"("https://id.trigger.dev")", R"("https://id.trigger.dev/")"},
      {R"("https://id.trigger.dev")", "null"},
      {R"("https://api.trigger.dev")", R"(["https://api.trigger.dev"])"},
      {R"("env_0123")", R"("env_0124")"},
      {R"("env_0123")", "123"},
      {R"("pub":true)", R"("pub":false)"},
      {R"("pub":true)", R"("pub":"true")"},
      {R"("pub":true,)", ""},
      {R"("exp":1900000000,)", ""},
      {R"("exp":1900000000)", R"("exp":"1900000000")"},
      {R"("exp":1900000000)", R"("exp":null)"},
      {R"("exp":1900000000)", R"("exp":1e400)"},
      {R"("exp":1900000000)", R"("exp":-1.5)"},
      {R"("exp":1900000000)", R"("exp":1900000000,"nbf":1850000000)"},
      {R"("exp":1900000000)", R"("exp":1900000000,"nbf":"now")"},
      {R"(["read:runs"])", R"("read:runs")"},
      {R"(["read:runs"])", R"([1])"},
      {R"(["read:runs"])", R"({"0":"read:runs"})"},
      {R"("pub":true)", R"("pub":true,"realtime":[])"},
      {R"("pub":true)", R"("pub":true,"realtime":{"skipColumns":"payload"})"},
      {kClaims, "[" + kClaims + "]"},
      {kClaims, kClaims + "x"},
      {kClaims, std::string(100, '[') + std::string(100, ']')},
      {kClaims, ""},
      {kClaims, "\xff"},
  };
  for (const auto& [from, to] : changes) {
    EXPECT_EQ(verdict_of(signed_by(kKey, kHeader, claims_with(from, to))), TokenVerdict::kWrong) << to;
  }
  for (const char* further :
       {R"("x":{"y":[1]},"pub":true)", R"("nbf":1700000000,"pub":true)", R"("otu":1,"pub":true)"}) {
    EXPECT_EQ(verdict_of(signed_by(kKey, kHeader, claims_with(R"("pub":true)", further))), TokenVerdict::kGood)
        << further;
  }
}

TEST(PublicTokens, AreGoodUntilTheyExpire) {
  const std::string token = signed_by(kKey, kHeader, kClaims);
  EXPECT_EQ(verdict_of(token, 1'899'999'999), TokenVerdict::kGood);
  EXPECT_EQ(verdict_of(token, 1'900'000'000), TokenVerdict::kExpired);
  const std::string in_parts = signed_by(kKey, kHeader, claims_with("1900000000", "1900000000.5"));
  EXPECT_EQ(verdict_of(in_parts, 1'899'999'999), TokenVerdict::kGood);
  EXPECT_EQ(verdict_of(in_parts, 1'900'000'001), TokenVerdict::kExpired);
}

TEST(PublicTokens, WhatTheySayIsReadAgainFromTheirClaims) {
  const std::string claims =
      claims_with(R"("pub":true)", R"("pub":true,"otu":true,"realtime":{"skipColumns":["output"]})");
  PublicToken token;
  ASSERT_EQ(verify_public_token(server::sign_public_token(kKey, claims), {kKey}, kSubject, kNow, token),
            TokenVerdict::kGood);
  EXPECT_EQ(token.claims, claims);
  const PublicToken again = server::read_public_token(token.claims);
  EXPECT_EQ(again.scopes, std::vector<std::string>({"read:runs"}));
  EXPECT_EQ(again.skip_columns, std::vector<std::string>({"output"}));
  EXPECT_TRUE(again.once);
  EXPECT_EQ(again.expires_s, 1'900'000'000);
  for (const char* nothing : {"", "[]", "{}", R"({"scopes":["admin"]})", R"({"exp":1,"scopes":"admin"})"}) {
    EXPECT_TRUE(server::read_public_token(nothing).scopes.empty()) << nothing;
  }
}

TEST(PublicTokens, LongOnesAreNotRead) {
  const std::string scopes = "[\"" + std::string(7000, 'x') + "\"]";
  EXPECT_EQ(verdict_of(signed_by(kKey, kHeader, claims_with(R"(["read:runs"])", scopes))), TokenVerdict::kForeign);
}

TEST(PublicTokens, GarbageThatWeSignedIsWrongAndNothingWorse) {
  check_property(2000, [] {
    const std::string header = *rc::gen::element(kHeader, *rc::gen::arbitrary<std::string>());
    std::string claims = kClaims;
    const auto at = *rc::gen::inRange<size_t>(0, claims.size());
    claims.replace(at, *rc::gen::inRange<size_t>(0, 20), *rc::gen::arbitrary<std::string>());
    const TokenVerdict verdict = verdict_of(signed_by(kKey, header, claims));
    RC_ASSERT(verdict != TokenVerdict::kForeign);
    if (verdict == TokenVerdict::kGood) {
      RC_ASSERT(header == kHeader);
    }
  });
}

TEST(Scopes, AllowWhatTheySay) {
  const auto allows = [](std::vector<std::string> scopes, std::string_view action, std::string_view type,
                         std::string_view id) {
    PublicToken token;
    token.scopes = std::move(scopes);
    return token.allows(action, type, id);
  };
  EXPECT_TRUE(allows({"read:runs"}, "read", "runs", "r"));
  EXPECT_TRUE(allows({"read:runs"}, "read", "runs", ""));
  EXPECT_TRUE(allows({"read:runs:r"}, "read", "runs", "r"));
  EXPECT_TRUE(allows({"read:tags:user:1234"}, "read", "tags", "user:1234"));
  EXPECT_TRUE(allows({"x", "read:runs:r"}, "read", "runs", "r"));
  EXPECT_TRUE(allows({"read"}, "read", "runs", "r"));
  EXPECT_TRUE(allows({"*:runs"}, "write", "runs", "r"));
  EXPECT_TRUE(allows({"read:all"}, "read", "batch", "b"));
  EXPECT_TRUE(allows({"admin"}, "trigger", "tasks", "t"));
  EXPECT_FALSE(allows({}, "read", "runs", "r"));
  EXPECT_FALSE(allows({"read:runs:r"}, "read", "runs", "r2"));
  EXPECT_FALSE(allows({"read:runs:r"}, "read", "runs", "")) << "one run is not all of them";
  EXPECT_FALSE(allows({"read:runs:"}, "read", "runs", "")) << "an empty id is no wildcard";
  EXPECT_FALSE(allows({"read:runs:r"}, "write", "runs", "r"));
  EXPECT_FALSE(allows({"read:runs"}, "read", "tasks", "t"));
  EXPECT_FALSE(allows({"admin:runs"}, "read", "runs", "r"));
  EXPECT_FALSE(allows({"READ:runs", " read:runs", "read:run", "read:*", ""}, "read", "runs", "r"));
}

}  // namespace
}  // namespace cairn::tests
