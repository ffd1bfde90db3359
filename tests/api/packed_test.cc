// Structs through msgpack-c.
#define MSGPACK_NO_BOOST
#include "cairn/packed.h"

#include <map>
#include <vector>

#include "cairn/cairn.hpp"
#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

struct Phase {
  std::string name;
  int64_t steps = 0;
  MSGPACK_DEFINE_MAP(name, steps)
};

struct Settings {
  double rate = 0;
  bool warm = false;
  std::vector<Phase> phases;
  std::map<std::string, int64_t> left;
  MSGPACK_DEFINE_MAP(rate, warm, phases, left)
};

struct Row {
  int a = 1;
  int b = 2;
  MSGPACK_DEFINE_ARRAY(a, b)
};

struct Blob {
  std::vector<char> bytes = {1, 2};
  MSGPACK_DEFINE_MAP(bytes)
};

class Packed : public ::testing::Test {
 protected:
  Directory directory_;
  Store store_ = Store::open(directory_.store());
  cairn::Run run_ = store_.start({.id = "r"});
};

template <class Call>
Code code_of(Call&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.code();
  }
  return Code::kOk;
}

TEST_F(Packed, AStructIsTheWholeMetadataAndComesBack) {
  packed::save(run_, Settings{0.5, true, {{"one", 3}, {"two", 4}}, {{"x", 7}}});
  EXPECT_EQ(run_.text(),
            R"({"rate":0.5,"warm":true,"phases":[{"name":"one","steps":3},{"name":"two","steps":4}],"left":{"x":7}})");
  const auto back = packed::current<Settings>(run_);
  EXPECT_EQ(back.rate, 0.5);
  EXPECT_TRUE(back.warm);
  ASSERT_EQ(back.phases.size(), 2U);
  EXPECT_EQ(back.phases[1].name, "two");
  EXPECT_EQ(back.left.at("x"), 7);
}

TEST_F(Packed, AValueComesBackAndAMissingOneIsNothing) {
  packed::set(run_, "phase", Phase{"one", 3});
  EXPECT_EQ(run_.text(), R"({"phase":{"name":"one","steps":3}})");
  EXPECT_EQ(packed::get<Phase>(run_, "phase")->steps, 3);
  EXPECT_EQ(packed::get<Phase>(run_, "none"), std::nullopt);
  packed::set(run_, "row", Row{});
  EXPECT_EQ(packed::get<Row>(run_, "row")->b, 2);
  EXPECT_EQ(packed::get<int64_t>(run_, "$.phase.steps"), 3);
}

TEST_F(Packed, WhatDoesNotFitIsAnErrorThatNamesTheKey) {
  run_.set("phase", {{"name", 7}});
  try {
    (void)packed::get<Phase>(run_, "phase");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kTypeMismatch);
    EXPECT_NE(std::string(e.what()).find(R"(phase: does not fit the struct: {"name":7})"), std::string::npos)
        << e.what();
  }
  EXPECT_EQ(code_of([&] { (void)packed::current<Row>(run_); }), Code::kTypeMismatch);
  EXPECT_EQ(code_of([&] { packed::save(run_, Row{}); }), Code::kTypeMismatch);
  EXPECT_EQ(code_of([&] { packed::set(run_, "blob", Blob{}); }), Code::kInvalidMsgpack);
  EXPECT_EQ(run_.text(), R"({"phase":{"name":7}})");
}

}  // namespace
}  // namespace cairn::tests
