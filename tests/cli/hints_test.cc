// What an error advises fits the error, and says what it is about.
#include <sys/stat.h>

#include <cstdlib>

#include "engine/store/upstream.h"
#include "engine/sync/batch.h"
#include "engine/sync/reply.h"
#include "tests/cli/server_fixture.h"
#include "tools/output/terminal_text.h"

namespace cairn::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Hints : public ServerTest {};

TEST_F(Hints, QuotesAndStringAreForOptionsThatTakeAString) {
  started();
  EXPECT_THAT(cairn({"set", "r", "k", "x"}).err, HasSubstr("'x' is not JSON; a string needs its quotes"));
  for (const Ran& ran : {bare({"eval", "--operations", "[x"}), bare({"eval", "--document", "x", "--operations", "[]"}),
                         cairn({"start", "--metadata", "x"}), cairn({"apply", "r"}, "x")}) {
    EXPECT_EQ(ran.exit, 65);
    EXPECT_THAT(ran.err, Not(HasSubstr("--string"))) << "there is no such option";
  }
  EXPECT_THAT(cairn({"start", "--metadata", "x"}).err, HasSubstr("write an object, as in '{\"a\":1}'"));
}

TEST_F(Hints, ALargerLimitIsOfferedOnlyWhereItHelps) {
  started("r", R"({"t":"x"})");
  EXPECT_THAT(cairn({"set", "r", "t", "--limit", "20", "\"longer than 20 bytes\""}).err,
              HasSubstr("--limit or TASK_RUN_METADATA_MAXIMUM_SIZE allows more"));
  EXPECT_THAT(cairn({"import", "--limit", "20"}, R"({"id":"i","metadata":{"t":"longer than 20 bytes"}})").err,
              HasSubstr("--limit or"));
  EXPECT_THAT(bare({"eval", "--limit", "9", "--document", R"({"t":"longer"})", "--operations", "[]"}).err,
              HasSubstr("--limit or"));
  const Ran error = cairn({"finish", "r", "--error", std::string(5000, 'x')});
  EXPECT_EQ(error.exit, 65);
  EXPECT_THAT(error.err,
              AllOf(HasSubstr("--error takes at most 4096 bytes, and this is 5000"), Not(HasSubstr("--limit"))));
  const std::string task = cairn({"start", "--task", std::string(2000, 'x')}).err;
  EXPECT_THAT(task, Not(HasSubstr("--limit")));
}

TEST_F(Hints, StartIsOfferedOnlyWhereAStoreCanBeMade) {
  EXPECT_THAT(cairn({"ls"}).err, HasSubstr("`cairn start` makes a store"));
  EXPECT_THAT(cairn({"slots"}).err, Not(HasSubstr("cairn start"))) << "slots are made by programs";
  std::filesystem::create_directory(path("others"));
  std::ofstream(path("others/file")) << "x";
  const Ran other = bare({"start", "--store", path("others")});
  EXPECT_EQ(other.exit, 65);
  EXPECT_THAT(other.err, AllOf(HasSubstr("holds other files"), Not(HasSubstr("cairn start"))));
  std::ofstream(path("empty")) << "";
  EXPECT_THAT(bare({"ls", "--store", path("empty")}).err,
              AllOf(HasSubstr("Not a directory"), Not(HasSubstr("cairn start"))));
  std::filesystem::create_directory(path("new"));
  EXPECT_THAT(bare({"ls", "--store", path("new")}).err, HasSubstr("`cairn start` makes a store"));
  started();
  std::ofstream(path("store/STORE")) << "spoiled";
  EXPECT_THAT(cairn({"set", "r", "k", "1"}).err, Not(HasSubstr("cairn start")));
}

TEST_F(Hints, ARefusedKeyIsSaidInWords) {
  started();
  for (const Ran& ran : {cairn({"set", "r", "__proto__", "1"}), cairn({"set", "r", "$.a.constructor.b", "1"})}) {
    EXPECT_EQ(ran.exit, 65);
    EXPECT_THAT(ran.err, HasSubstr(": no key may be __proto__, and no path may lead through __proto__"));
  }
}

TEST_F(Hints, AFinishedRunIsNamed) {
  started();
  ASSERT_EQ(cairn({"finish", "r"}).exit, 0);
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"finish", "r"}, {"set", "r", "a", "1"}, {"resume", "r"}, {"start", "--id", "r", "--resume"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 1);
    EXPECT_THAT(ran.err, HasSubstr("cairn: run \"r\"")) << line[0];
  }
  EXPECT_THAT(cairn({"why", "none"}).err, HasSubstr("cairn: run \"none\": there is no such run"));
}

TEST_F(Hints, OneIsNotSaidInThePlural) {
  EXPECT_EQ(tools::counted(0, "run"), "0 runs");
  EXPECT_EQ(tools::counted(1, "run"), "1 run");
  EXPECT_EQ(tools::counted(1, "batch", "batches"), "1 batch");
  EXPECT_EQ(tools::counted(2, "batch", "batches"), "2 batches");
  started();
  EXPECT_THAT(cairn({"backup", path("copy")}).out, HasSubstr("1 run copied"));
  EXPECT_THAT(cairn({"stats"}).out, HasSubstr(" in 1 segment\n"));
  EXPECT_THAT(cairn({"verify"}).out, HasSubstr("1 segment, "));
  EXPECT_THAT(cairn({"dump"}).out, HasSubstr("1 run, applied"));
}

// Of a run owned elsewhere only a part is here: nothing could replace what the upstream has.
TEST_F(Hints, ReplaceIsOfferedOnlyToTheOwner) {
  open();
  engine::StartOptions child;
  child.id = "c";
  child.parent = "box";
  const engine::RunRef run = *store_->start(child);
  const engine::RunRef box = *store_->parent(*run);
  set(box, "k", "1");
  ASSERT_TRUE(store_->upstream().attach("test", {}).ok());
  std::string batch;
  ASSERT_TRUE(store_->upstream().next(batch).ok());
  const auto sent = engine::sync::decode_batch_header(batch);
  ASSERT_EQ(sent->entries, 2u);
  engine::sync::ReplyHeader header;
  header.stream = sent->stream;
  header.seq = header.for_seq = sent->seq;
  header.digest = header.for_digest = sent->digest;
  std::vector<engine::sync::Verdict> refused(2);
  for (uint32_t i = 0; i < 2; ++i) {
    refused[i].entry = i;
    refused[i].code = engine::sync::VerdictCode::kTooLarge;
  }
  ASSERT_TRUE(store_->upstream().feed(engine::sync::encode_reply(header, refused)).ok());
  close();
  EXPECT_THAT(cairn({"why", "c"}).out, AllOf(HasSubstr("--retry"), HasSubstr("--skip"), HasSubstr("--replace")));
  const std::string why = cairn({"why", "box"}).out;
  EXPECT_THAT(why, AllOf(HasSubstr("--retry"), HasSubstr("--skip"), Not(HasSubstr("--replace"))));
  EXPECT_EQ(cairn({"sync", "--replace", "box", "--upstream", "http://127.0.0.1:1", "--deadline", "1s"}).exit, 64);
}

TEST_F(Hints, TheRangeOfTheLimitOfAListIsSaid) {
  EXPECT_THAT(bare({"ls", "--help"}).out, HasSubstr("from 1 to 1,000,000,000"));
}

#ifdef CAIRN_TOOLS_NETWORK

TEST_F(Hints, APortInUseIsNoStoreInUse) {
  const std::string address = serve();
  const Ran second = at("second", {"serve", "--listen", address});
  EXPECT_EQ(second.exit, 78);
  EXPECT_THAT(second.err, AllOf(HasSubstr("another server listens on this address"), HasSubstr(address),
                                Not(HasSubstr("reading works")), Not(HasSubstr("owns the store"))));
  const std::string socket = serve("by-socket", {}, "unix:" + path("sock"));
  const Ran third = at("third", {"serve", "--listen", socket});
  EXPECT_EQ(third.exit, 78);
  EXPECT_THAT(third.err, AllOf(HasSubstr("another server listens on this unix socket"), HasSubstr(socket),
                               Not(HasSubstr("owns"))));
}

TEST_F(Hints, AServerSaysThatItsCertificateHasExpired) {
  const std::string make = "cd '" + directory_.path() +
                           "' && (openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem "
                           "-out req.pem -subj /CN=x"
                           " && openssl x509 -req -in req.pem -signkey key.pem -days -1 -out old.pem"
                           " && openssl x509 -req -in req.pem -signkey key.pem -days 2 -out new.pem"
                           " && cat new.pem old.pem >chain.pem) >openssl.log 2>&1";
  ASSERT_EQ(std::system(make.c_str()), 0);  // NOLINT(cert-env33-c, concurrency-mt-unsafe): one thread
  ::chmod(path("key.pem").c_str(), 0600);
  const auto said = [this](const std::string& name) {
    EXPECT_NE(serve(name, {"--tls-cert", path(name + ".pem"), "--tls-key", path("key.pem")}), "");
    return read_file(path(name + ".err"));
  };
  const std::string old = said("old");
  EXPECT_THAT(old, AllOf(HasSubstr("the TLS certificate expired on 2"), HasSubstr(path("old.pem"))));
  EXPECT_THAT(said("chain"), HasSubstr("a certificate of the TLS certificate's chain expired on 2"));
  EXPECT_EQ(said("new"), "");
}

#endif

}  // namespace
}  // namespace cairn::tests
