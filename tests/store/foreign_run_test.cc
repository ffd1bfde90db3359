// Parents and roots: those of this store, and those that are owned elsewhere.
#include <string>
#include <vector>

#include "engine/diff/diff.h"
#include "tests/support/crashing_store.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

using engine::OperationType;
using engine::RunRef;
using engine::Value;

class ForeignRun : public CrashingStoreTest {
 protected:
  RunRef start_child(const std::string& id, const std::string& parent, const std::string& root = "") {
    engine::StartOptions o;
    o.id = id;
    o.parent = parent;
    o.root = root;
    auto run = store_->start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return *run;
  }
  RunRef parent_of(const RunRef& run) {
    auto found = store_->parent(*run);
    EXPECT_TRUE(found.ok()) << engine::error_detail().message;
    return *found;
  }
  RunRef root_of(const RunRef& run) {
    auto found = store_->root(*run);
    EXPECT_TRUE(found.ok()) << engine::error_detail().message;
    return *found;
  }
  /// What waits for the owner, as text: key, form, and for a set its value.
  std::string outbox(const std::string& id) {
    auto run = store_->find(id);
    return run.ok() ? text_of(store_->view(**run).record) : "no such run";
  }
  static std::string text_of(const engine::RunRecord& record) {
    const engine::Diff& d = record.outbox.diff;
    std::string text = std::to_string(d.base) + ".." + std::to_string(d.last) + (d.replace ? " replace" : "");
    for (const engine::DiffEntry& e : d.entries) {
      text += " " + e.key + ":" + std::to_string(static_cast<int>(e.form.kind));
      if (e.form.kind == engine::FormKind::kIncrement) {
        text += "+" + engine::to_json(e.form.delta);
      }
      if (e.value) {
        text += "=" + engine::to_json(*e.value);
      }
      if (e.form.kind == engine::FormKind::kOperations) {
        text += "(" + std::to_string(e.form.lists->operations.size()) + ")";
      }
    }
    return text;
  }
  void checkpoint() {
    ASSERT_TRUE(store_->barrier().ok());
    ASSERT_TRUE(store_->checkpoint().ok()) << engine::error_detail().message;
  }
  std::string outbox_in_a_reader(const std::string& id) {
    engine::StoreReader::Options o;
    o.directory = path();
    auto reader = engine::StoreReader::open(o);
    EXPECT_TRUE(reader.ok()) << engine::error_detail().message;
    auto view = (*reader)->read(id);
    EXPECT_TRUE(view.ok()) << engine::error_detail().message;
    return view.ok() && *view ? text_of((*view)->record) : "none";
  }
};

TEST_F(ForeignRun, WithoutAParentItIsTheRunItself) {
  open();
  auto run = start("r");
  EXPECT_EQ(parent_of(run), run);
  EXPECT_EQ(root_of(run), run);
}

TEST_F(ForeignRun, AParentOfThisStoreIsThatRunAndItsRootIsTheRoot) {
  open();
  auto top = start("top");
  auto middle = start_child("middle", "top");
  auto leaf = start_child("leaf", "middle");
  EXPECT_EQ(parent_of(leaf), middle);
  EXPECT_EQ(root_of(leaf), top);
  EXPECT_EQ(root_of(middle), top);
  EXPECT_EQ(set(parent_of(leaf), "a", "1"), Code::kOk);
  EXPECT_EQ(json("middle"), R"({"a":1})");
}

TEST_F(ForeignRun, TheRootIsTheOneGivenElseTheParent) {
  open();
  EXPECT_EQ(root_of(start_child("a", "far", "farther"))->id, "farther");
  EXPECT_EQ(root_of(start_child("b", "far"))->id, "far");
}

TEST_F(ForeignRun, UpdatesWaitInItsOutboxAndThereIsNothingToRead) {
  open();
  auto child = start_child("child", "far");
  auto far = parent_of(child);
  EXPECT_TRUE(far->record.foreign);
  EXPECT_EQ(parent_of(child), far);
  EXPECT_EQ(set(far, "phase", R"("one")"), Code::kAccepted);
  EXPECT_EQ(set(far, "phase", R"("two")"), Code::kAccepted);
  EXPECT_EQ(apply(far, R"({"type":"increment","key":"done","value":1})"), Code::kAccepted);
  EXPECT_EQ(apply(far, R"({"type":"increment","key":"done","value":2})"), Code::kAccepted);
  EXPECT_EQ(outbox("far"), R"(1..5 phase:0="two" done:2+3)");
  double d = 0;
  EXPECT_FALSE(store_->try_get_double(*far, "done", d));
  EXPECT_EQ(store_->get(*far, "done", [](const Value&) { FAIL(); }).code, Code::kNotFound);
  EXPECT_EQ(store_->current(*far, [](const engine::Document&, uint64_t) { FAIL(); }).code, Code::kNotFound);
  EXPECT_EQ(json("child"), "{}");
  // The hot calls too.
  EXPECT_EQ(set_double(*store_, *far, "x", 0.5).code, Code::kAccepted);
  EXPECT_EQ(increment(*store_, *far, "done", Value(int64_t{1})).code, Code::kAccepted);
  engine::CellPlace place;
  EXPECT_EQ(set_int(*store_, *far, "i", 7, &place).code, Code::kAccepted);
  EXPECT_EQ(outbox("far"), R"(1..8 phase:0="two" done:2+4 x:0=0.5 i:0=7)");
}

TEST_F(ForeignRun, ItsOutboxSurvivesTheProcessEvictionAndReopening) {
  open();
  auto far = parent_of(start_child("child", "far"));
  ASSERT_EQ(set(far, "a", "1"), Code::kAccepted);
  EXPECT_EQ(outbox_in_a_reader("far"), "1..2 a:0=1");
  leave_copy("killed");
  checkpoint();
  far.reset();
  checkpoint();  // lets go of runs that nobody holds
  ASSERT_EQ(store_->stats().runs_hot, 0U);
  EXPECT_EQ(outbox_in_a_reader("far"), "1..2 a:0=1");
  ASSERT_EQ(apply(find("far"), R"({"type":"increment","key":"n","value":1})"), Code::kAccepted);
  EXPECT_EQ(outbox_in_a_reader("far"), "1..3 a:0=1 n:2+1");
  leave_copy("killed_later");
  reopen();
  EXPECT_EQ(outbox("far"), "1..3 a:0=1 n:2+1");
  store_.reset();
  for (const auto& [copy, expected] :
       {std::pair("killed", "1..2 a:0=1"), std::pair("killed_later", "1..3 a:0=1 n:2+1")}) {
    name_ = copy;
    ASSERT_NO_FATAL_FAILURE(CrashingStoreTest::open());
    EXPECT_EQ(outbox("far"), expected) << copy;
    EXPECT_EQ(set(find("far"), "b", "2"), Code::kAccepted);
    checkpoint();
    EXPECT_EQ(outbox_in_a_reader("far"),
              std::string(expected).replace(3, 1, std::to_string(expected[3] - '0' + 1)) + " b:0=2");
    store_.reset();
  }
}

TEST_F(ForeignRun, ATransactionUpdatesItTogetherWithTheChild) {
  open();
  auto child = start_child("child", "far", "top");
  auto far = parent_of(child);
  auto top = root_of(child);
  ASSERT_TRUE(store_
                  ->transact({{child.get(), {OperationType::kSet, "step", 1}},
                              {far.get(), {OperationType::kIncrement, "done", 1}},
                              {far.get(), {OperationType::kAppend, "log", "x"}},
                              {top.get(), {OperationType::kIncrement, "done", 1}}})
                  .ok());
  EXPECT_EQ(json("child"), R"({"step":1})");
  EXPECT_EQ(outbox("far"), "1..3 done:2+1 log:3");
  EXPECT_EQ(outbox("top"), "1..2 done:2+1");
  // All or none.
  size_t failed = 0;
  EXPECT_EQ(
      store_
          ->transact({{child.get(), {OperationType::kSet, "step", 2}}, {far.get(), {OperationType::kSet, "$.*.x", 1}}},
                     engine::Durability::kDefault, &failed)
          .code,
      Code::kInvalidArgument);
  EXPECT_EQ(failed, 1U);
  EXPECT_EQ(json("child"), R"({"step":1})");
  EXPECT_EQ(outbox("far"), "1..3 done:2+1 log:3");
  EXPECT_EQ(store_->transact({{far.get(), {OperationType::kIncrement, "done", 1}}}, engine::Durability::kPower).code,
            Code::kOk);
  leave_copy("killed");
  store_.reset();
  name_ = "killed";
  ASSERT_NO_FATAL_FAILURE(CrashingStoreTest::open());
  EXPECT_EQ(json("child"), R"({"step":1})");
  EXPECT_EQ(outbox("far"), "1..4 done:2+2 log:3");
  EXPECT_EQ(outbox("top"), "1..2 done:2+1");
}

TEST_F(ForeignRun, WhatCannotBeFoldedIsBacklogAndChangesNothing) {
  open();
  auto far = parent_of(start_child("child", "far"));
  // Fractions do not add up exactly in another order, so they stay a list.
  for (size_t i = 0; i < engine::kOperationsMax; ++i) {
    ASSERT_EQ(apply(far, R"({"type":"increment","key":"$.a.)" + std::to_string(i) + R"(","value":0.1})"),
              Code::kAccepted);
  }
  const std::string full = outbox("far");
  EXPECT_EQ(apply(far, R"({"type":"increment","key":"$.a.more","value":0.1})"), Code::kBacklog);
  EXPECT_EQ(outbox("far"), full);
  // And in bytes.
  const std::string text(3000, 'x');
  int accepted = 0;
  while (accepted < 100 && set(far, "t" + std::to_string(accepted), "\"" + text + "\"") == Code::kAccepted) {
    ++accepted;
  }
  EXPECT_GT(accepted, 2);
  EXPECT_LT(accepted, 6);
  EXPECT_EQ(set(far, "one", "\"" + std::string(5000, 'x') + "\""), Code::kTooLarge);
  checkpoint();
  EXPECT_EQ(outbox_in_a_reader("far"), outbox("far"));
}

TEST_F(ForeignRun, ItsLifeIsItsOwners) {
  open();
  auto child = start_child("child", "far");
  auto far = parent_of(child);
  EXPECT_EQ(store_->finish(*far, engine::RunStatus::kCompleted).code, Code::kInvalidArgument);
  EXPECT_EQ(store_->set_tags(*far, {"t"}).code, Code::kInvalidArgument);
  EXPECT_EQ(store_->set_status(*far, engine::RunStatus::kWaiting).code, Code::kInvalidArgument);
  EXPECT_FALSE(store_->view(*far).orphaned);
  ASSERT_EQ(set(far, "a", "1"), Code::kAccepted);
  checkpoint();
  // Erasing gives up what waits.
  ASSERT_TRUE(store_->erase("far").ok());
  EXPECT_EQ(set(far, "a", "2"), Code::kErased);
  auto again = parent_of(child);
  EXPECT_NE(again, far);
  EXPECT_EQ(outbox("far"), "0..0");
  checkpoint();
  EXPECT_EQ(outbox_in_a_reader("far"), "0..0");
}

TEST_F(ForeignRun, AReopenedStoreLeavesItUnresumedAndUnmarked) {
  auto o = options();
  o.crash_grace_ms = 0;
  open(o);
  ASSERT_EQ(set(parent_of(start_child("child", "far")), "a", "1"), Code::kAccepted);
  close();
  open(o);
  EXPECT_EQ(store_->resume("far").code(), Code::kInvalidArgument);
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(store_->view(*find("child")).record.status, engine::RunStatus::kCrashed);
  EXPECT_EQ(store_->view(*find("far")).record.status, engine::RunStatus::kExecuting);
  EXPECT_EQ(outbox("far"), "1..2 a:0=1");
}

}  // namespace
}  // namespace cairn::tests
