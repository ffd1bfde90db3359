// Requests that two readers may understand differently: refused, and nothing behind them is served.
#include "api/http/head.h"
#include "tests/http/http_fixture.h"
#include "tests/support/seeded_random.h"

namespace cairn::tests {
namespace {

class Framing : public HttpTest {
 protected:
  void SetUp() override { start(); }
  [[nodiscard]] std::string post_with(const std::string& headers, const std::string& body = "") const {
    return request("POST /p HTTP/1.1", headers) + body;
  }
  [[nodiscard]] std::string chunked(const std::string& body) const {
    return post_with("Transfer-Encoding: chunked\r\n", body);
  }
};

TEST_F(Framing, LengthAndChunksTogetherAreRefused) {
  const std::string body = "5\r\nhello\r\n0\r\n\r\n";
  expect_refused(400, post_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", body));
  expect_refused(400, post_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body));
  expect_refused(400, post_with("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "hello"));
  expect_refused(400, post_with("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", "hello"));
}

TEST_F(Framing, MoreThanOneLengthIsRefused) {
  expect_refused(400, post_with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"));
  expect_refused(400, post_with("Content-Length: 5\r\nContent-Length: 0\r\n", "hello"));
  expect_refused(400, post_with("Content-Length: 5, 5\r\n", "hello"));
}

TEST_F(Framing, LengthsThatAreNoNumbersAreRefused) {
  for (const char* length :
       {"", "+5", "-5", "0x5", "5 5", "5;", "five", "5.", "99999999999999999999", "18446744073709551616"}) {
    expect_refused(400, post_with(std::string("Content-Length: ") + length + "\r\n", "hello"));
  }
}

TEST_F(Framing, EncodingsOtherThanChunkedAreRefused) {
  for (const char* encoding : {"gzip", "identity", "", "chunked, gzip", "gzip, chunked", "chunked, chunked",
                               "chunked;a=b", "xchunked", "\"chunked\"", "chunked,"}) {
    expect_refused(400, post_with(std::string("Transfer-Encoding: ") + encoding + "\r\n", "0\r\n\r\n"));
  }
  expect_refused(400, post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"));
  expect_refused(400, post_with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"));
  expect_refused(400, request("POST /p HTTP/1.0", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n");
}

TEST_F(Framing, BareLineFeedsAreRefused) {
  const std::string host = "Host: " + address();
  expect_refused(400, "GET / HTTP/1.1\n" + host + "\n\n");
  expect_refused(400, "GET / HTTP/1.1\r\n" + host + "\n\r\n");
  expect_refused(400, "GET / HTTP/1.1\r\n" + host + "\r\nA: b\nC: d\r\n\r\n");
  expect_refused(400, "GET / HTTP/1.1\r\n" + host + "\r\n\n");
  expect_refused(400, "GET / HTTP/1.1\r\n" + host + "\r\nA: b\rC: d\r\n\r\n");
  expect_refused(400, "GET / HTTP/1.1\r\n" + host + "\r\n\r\r\n");
}

TEST_F(Framing, BareLineFeedsAreRefusedWithoutWaitingForMore) {
  for (const std::string& bytes : {std::string("GET / HTTP/1.1\n"), "GET / HTTP/1.1\r\nHost: " + address() + "\n",
                                   chunked("5\n"), chunked("5\r\nhello\r\n0\n")}) {
    SCOPED_TRACE(bytes);
    Client client = connect();
    for (const char c : bytes) {
      client.send({&c, 1});
    }
    EXPECT_EQ(client.read_reply().status, 400u);
  }
}

TEST_F(Framing, FoldedLinesAreRefused) {
  expect_refused(400, get("/", "A: b\r\n c\r\n"));
  expect_refused(400, get("/", "A: b\r\n\tc\r\n"));
  expect_refused(400, get("/", "A:\r\n b\r\n"));
  expect_refused(400, post_with("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"));
  expect_refused(400, "GET / HTTP/1.1\r\n Host: " + address() + "\r\n\r\n");
}

TEST_F(Framing, NamesAndLinesThatAreNoneAreRefused) {
  for (const std::string line :
       {"Content-Length : 5", " Content-Length: 5", "Content Length: 5", "nothing", ": 5", "A\x01: b", "A: b\x01"}) {
    expect_refused(400, post_with(line + "\r\n", "hello"));
  }
  expect_refused(400, post_with(std::string("A: b\0c\r\n", 8)));
}

TEST_F(Framing, RequestLinesThatAreNoneAreRefused) {
  const std::string host = "\r\nHost: " + address() + "\r\n\r\n";
  for (const std::string line :
       {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET\t/ HTTP/1.1", "GET / x HTTP/1.1",
        "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / http/1.1", "GET / HTTP/1.12", "G@T / HTTP/1.1", "", "/ HTTP/1.1"}) {
    expect_refused(400, line + host);
  }
  expect_refused(400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

TEST_F(Framing, ChunksAreRead) {
  EXPECT_EQ(ask(chunked("5\r\nhello\r\n1\r\n \r\n0005\r\nworld\r\n0\r\n\r\n")).body, "POST /p? hello world");
  EXPECT_EQ(ask(chunked("0\r\n\r\n")).body, "POST /p? ");
  const std::string large(0xabcd, 'x');
  EXPECT_EQ(ask(chunked("aBcD\r\n" + large + "\r\n0\r\n\r\n")).body, "POST /p? " + large);
}

TEST_F(Framing, ChunksAreReadByteByByte) {
  Client client = connect();
  const std::string bytes = chunked("5\r\nhello\r\n10\r\n\r\n\r\n\r\n\n0\r\n\r\n1234\r\n0\r\n\r\n");
  for (const char c : bytes + bytes) {
    ASSERT_TRUE(client.send({&c, 1}));
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(client.read_reply().body, "POST /p? hello\r\n\r\n\r\n\n0\r\n\r\n1234");
  }
}

TEST_F(Framing, ChunkSizesThatOverflowAreRefused) {
  for (const char* size : {"10000000000000000", "fffffffffffffffff", "100000000000000005", "00000000000000000000g"}) {
    expect_refused(400, chunked(std::string(size) + "\r\nhello\r\n0\r\n\r\n"));
  }
  expect_refused(413, chunked("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"));
  expect_refused(413, chunked("7fffffffffffffff\r\nhello\r\n0\r\n\r\n"));
  // Two sizes whose sum wraps around.
  expect_refused(413, chunked("2\r\nhe\r\nfffffffffffffffe\r\nllo\r\n0\r\n\r\n"));
}

TEST_F(Framing, ChunksThatAreNoneAreRefused) {
  for (const char* body :
       {"0x5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\n", "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n0 0\r\n\r\n"}) {
    expect_refused(400, chunked(body));
  }
}

TEST_F(Framing, AChunkSizeWithoutEndIsRefused) {
  Client client = connect();
  client.send(chunked(std::string(100'000, '0')));
  EXPECT_EQ(client.read_reply().status, 400u);
}

TEST_F(Framing, ChunkExtensionsAndTrailersAreRefused) {
  expect_refused(400, chunked("5;a=b\r\nhello\r\n0\r\n\r\n"));
  expect_refused(400, chunked("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"));
  expect_refused(400, chunked("5\r\nhello\r\n0;a\r\n\r\n"));
  expect_refused(400, chunked("5\r\nhello\r\n0\r\nA: b\r\n\r\n"));
  expect_refused(400, chunked("5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"));
  expect_refused(400, chunked("5\r\nhello\r\n0\r\nHost: evil.example\r\n\r\n"));
}

TEST_F(Framing, ABodyEndsWhereItsLengthSays) {
  Client client = connect();
  client.send(post("GET /inner HTTP/1.1\r\n\r\n") + get("/outer"));
  EXPECT_EQ(client.read_reply().body, "POST /p? GET /inner HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "GET /outer? ");
  EXPECT_EQ(served().size(), 2u);
}

TEST_F(Framing, DamagedRequestsAreAnsweredOrClosed) {
  const std::vector<std::string> whole = {get("/a%20b?c", "Connection: keep-alive\r\n"), post("hello"),
                                          chunked("5\r\nhello\r\n2\r\nab\r\n0\r\n\r\n"),
                                          post_with("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello")};
  constexpr std::string_view kPieces("\r\n\t \0\x7f\xff:;,%#/0123456789abcdefHTP.", 33);
  testing::SeededRandom random(1);
  for (int i = 0; i < 1000; ++i) {
    std::string bytes = whole[random.below(whole.size())] + whole[random.below(whole.size())];
    for (size_t changes = 1 + random.below(3); changes > 0; --changes) {
      const size_t at = random.below(bytes.size());
      switch (random.below(3)) {
        case 0:
          bytes[at] = kPieces[random.below(kPieces.size())];
          break;
        case 1:
          bytes.insert(at, 1, kPieces[random.below(kPieces.size())]);
          break;
        default:
          bytes.erase(at, 1 + random.below(4));
      }
    }
    Client client = connect();
    client.send(bytes);
    client.end_sending();
    const std::string answer = client.read_to_end();
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 ")) << bytes << "\n" << answer;
  }
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(Framing, AHeadIsTheSameHoweverItIsCut) {
  const std::string head = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
  const std::string tail = "GET /next";
  for (size_t cut = 0; cut <= head.size(); ++cut) {
    http::HeadScan scan;
    if (cut < head.size()) {
      EXPECT_EQ(scan.scan(head.substr(0, cut)), http::HeadScan::Found::kMore);
    }
    EXPECT_EQ(scan.scan(head + tail), http::HeadScan::Found::kComplete);
    EXPECT_EQ(scan.bytes(), head.size());
  }
}

TEST_F(Framing, AChunksLineIsAsShortInOnePieceAsInMany) {
  EXPECT_EQ(ask(chunked(std::string(200, '0') + "5\r\nhello\r\n0\r\n\r\n")).body, "POST /p? hello");
  expect_refused(400, chunked(std::string(300, '0') + "5\r\nhello\r\n0\r\n\r\n"));
  expect_refused(400, chunked("5\r\nhello\r\n" + std::string(300, '0') + "\r\n\r\n"));
}

}  // namespace
}  // namespace cairn::tests
