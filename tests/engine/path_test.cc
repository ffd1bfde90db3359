#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/document/path_apply.h"
#include "engine/json/json.h"
#include "tests/support/generate.h"
#include "tests/support/json_literal.h"
#include "tests/support/property.h"
#include "tests/support/reference.h"

namespace cairn::engine {
namespace {

constexpr size_t kBytesMax = 4096;

std::vector<Segment> path(std::string_view key) {
  Result<std::vector<Segment>> segments = parse_path(key);
  EXPECT_TRUE(segments.ok());
  return std::move(segments).value();
}

/// "a|b" for names, "*" and "[1:]" for the others; names that look like these are quoted.
std::string segments_of(std::string_view key) {
  std::string out;
  for (const Segment& s : path(key)) {
    out += out.empty() ? "" : "|";
    switch (s.kind) {
      case Segment::Kind::kName:
        out += s.name == "*" || s.name.starts_with('[') ? std::string("'").append(s.name).append("'") : s.name;
        break;
      case Segment::Kind::kAll:
        out += "*";
        break;
      case Segment::Kind::kSlice:
        out += '[';
        out += s.has_begin ? std::to_string(s.begin) : "";
        out += ':';
        out += s.has_end ? std::to_string(s.end) : "";
        out += ']';
        break;
    }
  }
  return out;
}

std::string described(const Value& document, const Result<Outcome>& outcome) {
  if (!outcome.ok()) {
    return to_json(document) + " error " + std::to_string(static_cast<int>(outcome.code()));
  }
  switch (outcome->kind) {
    case OutcomeKind::kApplied:
      return to_json(document);
    case OutcomeKind::kUnchanged:
      return to_json(document) + " unchanged";
    case OutcomeKind::kUnapplied:
      return to_json(document) + " unapplied: " + reason_text(outcome->reason);
  }
  return "?";
}

/// The document after one operation, and what became of it if it was not applied.
std::string after(std::string_view document, OperationType type, const std::string& key, const Value& argument = {}) {
  Value root = json(document);
  const Operation op{type, key, argument};
  const Result<Outcome> outcome = apply_at(root, path(key), 0, op, kBytesMax);
  return described(root, outcome);
}

std::string set(std::string_view document, const std::string& key, const Value& v) {
  return after(document, OperationType::kSet, key, v);
}
std::string del(std::string_view document, const std::string& key) {
  return after(document, OperationType::kDelete, key);
}
std::string append(std::string_view document, const std::string& key, const Value& v) {
  return after(document, OperationType::kAppend, key, v);
}
std::string remove(std::string_view document, const std::string& key, const Value& v) {
  return after(document, OperationType::kRemove, key, v);
}
std::string increment(std::string_view document, const std::string& key, const Value& v) {
  return after(document, OperationType::kIncrement, key, v);
}

TEST(Path, SplitsAtDotsAndDropsEmptySegments) {
  EXPECT_EQ(segments_of("$.a.b"), "a|b");
  EXPECT_EQ(segments_of("$..a...b."), "a|b");
  EXPECT_EQ(segments_of("$."), "");
  EXPECT_EQ(segments_of("$.."), "");
  EXPECT_EQ(segments_of("$.$.a[0].0"), "$|a[0]|0");
  EXPECT_EQ(segments_of("$.a~1b.\xc3\xa9"), "a~1b|\xc3\xa9");
}

TEST(Path, EscapedDotBelongsToTheName) {
  EXPECT_EQ(segments_of(R"($.a\.b.c)"), "a.b|c");
  EXPECT_EQ(segments_of(R"($.\.)"), ".");
  EXPECT_EQ(segments_of(R"($.a\\.b)"), R"(a\|b)");
  EXPECT_EQ(segments_of(R"($.a\\\.b)"), R"(a\.b)");
  EXPECT_EQ(segments_of(R"($.a\b\)"), R"(a\b\)");
}

TEST(Path, WildcardsAndSlicesAreSegmentsOfTheirOwn) {
  EXPECT_EQ(segments_of("$.*.a*.**"), "*|a*|**");
  EXPECT_EQ(segments_of("$.[0:2].[:-1].[-3:].[:]"), "[0:2]|[:-1]|[-3:]|[:]");
  EXPECT_EQ(segments_of("$.[0].[1:2:3].[a:b].[-:1].[:+1].[ 1:2].[]"),
            "'[0]'|'[1:2:3]'|'[a:b]'|'[-:1]'|'[:+1]'|'[ 1:2]'|'[]'");
  EXPECT_EQ(segments_of("$.[99999999999999999999:-99999999999999999999]"),
            "[9223372036854775807:-9223372036854775807]");
}

TEST(Path, RefusedNamesAreRefused) {
  EXPECT_EQ(parse_path("$.a.__proto__").code(), Code::kKeyRefused);
  EXPECT_EQ(parse_path("$.constructor.x").code(), Code::kKeyRefused);
  EXPECT_EQ(parse_path("$..prototype").code(), Code::kKeyRefused);
  EXPECT_EQ(parse_path("$.a['constructor']").code(), Code::kKeyRefused);
  EXPECT_EQ(parse_path("$.a\\.__proto__").code(), Code::kKeyRefused);
}

TEST(Path, SetWritesAnExistingOrAMissingLeaf) {
  EXPECT_EQ(set(R"({"a":{"b":1,"c":2}})", "$.a.b", 9), R"({"a":{"b":9,"c":2}})");
  EXPECT_EQ(set(R"({"a":{"b":1}})", "$.a.c", 9), R"({"a":{"b":1,"c":9}})");
  EXPECT_EQ(set("{}", "$.a", 9), R"({"a":9})");
  EXPECT_EQ(set(R"({"a":{"b":null}})", "$.a.b", 9), R"({"a":{"b":9}})");
  EXPECT_EQ(set(R"({"a.b":1,"a":{}})", R"($.a\.b)", 2), R"({"a.b":2,"a":{}})");
}

TEST(Path, AMissingParentIsUnapplied) {
  EXPECT_EQ(set(R"({"x":1})", "$.a.b", 2), R"({"x":1} unapplied: no such parent)");
  EXPECT_EQ(append(R"({"a":{}})", "$.a.b.c", 2), R"({"a":{}} unapplied: no such parent)");
  EXPECT_EQ(increment(R"({"a":[]})", "$.a.0.n", 2), R"({"a":[]} unapplied: no such parent)");
  EXPECT_EQ(remove("{}", "$.a.l", 2), "{} unapplied: no such parent");
  EXPECT_EQ(del("{}", "$.a.b"), "{} unapplied: no such parent");
}

TEST(Path, AScalarOrNullOnTheWayIsUnapplied) {
  for (const char* document : {R"({"a":null})", R"({"a":"str"})", R"({"a":1})", R"({"a":false})"}) {
    for (const char* key : {"$.a.b", "$.a.*", "$.a.[0:1]", "$.a.0"}) {
      EXPECT_EQ(set(document, key, 2),
                document + std::string(" unapplied: the path leads through a value that is neither object nor array"));
    }
  }
}

TEST(Path, OnlyACanonicalIndexMatchesOnAnArray) {
  EXPECT_EQ(set(R"({"a":[1,2]})", "$.a.1", 9), R"({"a":[1,9]})");
  for (const char* name :
       {"01", "-1", "+1", "1e0", "foo", "length", "2147483648", "99999999999999999999", "\xd9\xa1"}) {
    EXPECT_EQ(set(R"({"a":[1,2]})", std::string("$.a.") + name, 9),
              R"({"a":[1,2]} unapplied: not an index of an array)");
    EXPECT_EQ(del(R"({"a":[1,2]})", std::string("$.a.") + name), R"({"a":[1,2]} unapplied: not an index of an array)");
  }
  EXPECT_EQ(set(R"({"a":{}})", "$.a.01", 9), R"({"a":{"01":9}})");
}

TEST(Path, IndexAtTheEndExtendsAndFurtherLeavesNulls) {
  EXPECT_EQ(set(R"({"a":[1]})", "$.a.1", 2), R"({"a":[1,2]})");
  EXPECT_EQ(set(R"({"a":[1]})", "$.a.3", 2), R"({"a":[1,null,null,2]})");
  EXPECT_EQ(append(R"({"a":[]})", "$.a.1", 2), R"({"a":[null,[2]]})");
  EXPECT_EQ(increment(R"({"a":[]})", "$.a.0", 2), R"({"a":[2]})");
}

TEST(Path, NullsBeyondTheLimitAreTooLargeBeforeTheyAreMade) {
  EXPECT_EQ(set(R"({"a":[]})", "$.a.820", 1), R"({"a":[]} error 18)");
  EXPECT_EQ(set(R"({"a":[]})", "$.a.2147483647", 1), R"({"a":[]} error 18)");
  EXPECT_EQ(increment(R"({"a":[]})", "$.a.2000000000", 1), R"({"a":[]} error 18)");
  EXPECT_EQ(set(R"({"a":[[],[],[],[]]})", "$.a.*.300", 1), R"({"a":[[],[],[],[]]} error 18)");
}

TEST(Path, CopiesBeyondTheLimitAreTooLargeBeforeTheyAreMade) {
  const std::string document = R"({"a":[1,2,3,4,5]})";
  EXPECT_EQ(set(document, "$.a.*", std::string(1000, 'x')), document + " error 18");
  EXPECT_NE(set(document, "$.a.[0:4]", std::string(1000, 'x')), document + " error 18");
}

TEST(Path, AResultThatIsTooDeepIsRefused) {
  std::string key = "$";
  Value document = Object{};
  for (int i = 0; i < kDepthMax - 1; ++i) {
    document = Object{{"a", std::move(document)}};
    key += ".a";
  }
  const std::string text = to_json(document);
  ASSERT_EQ(depth_of(document), kDepthMax);
  EXPECT_EQ(set(text, key + ".b", Array{}), text + " error 22");
  EXPECT_EQ(append(text, key + ".b", 1), text + " error 22");
  EXPECT_NE(set(text, key + ".b", 1), text + " error 22");
  EXPECT_EQ(append(text, "$.a", 1), text + " error 22");
}

TEST(Path, DeleteTakesAPropertyOrAnElementOut) {
  EXPECT_EQ(del(R"({"a":{"b":1,"c":2}})", "$.a.b"), R"({"a":{"c":2}})");
  EXPECT_EQ(del(R"({"a":1})", "$.a"), "{}");
  EXPECT_EQ(del(R"({"a":[1,2,3]})", "$.a.1"), R"({"a":[1,3]})");
  EXPECT_EQ(del(R"({"a":[1,2,3]})", "$.a.[-2:]"), R"({"a":[1]})");
  EXPECT_EQ(del(R"({"a":[1,2,3],"b":{"c":1}})", "$.*.*"), R"({"a":[],"b":{}})");
  EXPECT_EQ(del(R"({"a":[{"x":1,"y":2},{"x":3}]})", "$.a.*.x"), R"({"a":[{"y":2},{}]})");
}

TEST(Path, DeleteOfAMissingLeafIsUnchanged) {
  EXPECT_EQ(del(R"({"a":{}})", "$.a.b"), R"({"a":{}} unchanged)");
  EXPECT_EQ(del(R"({"a":[1]})", "$.a.1"), R"({"a":[1]} unchanged)");
  EXPECT_EQ(del(R"({"a":[1]})", "$.a.2147483647"), R"({"a":[1]} unchanged)");
  EXPECT_EQ(del(R"({"a":{}})", "$.a.*"), R"({"a":{}} unchanged)");
  EXPECT_EQ(del(R"({"a":[1]})", "$.a.[5:]"), R"({"a":[1]} unchanged)");
}

TEST(Path, AppendPushesWrapsOrCreates) {
  EXPECT_EQ(append(R"({"a":{"l":[1]}})", "$.a.l", 2), R"({"a":{"l":[1,2]}})");
  EXPECT_EQ(append(R"({"a":{}})", "$.a.l", 2), R"({"a":{"l":[2]}})");
  EXPECT_EQ(append(R"({"a":{"l":null}})", "$.a.l", 2), R"({"a":{"l":[null,2]}})");
  EXPECT_EQ(append(R"({"a":{"l":false}})", "$.a.l", 2), R"({"a":{"l":[false,2]}})");
}

TEST(Path, RemoveDropsEqualItemsFromAnArray) {
  EXPECT_EQ(remove(R"({"a":{"l":[1,2,1]}})", "$.a.l", 1), R"({"a":{"l":[2]}})");
  EXPECT_EQ(remove(R"({"a":{"l":[1]}})", "$.a.l", 2), R"({"a":{"l":[1]}} unchanged)");
  EXPECT_EQ(remove(R"({"a":{"l":"x"}})", "$.a.l", 1), R"({"a":{"l":"x"}} unapplied: the value is not an array)");
  EXPECT_EQ(remove(R"({"a":{}})", "$.a.l", 1), R"({"a":{}} unapplied: no such key)");
  EXPECT_EQ(remove(R"({"a":[]})", "$.a.0", 1), R"({"a":[]} unapplied: no such key)");
}

TEST(Path, IncrementAddsOrStartsAtN) {
  EXPECT_EQ(increment(R"({"a":[1,2]})", "$.a.1", 5), R"({"a":[1,7]})");
  EXPECT_EQ(increment(R"({"a":{"n":null}})", "$.a.n", 5), R"({"a":{"n":5}})");
  EXPECT_EQ(increment(R"({"a":{"n":1.7e308}})", "$.a.n", 1.7e308),
            R"({"a":{"n":1.7e+308}} unapplied: the result would not be finite)");
}

TEST(Path, SeveralMatchesTakeTheResultOfTheFirst) {
  EXPECT_EQ(set(R"({"a":{"x":1,"y":2}})", "$.a.*", 0), R"({"a":{"x":0,"y":0}})");
  EXPECT_EQ(append(R"({"a":{"x":[[1],[2]],"y":0}})", "$.a.*", 3), R"({"a":{"x":[[1],[2],3],"y":[[1],[2],3]}})");
  EXPECT_EQ(increment(R"({"a":[{"n":5},{"n":70},{}]})", "$.a.*.n", 1), R"({"a":[{"n":6},{"n":6},{"n":6}]})");
  EXPECT_EQ(increment(R"({"a":[{},{"n":70}]})", "$.a.*.n", 1), R"({"a":[{"n":1},{"n":1}]})");
  EXPECT_EQ(remove(R"({"a":{"x":[1,2],"y":[1,3],"z":7}})", "$.a.*", 1), R"({"a":{"x":[2],"y":[2],"z":[2]}})");
  EXPECT_EQ(remove(R"({"a":{"x":[2],"y":[3]}})", "$.a.*", 1), R"({"a":{"x":[2],"y":[2]}})");
  EXPECT_EQ(remove(R"({"a":{"x":[2],"y":[2]}})", "$.a.*", 1), R"({"a":{"x":[2],"y":[2]}} unchanged)");
  EXPECT_EQ(remove(R"({"a":{"x":7,"y":[1]}})", "$.a.*", 1),
            R"({"a":{"x":7,"y":[1]}} unapplied: the value is not an array)");
}

TEST(Path, BranchesThatLeadNowhereArePassedOver) {
  EXPECT_EQ(set(R"({"a":[1,{"b":1},null,[]]})", "$.a.*.b", 2), R"({"a":[1,{"b":2},null,[]]})");
  EXPECT_EQ(set(R"({"a":[[],1]})", "$.a.*.b", 2), R"({"a":[[],1]} unapplied: not an index of an array)");
}

TEST(Path, SlicesAreJavaScripts) {
  const std::string document = R"({"a":[1,2,3]})";
  EXPECT_EQ(set(document, "$.a.[0:2]", 0), R"({"a":[0,0,3]})");
  EXPECT_EQ(set(document, "$.a.[1:]", 0), R"({"a":[1,0,0]})");
  EXPECT_EQ(set(document, "$.a.[:-1]", 0), R"({"a":[0,0,3]})");
  EXPECT_EQ(set(document, "$.a.[-1:]", 0), R"({"a":[1,2,0]})");
  EXPECT_EQ(set(document, "$.a.[-9:9]", 0), R"({"a":[0,0,0]})");
  EXPECT_EQ(set(document, "$.a.[:]", 0), R"({"a":[0,0,0]})");
  EXPECT_EQ(set(document, "$.a.[2:1]", 0), document + " unapplied: the path matches nothing");
  EXPECT_EQ(set(document, "$.a.[3:]", 0), document + " unapplied: the path matches nothing");
  EXPECT_EQ(set(document, "$.[0:1]", 0), document + " unapplied: the path matches nothing");
  EXPECT_EQ(set(R"({"a":[[1,2],[3,4]]})", "$.a.[0:1].[1:2]", 0), R"({"a":[[1,0],[3,4]]})");
}

TEST(Path, WildcardOnAnEmptyContainerMatchesNothing) {
  EXPECT_EQ(set(R"({"a":{}})", "$.a.*", 1), R"({"a":{}} unapplied: the path matches nothing)");
  EXPECT_EQ(increment(R"({"a":[]})", "$.a.*.n", 1), R"({"a":[]} unapplied: the path matches nothing)");
}

TEST(Path, TheEmptyPathIsUnapplied) { EXPECT_EQ(set("{}", "$..", 1), "{} unapplied: the path is empty"); }

TEST(Path, AnUpdateHasNoPathAndARootIsNotDeleted) {
  Value root = 1;
  EXPECT_EQ(apply_at(root, path("$.a"), 0, {OperationType::kReplace, "", Object{}}, kBytesMax).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(apply_at(root, path("$.a"), 1, {OperationType::kDelete, "$.a", {}}, kBytesMax).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(root, Value(1));
}

TEST(Path, TheLeafItselfMayBeTheRoot) {
  Value root = 1;
  EXPECT_TRUE(apply_at(root, path("$.a"), 1, {OperationType::kAppend, "$.a", 2}, kBytesMax).ok());
  EXPECT_EQ(to_json(root), "[1,2]");
}

TEST(Path, FindGivesTheFirstMatch) {
  const Value document = json(R"({"a":[{"n":null},{"m":1},{"m":2}],"b":7})");
  const auto found = [&](std::string_view key) {
    const Value* v = find_at(document, path(key), 0);
    return v == nullptr ? "nothing" : to_json(*v);
  };
  EXPECT_EQ(found("$.b"), "7");
  EXPECT_EQ(found("$.a.0.n"), "null");
  EXPECT_EQ(found("$.a.*.m"), "1");
  EXPECT_EQ(found("$.a.[-1:].m"), "2");
  EXPECT_EQ(found("$.a.3"), "nothing");
  EXPECT_EQ(found("$.a.99999999999"), "nothing");
  EXPECT_EQ(found("$.b.c"), "nothing");
  EXPECT_EQ(found("$."), "nothing");
}

TEST(Path, EveryOperationDoesWhatTheReferenceDoes) {
  check_property(1000, [] {
    Object document = *generate::any_tree();
    const Operation op = *generate::any_operation(generate::any_path(), false);
    Value root(document);
    const Value before = root;
    const Result<Outcome> outcome = apply_at(root, path(op.key), 0, op, 1u << 30);
    RC_ASSERT(outcome.ok());
    std::vector<Outcome> expected;
    RC_ASSERT(reference::apply_operations(document, {op}, expected).ok());
    RC_ASSERT(outcome->kind == expected[0].kind);
    RC_ASSERT(outcome->reason == expected[0].reason);
    RC_ASSERT(root == Value(document));
    if (outcome->kind != OutcomeKind::kApplied) {
      RC_ASSERT(root == before);
    }
  });
}

TEST(Path, FromATopLevelValueIsAsFromTheDocument) {
  check_property(1000, [] {
    const Value value = *generate::any_value();
    Operation op = *generate::any_operation(generate::any_path(), false);
    op.key = "$.top" + op.key.substr(1);
    Value inside = value;
    Value whole = Object{{"top", value}};
    const std::vector<Segment> segments = path(op.key);
    RC_PRE(segments.size() > 1 || op.type != OperationType::kDelete);
    const Result<Outcome> a = apply_at(inside, segments, 1, op, 1u << 30);
    const Result<Outcome> b = apply_at(whole, segments, 0, op, 1u << 30);
    RC_ASSERT(a.ok() && b.ok());
    RC_ASSERT(a->kind == b->kind && a->reason == b->reason);
    RC_ASSERT(whole.get<Object>()->front().value == inside);
  });
}

}  // namespace
}  // namespace cairn::engine
