// The handle: what open refuses, close while somebody is at work, threads, forks, and stores that change under it.
#include <string>
#include <thread>

#include "tests/support/child_process.h"
#include "tests/upstream/upstream_fixture.h"

namespace cairn::tests {
namespace {

using Handle = UpstreamTest;

TEST_F(Handle, OpenRefusesWhatItCannotDo) {
  Store store = open_store();
  const auto code = [&](const UpstreamOptions& o) {
    const Code c = Upstream::try_open(store, o).code();
    EXPECT_EQ(last_error().code(), c);
    EXPECT_STRNE(last_error().what(), "");
    return c;
  };
  UpstreamOptions o = options();
  o.url = "";
  EXPECT_EQ(code(o), Code::kInvalidArgument);
  o.url = "http://runs.example:4020";
  EXPECT_EQ(code(o), Code::kUnsafe);
  o = options();
  o.timeout = std::chrono::milliseconds(-1);
  EXPECT_EQ(code(o), Code::kInvalidArgument);
  o = options();
  o.interval = std::chrono::milliseconds(-1);
  EXPECT_EQ(code(o), Code::kInvalidArgument);
  o = options();
  o.batch_runs_max = 1'000'000;
  EXPECT_EQ(code(o), Code::kInvalidArgument);
  o = options();
  o.token_file = file("none");
  EXPECT_EQ(code(o), Code::kIo);
  o.token_file = write_file("token", kToken, 0666);  // others may write it
  EXPECT_EQ(code(o), Code::kUnsafe);
  o.token_file = write_file("token", kToken, 0600);
  o.token_environment = "HOME";
  EXPECT_EQ(code(o), Code::kInvalidArgument);
  o.token_environment = "";
  o.token_file = write_file("token", std::string(9000, 'x'), 0600);
  EXPECT_EQ(code(o), Code::kTooLarge);
  o = options();
  o.ca_file = file("none");
  EXPECT_EQ(code(o), Code::kIo);
  EXPECT_EQ(sync_state(store).flags & CAIRN_SYNC_STATE_ATTACHED, 0U);

  store.close();
  Store reader = Store::open_read_only(file("store"));
  EXPECT_EQ(Upstream::try_open(reader, options()).code(), Code::kReadOnly);
}

TEST_F(Handle, StructsOfOtherVersionsFit) {
  Store store = open_store();
  struct {
    cairn_upstream_options known;
    uint64_t newer;
  } options = {};
  const std::string url = receiver_.url();
  cairn_upstream* upstream = nullptr;
  options.known.url = url.c_str();
  EXPECT_EQ(cairn_upstream_open(store.handle(), &options.known, &upstream), CAIRN_INVALID_ARGUMENT);
  options.known.struct_bytes = sizeof options;
  options.newer = 1;
  EXPECT_EQ(cairn_upstream_open(store.handle(), &options.known, &upstream), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(upstream, nullptr);
  options.newer = 0;
  ASSERT_EQ(cairn_upstream_open(store.handle(), &options.known, &upstream), CAIRN_OK);

  struct {
    cairn_upstream_state known;
    uint64_t newer;
  } state = {};
  EXPECT_EQ(cairn_upstream_get_state(upstream, &state.known), CAIRN_INVALID_ARGUMENT);
  state.known.struct_bytes = sizeof state;
  state.newer = 7;
  EXPECT_EQ(cairn_upstream_get_state(upstream, &state.known), CAIRN_OK);
  EXPECT_EQ(state.newer, 0U);
  state.known.struct_bytes = 8;
  state.known.messages = 7;
  EXPECT_EQ(cairn_upstream_get_state(upstream, &state.known), CAIRN_OK);
  EXPECT_EQ(state.known.messages, 7U);
  EXPECT_EQ(cairn_upstream_close(upstream), CAIRN_OK);
}

TEST_F(Handle, NullIsRefused) {
  Store store = open_store();
  cairn_upstream_options options = {};
  options.struct_bytes = sizeof options;
  cairn_upstream* upstream = nullptr;
  EXPECT_EQ(cairn_upstream_open(store.handle(), &options, nullptr), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_upstream_open(store.handle(), &options, &upstream), CAIRN_INVALID_ARGUMENT);  // no url
  EXPECT_EQ(cairn_upstream_open(store.handle(), nullptr, &upstream), CAIRN_INVALID_ARGUMENT);
  options.url = "http://127.0.0.1:1";
  EXPECT_EQ(cairn_upstream_open(nullptr, &options, &upstream), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_upstream_step(nullptr, 0, nullptr), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_upstream_flush(nullptr, 0), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_upstream_get_state(nullptr, nullptr), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_upstream_close(nullptr), CAIRN_OK);
}

// The request has a day: a close that waited for it would never return.
TEST_F(Handle, CloseWaitsForNoAnswer) {
  receiver_.listen();
  Store store = open_store();
  for (const bool background : {true, false}) {
    receiver_.hold_next_answer();
    const int taken = receiver_.taken;
    Upstream upstream = Upstream::open(store, background ? options() : stepped());
    store.start({background ? "one" : "two"}).increment("steps").finish();
    store.barrier();
    ASSERT_TRUE(wait_for([&] {
      if (!background) {
        (void)upstream.step();
      }
      return receiver_.holding();
    }));
    upstream.close();
    EXPECT_TRUE(receiver_.holding());
    EXPECT_EQ(receiver_.taken, taken + 1);
    receiver_.let_go();
    ASSERT_TRUE(wait_for([&] { return !receiver_.holding(); }));
  }
  Upstream again = Upstream::open(store, options());
  again.flush(kLong);
  expect_equal(store);
  EXPECT_EQ(receiver_.store().find("one")->text(), R"({"steps":1})");
}

TEST_F(Handle, OneThreadStepsAtATime) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, stepped());
  store.start({"run"}).set("a", 1).finish();
  store.barrier();
  receiver_.hold_next_answer();
  std::thread first([&] {
    while (upstream.state().answers == 0) {
      (void)upstream.step(kLong);
    }
  });
  ASSERT_TRUE(wait_for([this] { return receiver_.holding(); }));
  EXPECT_EQ(upstream.try_step().code(), Code::kAgain);
  EXPECT_EQ(upstream.try_flush(std::chrono::milliseconds(1)).code, Code::kTimeout);
  receiver_.let_go();
  first.join();
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Handle, ItsThreadStepsAlone) {
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  EXPECT_EQ(upstream.try_step().code(), Code::kInvalidArgument);
}

TEST_F(Handle, AForkedChildHasNone) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  store.start({"before"}).increment("steps").finish();
  upstream.flush(kLong);
  in_child([&] {
    EXPECT_EQ(upstream.try_flush(kLong).code, Code::kForked);
    EXPECT_EQ(upstream.try_step().code(), Code::kForked);
    cairn_upstream_state state = {};
    state.struct_bytes = sizeof state;
    EXPECT_EQ(cairn_upstream_get_state(upstream.handle(), &state), CAIRN_FORKED);
    EXPECT_EQ(cairn_upstream_close(upstream.handle()), CAIRN_FORKED);
    cairn_upstream_options o = {};
    o.struct_bytes = sizeof o;
    const std::string url = receiver_.url();
    o.url = url.c_str();
    cairn_upstream* other = nullptr;
    EXPECT_EQ(cairn_upstream_open(store.handle(), &o, &other), CAIRN_FORKED);
    upstream.close();
  });
  store.start({"after"}).increment("steps").finish();
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Handle, AStoreThatIsDetachedUnderItIsSeen) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  store.start({"run"}).set("a", 1).finish();
  upstream.flush(kLong);
  ASSERT_EQ(cairn_sync_detach(store.handle()), CAIRN_OK);
  ASSERT_TRUE(wait_for([&] { return upstream.state().code == Code::kInvalidArgument; }));
  EXPECT_NE(upstream.state().error, "");
  EXPECT_EQ(upstream.try_flush(kLong).code, Code::kInvalidArgument);

  ASSERT_EQ(cairn_sync_attach(store.handle(), "again", nullptr), CAIRN_OK);
  store.start({"later"}).set("a", 1).finish();
  upstream.flush(kLong);
  EXPECT_TRUE(wait_for([&] { return upstream.state().code == Code::kOk; }));
  expect_equal(store);
}

TEST_F(Handle, RunsMayOutliveIt) {
  receiver_.listen();
  Store store = open_store();
  auto run = store.start({"run"});
  {
    Upstream upstream = Upstream::open(store, options());
    upstream.flush(kLong);
  }
  run.increment("steps").finish();
  store.close();
  EXPECT_EQ(run.try_increment("steps").code, Code::kClosed);
}

}  // namespace
}  // namespace cairn::tests
