#include "api/http_client/retry_after.h"
#include "tests/http_client/http_client_fixture.h"

namespace cairn::http_client {

using Replies = HttpClientTest;

TEST_F(Replies, EveryStatusIsAnAnswer) {
  ScriptedServer server({answer(404, "no"), answer(409, "gap"), answer(500, "oh"), answer(503, "busy")});
  open(server);
  for (const auto& [status, body] :
       {std::pair(404, "no"), std::pair(409, "gap"), std::pair(500, "oh"), std::pair(503, "busy")}) {
    const Reply got = post();
    EXPECT_TRUE(got.answered());
    EXPECT_EQ(got.http_status, status);
    EXPECT_EQ(got.body, body);
  }
}

TEST_F(Replies, ARefusalBeforeTheEndOfTheBodyIsAnAnswer) {
  ScriptedServer server({{Step::kEarly, http(413, "too big", "Connection: close\r\n")}, answer(200, "smaller")});
  Options options = to(server.url());
  options.compress_above_bytes = SIZE_MAX;
  open(std::move(options));
  const Reply got = post(std::string(32 << 20, 'x'));
  EXPECT_EQ(got.http_status, 413) << got.error;
  EXPECT_EQ(got.body, "too big");
  EXPECT_LT(got.bytes_sent, 32U << 20);
  EXPECT_EQ(post().body, "smaller");
}

TEST_F(Replies, RedirectsAreNotFollowed) {
  ScriptedServer elsewhere({answer(200, "elsewhere")});
  for (const int status : {301, 302, 303, 307, 308}) {
    ScriptedServer server({answer(status, "there", "Location: " + elsewhere.url() + "/\r\n")});
    Options options = to(server.url());
    options.token = token();
    open(std::move(options));
    const Reply got = post();
    EXPECT_EQ(got.http_status, status);
    EXPECT_EQ(got.body, "there");
  }
  EXPECT_EQ(elsewhere.connections(), 0);
}

TEST_F(Replies, ChunkedAndUncountedBodiesAreReadToTheirEnd) {
  ScriptedServer server({raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
                         cut("HTTP/1.1 200 OK\r\n\r\nuntil the end")});
  open(server);
  EXPECT_EQ(post().body, "abcde");
  EXPECT_EQ(post().body, "until the end");
}

TEST_F(Replies, AReplyOfExactlyTheLimitIsTakenAndOneByteMoreFails) {
  ScriptedServer server({answer(200, std::string(100'000, 'x')), answer(200, std::string(100'001, 'x')),
                         raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n" +
                             std::string(100'001, 'x') + "\r\n0\r\n\r\n"),
                         answer(200, "small")});
  Options options = to(server.url());
  options.reply_bytes_max = 100'000;
  open(std::move(options));
  EXPECT_EQ(post().body.size(), 100'000U);
  for (int i = 0; i < 2; ++i) {
    const Reply got = post();
    EXPECT_EQ(got.failure, Failure::kProtocol);
    EXPECT_EQ(got.body, "");
    EXPECT_EQ(got.http_status, 0);
    EXPECT_THAT(got.error, HasSubstr("larger than reply_bytes_max"));
  }
  EXPECT_EQ(post().body, "small");
}

TEST_F(Replies, RetryAfterComesWithTheReply) {
  const std::string date = "Date: Fri, 01 Mar 2024 12:00:00 GMT\r\n";
  ScriptedServer server({answer(503, "", "Retry-After: 7\r\n"), answer(503, ""), answer(429, "", "retry-after: 0\r\n"),
                         answer(503, "", date + "Retry-After: Fri, 01 Mar 2024 12:01:30 GMT\r\n"),
                         answer(503, "", "Retry-After: Thu, 01 Jan 1998 00:00:00 GMT\r\n"),
                         answer(503, "", "Retry-After: soon\r\n")});
  open(server);
  EXPECT_EQ(post().retry_after_ms, 7000);
  EXPECT_EQ(post().retry_after_ms, -1);
  EXPECT_EQ(post().retry_after_ms, 0);
  EXPECT_EQ(post().retry_after_ms, 90'000);
  EXPECT_EQ(post().retry_after_ms, 0);
  EXPECT_EQ(post().retry_after_ms, -1);
}

TEST(RetryAfter, IsSecondsOrADateAndAtMostADay) {
  constexpr time_t kNow = 1'709'294'400;  // Fri, 01 Mar 2024 12:00:00 GMT
  EXPECT_EQ(retry_after_ms("120", kNow), 120'000);
  EXPECT_EQ(retry_after_ms("99999999999999999999999", kNow), kRetryAfterMsMax);
  EXPECT_EQ(retry_after_ms("Fri, 01 Mar 2024 12:00:05 GMT", kNow), 5000);
  EXPECT_EQ(retry_after_ms("Friday, 01-Mar-24 12:00:05 GMT", kNow), 5000);
  EXPECT_EQ(retry_after_ms("Fri Mar  1 12:00:05 2024", kNow), 5000);
  EXPECT_EQ(retry_after_ms("Fri, 01 Mar 2034 12:00:00 GMT", kNow), kRetryAfterMsMax);
  EXPECT_EQ(retry_after_ms("Fri, 01 Mar 2024 11:59:59 GMT", kNow), 0);
  for (const char* text : {"", "-5", "1.5", "5 s", "12:00", "never", "Fri, 99 Mar 2024"}) {
    EXPECT_EQ(retry_after_ms(text, kNow), -1) << text;
  }
}

}  // namespace cairn::http_client
