// Changes of another store that are nested too deep: refused one by one, before anything of them is logged.
#include "engine/diff/compose.h"
#include "tests/support/deep_value.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using engine::DiffEntry;
using engine::Form;
using engine::FormKind;

DiffEntry set_to(const std::string& key, Value value) { return {key, Form(FormKind::kSet), std::move(value)}; }
DiffEntry operation(OperationType type, const std::string& key, Value value) {
  auto entry = engine::entry_of({type, key, std::move(value)});
  EXPECT_TRUE(entry.ok());
  return std::move(*entry);
}

class TooDeep : public SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    child.open();
    child.attach();
    child.start("c", "{}", "p");
  }
  sync::Entry whole(const std::string& id, std::vector<DiffEntry> changes,
                    sync::EntryKind kind = sync::EntryKind::kValues) {
    sync::Entry e;
    e.kind = kind;
    e.id = id;
    e.life = 1;
    e.sequence = ++sequence_;
    e.head.emplace();
    e.replace = true;
    e.changes = std::move(changes);
    return e;
  }
  sync::Entry part(const std::string& id, std::vector<DiffEntry> changes, sync::EntryKind kind) {
    sync::Entry e = whole(id, std::move(changes), kind);
    e.head.reset();
    e.replace = false;
    return e;
  }
  static sync::Entry delta(const std::string& id, std::vector<DiffEntry> changes) {
    sync::Entry e;
    e.kind = sync::EntryKind::kDelta;
    e.id = id;
    e.changes = std::move(changes);
    return e;
  }
  /// Sends them to `up` as one batch of a store that checks nothing. The verdicts, as "index code".
  std::string send(const std::vector<sync::Entry>& entries) {
    sync::BatchHeader header;
    header.owner.fill(0xa0);
    header.stream.fill(0xb0);
    header.seq = ++seq_;
    header.generation = 1;
    header.prev = prev_;
    std::string body;
    for (const sync::Entry& e : entries) {
      sync::append_entry(body, e, 0);
    }
    const std::string batch = sync::seal_batch(header, static_cast<uint32_t>(entries.size()), body);
    prev_ = sync::decode_batch_header(batch)->digest;
    const auto reply = sync::decode_reply(up.receiver().handle(batch));
    EXPECT_TRUE(reply.ok());
    std::string text =
        reply->answer() == sync::Answer::kOk ? "" : "answer " + std::to_string(static_cast<int>(reply->answer()));
    for (const sync::Verdict& v : reply->verdicts) {
      text += std::to_string(v.entry) + " " + std::to_string(static_cast<int>(v.code)) + "; ";
      EXPECT_NE(v.text, "");
    }
    return text;
  }
  engine::RunRef parent() {
    auto found = child.store().parent(*child.run("c"));
    EXPECT_TRUE(found.ok()) << said(found.status());
    return *found;
  }
  void expect_opens_as_it_is() {
    const auto before = up.all();
    ASSERT_TRUE(up.store().barrier().ok());
    ASSERT_TRUE(up.store().checkpoint().ok()) << engine::error_detail().message;
    up.reopen();
    EXPECT_EQ(up.all(), before);
  }

  Site& child = site("child");
  uint64_t seq_ = 0;
  uint64_t sequence_ = 0;
  sync::Digest prev_{};
};

TEST_F(TooDeep, AnEntryIsRefusedAlone) {
  for (const int more : {1, 2, 8, 9, 10, 200}) {
    SCOPED_TRACE(more);
    const std::string n = std::to_string(more);
    EXPECT_EQ(send({whole("good" + n, {set_to("a", deep_value(127))}),
                    whole("values" + n, {set_to("b", 1), set_to("a", deep_value(127 + more))}),
                    whole("forms" + n, {set_to("a", deep_value(127 + more))}, sync::EntryKind::kForms),
                    delta("nobody" + n, {operation(OperationType::kAppend, "l", deep_value(126 + more))}),
                    delta("waits" + n, {operation(OperationType::kAppend, "l", deep_value(126)),
                                        operation(OperationType::kSet, "$.o.a", deep_value(126))}),
                    whole("late" + n, {set_to("n", 1)})}),
              "1 5; 2 5; 3 5; ");
    EXPECT_EQ(send({delta("good" + n, {operation(OperationType::kSet, "$.a.b", deep_value(126 + more))}),
                    part("late" + n, {set_to("a", deep_value(127 + more))}, sync::EntryKind::kValues),
                    delta("waits" + n, {operation(OperationType::kRemove, "l", deep_value(126 + more))})}),
              "0 5; 1 5; 2 5; ");
    EXPECT_EQ(up.state("good" + n), R"({"a":)" + deep_json(127) + "}");
    EXPECT_EQ(up.state("values" + n), "none");
    EXPECT_EQ(up.state("late" + n), R"({"n":1})");
  }
  expect_opens_as_it_is();
  // And what waited at the bound is in the run when its owner comes.
  EXPECT_EQ(send({whole("waits1", {set_to("o", engine::Object{})})}), "");
  EXPECT_EQ(up.state("waits1"), R"({"o":{"a":)" + deep_json(126) + R"(},"l":[)" + deep_json(126) + "]}");
  expect_opens_as_it_is();
}

TEST_F(TooDeep, WhatWaitsInAParentsOutboxArrivesAtTheBound) {
  const engine::RunRef far = parent();
  ASSERT_EQ(update(child.store(), *far, OperationType::kAppend, "l", deep_value(127)).code, Code::kTooDeep);
  child.apply(far, OperationType::kAppend, "l", deep_json(126));
  child.sync_with(up);
  expect_opens_as_it_is();
  worker.start("p", "{}");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"l":[)" + deep_json(126) + "]}");
  EXPECT_TRUE(worker.dead().empty() && child.dead().empty());
  expect_opens_as_it_is();
}

// The list that an append makes of a value is one level more than either store could see.
TEST_F(TooDeep, AListAroundTheReceiversValueIsRefusedAndHoldsUpNobodyElse) {
  worker.start("p", R"({"l":)" + engine::to_json(Value(deep_object(127))) + "}");
  worker.sync_with(up);
  child.apply(parent(), OperationType::kAppend, "l", "1");
  child.set("c", "x", "1");
  child.sync_with(up);
  EXPECT_EQ(child.dead(), std::vector<std::string>{"p: refused"});
  worker.set("p", "n", "1");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), worker.state("p"));
  EXPECT_EQ(up.state("c"), R"({"x":1})");
  expect_opens_as_it_is();
}

// Then the change that waited is left out: it is no fault of the owner's.
TEST_F(TooDeep, AListAroundTheValueOfALateOwnerIsLeftOut) {
  child.apply(parent(), OperationType::kAppend, "l", "1");
  child.apply(parent(), OperationType::kIncrement, "n", "2");
  child.sync_with(up);
  const std::string deep = engine::to_json(Value(deep_object(127)));
  worker.start("p", R"({"l":)" + deep + R"(,"n":1})");
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(up.state("p"), R"({"l":)" + deep + R"(,"n":3})");
  expect_opens_as_it_is();
}

// Nor is what others set before the owner came, where its document would be longer than it may be.
TEST_F(TooDeep, WhatWouldMakeALateOwnersDocumentTooLargeIsLeftOut) {
  const std::string large(2500, 'x');
  EXPECT_EQ(send({delta("p", {set_to("a", large), set_to("b", large), set_to("n", 1)}), whole("q", {})}), "");
  worker.start("p", R"({"own":1})");
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(up.state("p"), R"({"own":1,"a":")" + large + R"(","n":1})");
  expect_opens_as_it_is();
}

TEST_F(TooDeep, WhatWouldMakeTheDocumentOfALateStartTooLargeIsLeftOut) {
  const std::string large = '"' + std::string(2500, 'x') + '"';
  child.apply(parent(), OperationType::kSet, "a", large);
  child.apply(parent(), OperationType::kSet, "b", large);
  child.apply(parent(), OperationType::kIncrement, "n", "2");
  child.start("p", R"({"n":1})");
  EXPECT_EQ(child.state("p"), R"({"n":3,"a":)" + large + "}");
  child.sync_with(up);
  EXPECT_TRUE(child.dead().empty());
  EXPECT_EQ(up.state("p"), child.state("p"));
}

TEST_F(TooDeep, AKeyThatNoDocumentHasDoesNotWaitForTheOwner) {
  EXPECT_EQ(send({delta("p", {set_to("__proto__", 1)}), whole("q", {})}), "0 5; ");
  worker.start("p", "{}");
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(up.state("p"), "{}");
}

}  // namespace
}  // namespace cairn::tests
