// The bound of nesting: what is taken is read back from the log, from staging and from the tables.
#include <string>
#include <vector>

#include "engine/records/log_record.h"
#include "tests/support/crashing_store.h"
#include "tests/support/deep_value.h"
#include "tests/support/forged_record.h"
#include "wal/reader.h"

namespace cairn::tests {
namespace {

using engine::OperationType;
using engine::RunRef;
using engine::Value;

struct AtTheBound {
  OperationType type;
  std::string key;
  int levels;  // of the deepest value that is taken there
};
// The value and where it lands: the document, the containers on the path, the list.
const std::vector<AtTheBound> kBounds = {{OperationType::kSet, "k", 127},        {OperationType::kAppend, "l", 126},
                                         {OperationType::kRemove, "r", 126},     {OperationType::kSet, "$.o.a", 126},
                                         {OperationType::kAppend, "$.o.l", 125}, {OperationType::kRemove, "$.o.r", 125},
                                         {OperationType::kSet, "$.o.a.b.c", 124}};

class Nesting : public CrashingStoreTest {
 protected:
  RunRef parent() {
    engine::StartOptions o;
    o.id = "child";
    o.parent = "far";
    auto run = store_->start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    child_ = *run;
    auto far = store_->parent(*child_);
    EXPECT_TRUE(far.ok()) << engine::error_detail().message;
    return *far;
  }
  Code apply(const RunRef& run, OperationType type, const std::string& key, Value value) {
    engine::Outcome outcome;
    return store_->apply(*run, {type, key, std::move(value)}, outcome).code;
  }
  Code transact(std::vector<engine::Store::RunOperation> operations) { return store_->transact(operations).code; }
  /// What was taken is read back: by another process, after a kill, after a checkpoint, after a clean close.
  void expect_readable() {
    EXPECT_EQ(read("child").substr(0, 1), "{");
    kill();
    EXPECT_EQ(read("child").substr(0, 1), "{");
    ASSERT_TRUE(store_->barrier().ok());
    ASSERT_TRUE(store_->checkpoint().ok()) << engine::error_detail().message;
    EXPECT_EQ(read("child").substr(0, 1), "{");
    close();
    open();
    EXPECT_EQ(json("child").substr(0, 1), "{");
  }
  RunRef child_;
};

/// In the store's log a text of that length becomes an array of arrays, of as many bytes.
void deepen(const std::string& directory, const wal::StoreId& store, const std::string& text) {
  auto files = wal::open_posix_files(directory);
  ASSERT_TRUE(files.ok());
  std::vector<std::pair<std::string, uint64_t>> places;
  wal::ScanReport report;
  const Status scanned = wal::scan(
      **files, store, 0, 0,
      [&](const wal::RecordView& record) {
        if (record.payload.find(text) != std::string_view::npos) {
          places.emplace_back(std::string(record.segment), record.offset);
        }
        return Status();
      },
      report);
  ASSERT_TRUE(scanned.ok());
  ASSERT_FALSE(places.empty());
  for (const auto& [segment, offset] : places) {
    forge_record(directory + "/wal/" + segment, offset, [&text](std::string& payload) {
      const size_t at = payload.find(text) - 2;  // the head of a text of 32 to 255 bytes
      payload.replace(at, 2 + text.size(), std::string(1 + text.size(), '\x91') + '\x90');
    });
  }
}

// Earlier versions took more for runs owned elsewhere.
TEST_F(Nesting, AStoreThatTookMoreIsOpenedAsItIs) {
  open();
  const RunRef far = parent();
  const std::string text(130, 'x');  // 132 levels
  ASSERT_EQ(apply(far, OperationType::kAppend, "l", Value(text)), Code::kAccepted);
  ASSERT_EQ(apply(child_, OperationType::kSet, "own", Value(text)), Code::kOk);
  ASSERT_EQ(store_
                ->transact({{far.get(), {OperationType::kSet, "k", Value(text)}},
                            {child_.get(), {OperationType::kSet, "too", Value(text)}}})
                .code,
            Code::kOk);
  ASSERT_TRUE(store_->barrier().ok());
  const wal::StoreId id = store_->store_id();
  leave_copy("earlier");
  store_.reset();
  name_ = "earlier";
  ASSERT_NO_FATAL_FAILURE(deepen(path(), id, text));
  open();
  const std::string deep = R"({"own":)" + deep_json(132) + R"(,"too":)" + deep_json(132) + "}";
  EXPECT_EQ(json("child"), deep);
  expect_readable();
  EXPECT_EQ(json("child"), deep);
  EXPECT_EQ(set(find("child"), "own", "1"), Code::kOk);
  EXPECT_EQ(set(find("far"), "k", "1"), Code::kAccepted);
  expect_readable();
}

TEST_F(Nesting, AParentIsBoundAsARunOfThisStore) {
  open();
  const RunRef far = parent();
  for (const auto& [type, key, levels] : kBounds) {
    SCOPED_TRACE(key + " " + std::to_string(static_cast<int>(type)));
    EXPECT_EQ(apply(far, type, key, deep_value(levels + 1)), Code::kTooDeep);
    EXPECT_EQ(apply(far, type, key, deep_value(128)), Code::kTooDeep);
    EXPECT_EQ(apply(far, type, key, deep_value(levels)), Code::kAccepted);
  }
  expect_readable();
}

TEST_F(Nesting, AlsoInTransactions) {
  open();
  const RunRef far = parent();
  for (const auto& [type, key, levels] : kBounds) {
    SCOPED_TRACE(key + " " + std::to_string(static_cast<int>(type)));
    const engine::Store::RunOperation good{far.get(), {type, key, deep_value(levels)}};
    const engine::Store::RunOperation bad{far.get(), {type, key, deep_value(levels + 1)}};
    const engine::Store::RunOperation own{child_.get(), {OperationType::kSet, "n", 1}};
    EXPECT_EQ(transact({bad}), Code::kTooDeep);
    EXPECT_EQ(transact({own, bad}), Code::kTooDeep);
    EXPECT_EQ(transact({own, good, bad}), Code::kTooDeep);
    EXPECT_EQ(transact({good}), Code::kOk);
    EXPECT_EQ(transact({own, good}), Code::kOk);
  }
  expect_readable();
}

TEST_F(Nesting, AReplacedDocumentOfAParentHasTheBoundOfADocument) {
  open();
  const RunRef far = parent();
  EXPECT_EQ(apply(far, OperationType::kAppend, "$.b.c", 1), Code::kAccepted);
  EXPECT_EQ(apply(far, OperationType::kSet, "$.b.c", deep_object(126)), Code::kAccepted);
  EXPECT_EQ(apply(far, OperationType::kAppend, "$.b.c", 1), Code::kTooDeep);
  EXPECT_EQ(apply(far, OperationType::kReplace, "", deep_object(129)), Code::kTooDeep);
  EXPECT_EQ(apply(far, OperationType::kReplace, "", deep_object(128)), Code::kAccepted);
  // An append makes a list of what is no list.
  EXPECT_EQ(apply(far, OperationType::kReplace, "", engine::Object{{"a", deep_object(127)}}), Code::kAccepted);
  EXPECT_EQ(apply(far, OperationType::kAppend, "a", 1), Code::kTooDeep);
  EXPECT_EQ(apply(far, OperationType::kSet, "a", deep_object(127)), Code::kAccepted);
  EXPECT_EQ(apply(far, OperationType::kAppend, "a", 1), Code::kTooDeep);
  expect_readable();
}

TEST_F(Nesting, ARunStartsAndIsImportedWithinTheBound) {
  open();
  engine::StartOptions o;
  o.id = "deep";
  o.metadata = deep_object(129);
  EXPECT_EQ(store_->start(o).code(), Code::kTooDeep);
  o.metadata = deep_object(128);
  EXPECT_TRUE(store_->start(o).ok());
  engine::RunRecord record;
  record.id = "imported";
  record.sequence = 1;
  record.document = engine::Document::from_object(deep_object(129));
  EXPECT_EQ(store_->import_run(record, false).code, Code::kTooDeep);
  record.document = engine::Document::from_object(deep_object(128));
  EXPECT_TRUE(store_->import_run(record, false).ok()) << engine::error_detail().message;
  parent();
  expect_readable();
  EXPECT_EQ(json("deep"), json("imported"));
}

}  // namespace
}  // namespace cairn::tests
