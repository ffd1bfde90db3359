// The vectors observed from Trigger.dev's own client, against the reference that other tests use. Where Cairn differs
// on purpose, the difference stands here with its number in the project's list.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "engine/document/operation.h"
#include "engine/json/json.h"
#include "tests/support/json_literal.h"
#include "tests/support/reference.h"

namespace cairn::engine {
namespace {

struct Difference {
  int number;
  std::string json;  // of the document, or why the vector is refused
  std::vector<int64_t> unapplied;
};

const std::map<std::string, Difference>& differences() {
  static const std::map<std::string, Difference> kDifferences = {
      {"delete path key is literal: no-op", {6, R"({"a":{}})", {}}},
      {"path set __proto__ segment unapplied", {7, "refused 25", {}}},
      {"path set nested slices: second slice is a literal name (upstream regex state)",
       {12, R"({"a":[[1,0],[3,4]]})", {}}},
      {"path set escaped dot misroutes when 'a' exists", {12, R"({"a.b":2,"a":{}})", {}}},
      {"path append null leaf is no-op", {12, R"({"a":{"l":[null,1]}})", {}}},
      {"increment past MAX_SAFE_INTEGER", {14, R"({"c":9007199254740993})", {}}},
      {"increment overflow to Infinity becomes null in JSON", {15, R"({"c":1.7976931348623157e+308})", {0}}},
      {"set lone surrogate value", {16, "refused 19", {}}},
      {"append literal constructor wraps inherited function", {17, R"({"constructor":[1]})", {}}},
      {"append literal toString wraps inherited function", {17, R"({"toString":[1]})", {}}},
      {"path append wildcard first match flattened", {18, R"({"a":{"x":[[1],[2],3],"y":[[1],[2],3]}})", {}}},
      {"path set missing parent is a silent no-op", {19, R"({"x":1})", {0}}},
      {"path set deep missing parents no-op", {19, R"({"a":{}})", {0}}},
      {"path set through null parent no-op", {19, R"({"a":null})", {0}}},
      {"path set through string parent no-op", {19, R"({"a":"str"})", {0}}},
      {"path set on array with name is lost in JSON", {19, R"({"a":[1]})", {0}}},
      {"path key '01' on array is a named prop, lost", {19, R"({"a":[1,2]})", {0}}},
      {"path root slice twice: second is a literal key (upstream regex state)", {20, R"({"a":1})", {0, 1}}},
  };
  return kDifferences;
}

/// One vector a line; lines, because one of them holds text that is refused.
std::vector<std::string> vector_lines(const std::string& file) {
  std::ifstream in(CAIRN_TEST_DATA "/" + file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('{')) {
      lines.push_back(line.ends_with(',') ? line.substr(0, line.size() - 1) : line);
    }
  }
  return lines;
}

std::string name_of(const std::string& line) {
  const std::string start = R"({"name":")";
  return line.substr(start.size(), line.find("\",\"") - start.size());
}

struct Observed {
  std::string json;
  size_t bytes = 0;
  std::vector<int64_t> unapplied;
};

Observed observe(const Value& v) {
  const Object& vector = *v.get<Object>();
  const auto refused = [](Code code) { return Observed{"refused " + std::to_string(static_cast<int>(code)), 0, {}}; };
  const Result<std::vector<Operation>> ops = operations_of(*find_property(vector, "operations"));
  if (!ops.ok()) {
    return refused(ops.code());
  }
  Object document = *find_property(vector, "initial")->get<Object>();
  std::vector<Outcome> outcomes;
  EXPECT_TRUE(reference::apply_operations(document, *ops, outcomes).ok());
  Observed seen{to_json(document), json_bytes(document), {}};
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].kind == OutcomeKind::kUnapplied) {
      seen.unapplied.push_back(static_cast<int64_t>(i));
    }
  }
  return seen;
}

TEST(ModelVectors, OperationsDoWhatTheModelDoesButForTheListedDifferences) {
  size_t differing = 0;
  const std::vector<std::string> lines = vector_lines("operations.json");
  EXPECT_GE(lines.size(), 80U);
  for (const std::string& line : lines) {
    SCOPED_TRACE(name_of(line));
    const auto difference = differences().find(name_of(line));
    const Result<Value> v = parse_json(line);
    Observed seen;
    if (v.ok()) {
      seen = observe(*v);
    } else {
      seen.json = "refused " + std::to_string(static_cast<int>(v.code()));
    }
    if (difference != differences().end()) {
      ++differing;
      EXPECT_EQ(seen.json, difference->second.json) << "difference " << difference->second.number;
      EXPECT_EQ(seen.unapplied, difference->second.unapplied) << "difference " << difference->second.number;
      continue;
    }
    ASSERT_TRUE(v.ok());
    const Object& vector = *v->get<Object>();
    EXPECT_EQ(seen.json, *find_property(vector, "expected_json")->get<std::string>());
    EXPECT_EQ(Value(static_cast<int64_t>(seen.bytes)), *find_property(vector, "expected_bytes"));
    EXPECT_TRUE(deep_equal(json(seen.json), *find_property(vector, "expected")));
    Array unapplied(seen.unapplied.begin(), seen.unapplied.end());
    EXPECT_EQ(Value(unapplied), *find_property(vector, "unapplied"));
  }
  EXPECT_EQ(differing, differences().size()) << "a difference names no vector";
}

TEST(ModelVectors, ListedDifferencesAreDifferencesIndeed) {
  for (const std::string& line : vector_lines("operations.json")) {
    const auto difference = differences().find(name_of(line));
    const Result<Value> v = parse_json(line);
    if (difference == differences().end() || !v.ok()) {
      continue;
    }
    const Object& vector = *v->get<Object>();
    const Array unapplied(difference->second.unapplied.begin(), difference->second.unapplied.end());
    EXPECT_FALSE(difference->second.json == *find_property(vector, "expected_json")->get<std::string>() &&
                 Value(unapplied) == *find_property(vector, "unapplied"))
        << name_of(line);
  }
}

/// The lists of operations of a body, checked as a route would; kOk when it has none.
Code judge_operations(const Value& body, std::string& text) {
  for (const char* member : {"operations", "parentOperations", "rootOperations"}) {
    const Value* list = body.is(Type::kObject) ? find_property(*body.get<Object>(), member) : nullptr;
    if (list == nullptr) {
      continue;
    }
    const Result<std::vector<Operation>> ops = operations_of(*list);
    if (!ops.ok()) {
      return ops.code();
    }
    text += (text.empty() ? "{\"" : ",\"") + std::string(member) + "\":[";
    for (const Operation& op : *ops) {
      text += text.back() == '[' ? "" : ",";
      append_operation_json(text, op);
    }
    text += ']';
  }
  text += text.empty() ? "" : "}";
  return Code::kOk;
}

TEST(ModelVectors, OperationsOfRequestBodiesAreAcceptedAndRefusedAsTheModelDoes) {
  int judged = 0;
  for (const std::string& line : vector_lines("request-bodies.json")) {
    SCOPED_TRACE(name_of(line));
    const Value v = json(line);
    const Object& vector = *v.get<Object>();
    const std::string& body = *find_property(vector, "body")->get<std::string>();
    if (body.find("perations") == std::string::npos) {
      continue;
    }
    ++judged;
    const bool accepted = *find_property(vector, "accepted")->get<bool>();
    const Result<Value> parsed = parse_json(body, 2u << 20, kDepthMax + kOperationLevels + 1);
    if (!parsed.ok()) {
      EXPECT_FALSE(accepted);
      EXPECT_EQ(parsed.code(), Code::kNotFinite);
      continue;
    }
    std::string text;
    EXPECT_EQ(judge_operations(*parsed, text) == Code::kOk, accepted);
    if (accepted) {
      EXPECT_EQ(text, *find_property(vector, "parsed_json")->get<std::string>());
    }
  }
  EXPECT_GE(judged, 15);
}

}  // namespace
}  // namespace cairn::engine
