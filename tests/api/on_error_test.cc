// Options::on_error: updates that are refused are told and do not throw.
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "cairn/cairn.hpp"
#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class OnError : public ::testing::Test {
 protected:
  Options options() {
    Options o;
    o.background = false;
    o.segment_bytes = 256u << 10;
    o.on_error = [this](const Error& error) {
      heard_.push_back(error.run() + "." + error.key() + " " + std::to_string(static_cast<int>(error.code())));
      if (then_) {
        then_(error);
      }
    };
    return o;
  }
  std::vector<std::string> take() { return std::exchange(heard_, {}); }
  using Heard = std::vector<std::string>;

  Directory directory_;
  std::vector<std::string> heard_;
  std::function<void(const Error&)> then_;
  Store store_ = Store::open(directory_.store(), options());
  cairn::Run run_ = store_.start({.id = "train-7"});
};

TEST_F(OnError, ALoopSurvivesItsOwnNaN) {
  for (int step = 1; step <= 4; ++step) {
    run_.set("step", step).set("loss", step == 3 ? std::nan("") : 1.0 / step).append("seen", step);
  }
  run_.finish();
  EXPECT_EQ(run_.text(), R"({"step":4,"loss":0.25,"seen":[1,2,3,4]})");
  EXPECT_EQ(take(), Heard{"train-7.loss 23"});
  EXPECT_EQ(store_.stats().refused_updates, 1u);
}

TEST_F(OnError, EveryUpdateGoesOn) {
  Cell<double> cell = run_.bind<double>("cell");
  cell.set(NAN).increment(INFINITY);
  EXPECT_EQ(take(), (Heard{"train-7.cell 23", "train-7.cell 23"}));
  run_.append("l", NAN).remove("l", 1).increment("n", NAN).set("m", json{{"x", INFINITY}}).set("s", "\xff").del("k");
  run_.decrement("n", NAN).save(json::array()).set("$.none.x", 1).set_tags({"\xff"});
  run_.apply({{{"type", "none"}}});
  EXPECT_EQ(take(), (Heard{"train-7.l 23", "train-7.l 17", "train-7.n 23", "train-7.m 23", "train-7.s 19",
                           "train-7.n 23", "train-7. 24", "train-7.$.none.x 17", "train-7. 19", "train-7. 16"}));
  EXPECT_EQ(run_.try_set("loss", NAN).code, Code::kNotFinite) << "a try_ name returns it too";
  EXPECT_EQ(take(), Heard{"train-7.loss 23"});
  {
    const RunScope scope(run_);
    metadata::set("loss", NAN).increment("n");
    metadata::parent().set("loss", NAN).increment("n");
  }
  EXPECT_EQ(take(), (Heard{"train-7.loss 23", "train-7.loss 23"}));
  run_.finish();
  run_.set("a", 1).set_status(RunStatus::kWaiting);
  run_.finish(RunStatus::kFailed, "late");
  EXPECT_EQ(take(), (Heard{"train-7.a 34", "train-7. 34", "train-7. 34"}));
  EXPECT_EQ(run_.text(), R"({"n":2})");
}

TEST_F(OnError, WhatIsNoUpdateThrowsAsBefore) {
  run_.set("text", "t");
  EXPECT_THROW((void)run_.get<double>("text"), Error);
  EXPECT_THROW((void)store_.start({.id = "train-7"}), Error);
  EXPECT_THROW((void)store_.resume("none"), Error);
  EXPECT_THROW((void)Store::open(directory_.store(), options()), Error);
  EXPECT_EQ(take(), Heard{});
  store_.erase("train-7");
  EXPECT_THROW((void)run_.current(), Error);
  EXPECT_EQ(take(), Heard{});
}

// An update that is left out would not be all or nothing.
TEST_F(OnError, ATransactionTellsAndThrows) {
  EXPECT_THROW(store_.transact([&](Transaction& t) { t.set(run_, "step", 1).set(run_, "loss", NAN); }), Error);
  EXPECT_EQ(take(), Heard{"train-7.loss 23"});
  EXPECT_THROW(store_.transact([&](Transaction& t) { t.set(run_, "step", 1).remove(run_, "none", 1); }), Error);
  EXPECT_EQ(take(), Heard{"train-7.none 17"});
  EXPECT_EQ(run_.text(), "{}");
}

TEST_F(OnError, WhatItThrowsComesOutOfThePlainName) {
  then_ = [](const Error& error) {
    if (error.code() != Code::kNotFinite) {
      throw error;
    }
    if (error.key() == "stop") {
      throw std::runtime_error("too many");
    }
  };
  run_.set("loss", NAN);
  EXPECT_THROW(run_.set("stop", NAN), std::runtime_error);
  EXPECT_THROW(run_.bind<double>("stop").set(NAN), std::runtime_error);
  EXPECT_EQ(run_.try_set("stop", NAN).code, Code::kNotFinite) << "a try_ name throws nothing";
  EXPECT_EQ(cairn_run_set_double(run_.handle(), "stop", 4, NAN), CAIRN_NOT_FINITE) << "nor does the C ABI";
  run_.set("loss", NAN);  // and nothing is left of it
  run_.finish();
  try {
    run_.set("a", 1);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kFinished);
    EXPECT_EQ(error.run(), "train-7");
    EXPECT_EQ(std::string(error.what()).rfind("run \"train-7\", key \"a\": the run is finished", 0), 0u)
        << error.what();
  }
}

TEST_F(OnError, ItMayUseTheStoreAndItsOwnMistakesThrow) {
  then_ = [&](const Error& error) {
    run_.increment("refused").append("log", error.what());
    EXPECT_THROW(run_.set("again", NAN), Error) << "it is not told of itself";
  };
  run_.set("loss", NAN).set("step", 1);
  EXPECT_EQ(take(), Heard{"train-7.loss 23"});
  EXPECT_EQ(run_.get<int>("refused"), 1);
  EXPECT_EQ(run_.get<int>("step"), 1);
  EXPECT_EQ(store_.stats().refused_updates, 2u);
}

TEST_F(OnError, ARunThatOutlivesTheStoreStillTells) {
  Store moved = std::move(store_);
  run_.set("loss", NAN);
  moved = Store::open(directory_.path() + "/other");  // closes it
  run_.set("a", 1);
  EXPECT_EQ(take(), (Heard{"train-7.loss 23", "train-7.a 48"}));
}

TEST_F(OnError, ExcludesHooks) {
  cairn_hooks hooks = {};
  hooks.struct_bytes = sizeof hooks;
  Options o = options();
  o.hooks = &hooks;
  EXPECT_EQ(Store::try_open(directory_.path() + "/other", o).code(), Code::kInvalidArgument);
}

TEST_F(OnError, WithoutItUpdatesThrowAndNameRunAndKey) {
  Options o;
  o.background = false;
  Store plain = Store::open(directory_.path() + "/plain", o);
  cairn::Run run = plain.start({.id = "train-8"});
  try {
    run.set("loss", NAN);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "run \"train-8\", key \"loss\": NaN and infinity are not JSON numbers");
    EXPECT_EQ(error.run(), "train-8");
    EXPECT_EQ(error.key(), "loss");
    EXPECT_FALSE(error.told());
  }
  EXPECT_EQ(plain.stats().refused_updates, 1u);
}

}  // namespace
}  // namespace cairn::tests
