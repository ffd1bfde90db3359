// The large texts of a run, and the notes: written with a change in one log record, and there after whatever happens.
#include <filesystem>
#include <functional>

#include "engine/maintenance/backup.h"
#include "engine/maintenance/repair.h"
#include "engine/records/log_record.h"
#include "tests/support/fake_clock.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using engine::Note;
using engine::NoteKind;
using engine::RunChangeRequest;
using engine::RunStatus;
using engine::RunTexts;
using engine::TypedText;

std::shared_ptr<const RunTexts> texts_of(const std::string& payload, const std::string& output = "") {
  RunTexts texts;
  if (!payload.empty()) {
    texts.payload = TypedText{"application/json", payload};
  }
  if (!output.empty()) {
    texts.output = TypedText{"text/plain", output};
  }
  return std::make_shared<const RunTexts>(std::move(texts));
}

Note note(NoteKind kind, const std::string& name, const std::string& value, int64_t until_us = INT64_MAX) {
  return {kind, name, until_us, value};
}

class Texts : public StoreTest {
 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  void open_at() {
    engine::StoreOptions o = options();
    o.segment_bytes = 4u << 20;
    testing::use_clock(o.hooks, *this);
    open(std::move(o));
  }
  engine::RunRef trigger(const std::string& id, std::shared_ptr<const RunTexts> texts, std::vector<Note> notes = {}) {
    engine::StartOptions o;
    o.id = id;
    o.status = RunStatus::kQueued;
    o.with.texts = std::move(texts);
    o.with.notes = std::move(notes);
    auto run = store_->start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return run.ok() ? *run : nullptr;
  }
  RunTexts texts(const std::string& id) {
    auto found = store_->texts(id);
    EXPECT_TRUE(found.ok()) << engine::error_detail().message;
    return found.ok() ? *found : RunTexts();
  }
  std::string value(NoteKind kind, const std::string& name) {
    auto found = store_->find_note(kind, name);
    EXPECT_TRUE(found.ok()) << engine::error_detail().message;
    return found.ok() && *found ? (*found)->value : "none";
  }
  void crash() {
    // The store of a process that was killed: its files as they are, at another place.
    std::filesystem::copy(path(), path() + ".killed", std::filesystem::copy_options::recursive);
    store_.reset();
    std::filesystem::remove_all(path());
    std::filesystem::rename(path() + ".killed", path());
  }
  testing::FakeClock clock_;
};

TEST_F(Texts, AreThereBeforeAndAfterACheckpointAndAnOpen) {
  open_at();
  trigger("a", texts_of(R"({"n":1})"));
  EXPECT_EQ(texts("a").payload->text, R"({"n":1})");
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(texts("a").payload->text, R"({"n":1})");
  RunChangeRequest end;
  end.to = RunStatus::kCompleted;
  end.with.texts = texts_of("", "done");
  ASSERT_TRUE(store_->change(*find("a"), end)->done);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(texts("a").payload->type, "application/json");
    EXPECT_EQ(texts("a").output->text, "done");
    close();
    open_at();
  }
  EXPECT_EQ(texts("none").kinds(), 0);
}

TEST_F(Texts, SurviveAKillWithTheirRun) {
  open_at();
  trigger("a", texts_of("payload"), {note(NoteKind::kRunKey, "key", "a")});
  ASSERT_TRUE(store_->barrier().ok());
  crash();
  open_at();
  EXPECT_EQ(texts("a").payload->text, "payload");
  EXPECT_EQ(value(NoteKind::kRunKey, "key"), "a");
}

TEST_F(Texts, GoWithTheirRun) {
  open_at();
  trigger("a", texts_of("first"));
  ASSERT_TRUE(store_->checkpoint().ok());
  ASSERT_TRUE(store_->erase("a").ok());
  trigger("a", texts_of("", "second"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(texts("a").payload) << "of the earlier life";
    EXPECT_EQ(texts("a").output->text, "second");
    ASSERT_TRUE(store_->checkpoint().ok());
  }
  ASSERT_TRUE(store_->erase("a").ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(texts("a").kinds(), 0);
  close();
  open_at();
  EXPECT_EQ(texts("a").kinds(), 0);
}

TEST_F(Texts, OfARunThatIsReplacedByAnImportGo) {
  open_at();
  trigger("a", texts_of("first"));
  close();
  open_at();
  ASSERT_EQ(texts("a").payload->text, "first");
  engine::RunRecord again;
  again.id = "a";
  again.sequence = 1;
  ASSERT_TRUE(store_->import_run(again, true).ok()) << engine::error_detail().message;
  ASSERT_TRUE(store_->checkpoint().ok());
  close();
  open_at();
  EXPECT_EQ(texts("a").kinds(), 0);
}

TEST_F(Texts, OverALimitAreRefusedAndNothingHappens) {
  open_at();
  engine::StartOptions o;
  o.id = "a";
  o.with.texts = texts_of(std::string((256u << 10) + 1, 'x'));
  EXPECT_EQ(store_->start(o).code(), Code::kTooLarge);
  o.with.texts = texts_of("\xff");
  EXPECT_EQ(store_->start(o).code(), Code::kInvalidUtf8);
  EXPECT_EQ(store_->find("a").code(), Code::kNoSuchRun);
  o.with.texts = texts_of(std::string(256u << 10, 'x'));
  ASSERT_TRUE(store_->start(o).ok());
  RunChangeRequest end;
  end.to = RunStatus::kCompleted;
  end.with.texts = texts_of("", std::string((256u << 10) + 1, 'x'));
  EXPECT_EQ(store_->change(*find("a"), end).code(), Code::kTooLarge);
  EXPECT_EQ(store_->peek("a", false)->value().record.status, RunStatus::kExecuting);
}

TEST_F(Texts, ThatDoNotFitARecordOfTheLogAreRefused) {
  open();  // segments of 256 KiB
  engine::StartOptions o;
  o.id = "a";
  o.with.texts = texts_of(std::string(200u << 10, 'x'));
  EXPECT_EQ(store_->start(o).code(), Code::kTooLarge);
  EXPECT_EQ(store_->find("a").code(), Code::kNoSuchRun);
}

TEST_F(Texts, AreReadByAnotherProcess) {
  open_at();
  trigger("stored", texts_of("in the tables"));
  ASSERT_TRUE(store_->checkpoint().ok());
  trigger("logged", texts_of("in the log"));
  engine::StoreReader::Options o;
  o.directory = path();
  auto reader = engine::StoreReader::open(o);
  ASSERT_TRUE(reader.ok());
  for (const auto& [id, text] : {std::pair("stored", "in the tables"), std::pair("logged", "in the log")}) {
    auto view = (*reader)->read(id, true);
    ASSERT_TRUE(view.ok() && *view) << engine::error_detail().message;
    ASSERT_NE((*view)->record.texts, nullptr) << id;
    EXPECT_EQ((*view)->record.texts->payload->text, text);
  }
}

TEST_F(Texts, AndNotesAreInABackup) {
  open_at();
  trigger("stored", texts_of("in the tables"), {note(NoteKind::kRunKey, "one", "stored")});
  ASSERT_TRUE(store_->checkpoint().ok());
  trigger("logged", texts_of("in the log"), {note(NoteKind::kBatch, "two", "x"), note(NoteKind::kRequest, "r", "x")});
  engine::BackupOptions backup;
  backup.directory = path();
  backup.target = directory_.path() + "/copy";
  ASSERT_TRUE(engine::back_up(backup).ok()) << engine::error_detail().message;
  close();
  name_ = "copy";
  open_at();
  EXPECT_EQ(texts("stored").payload->text, "in the tables");
  EXPECT_EQ(texts("logged").payload->text, "in the log");
  EXPECT_EQ(value(NoteKind::kRunKey, "one"), "stored");
  EXPECT_EQ(value(NoteKind::kBatch, "two"), "x");
  EXPECT_EQ(value(NoteKind::kRequest, "r"), "none") << "a copy has answered no request";
}

TEST_F(Texts, AndNotesOutliveARepair) {
  open_at();
  trigger("stored", texts_of("in the tables"), {note(NoteKind::kRunKey, "one", "stored")});
  ASSERT_TRUE(store_->checkpoint().ok());
  trigger("logged", texts_of("in the log"), {note(NoteKind::kBatch, "two", "x")});
  ASSERT_TRUE(store_->barrier().ok());
  crash();
  std::filesystem::resize_file(path() + "/STORE", 0);
  engine::RepairOptions repair;
  repair.directory = path();
  repair.commit = true;
  auto report = engine::repair(repair);
  ASSERT_TRUE(report.ok()) << engine::error_detail().message;
  open_at();
  EXPECT_EQ(texts("stored").payload->text, "in the tables");
  EXPECT_EQ(texts("logged").payload->text, "in the log");
  EXPECT_EQ(value(NoteKind::kRunKey, "one"), "stored");
  EXPECT_EQ(value(NoteKind::kBatch, "two"), "x");
}

TEST_F(Texts, ChangesOnAConditionHappenWholeOrNotAtAll) {
  open_at();
  auto run = trigger("a", nullptr);
  RunChangeRequest take;
  take.from = RunStatus::kQueued;
  take.to = RunStatus::kExecuting;
  take.with.notes = {note(NoteKind::kRequest, "first", "x")};
  auto taken = store_->change(*run, take);
  ASSERT_TRUE(taken.ok());
  EXPECT_TRUE(taken->done);
  take.with.notes = {note(NoteKind::kRequest, "second", "x")};
  taken = store_->change(*run, take);
  ASSERT_TRUE(taken.ok());
  EXPECT_FALSE(taken->done);
  EXPECT_EQ(taken->status, RunStatus::kExecuting);
  EXPECT_EQ(value(NoteKind::kRequest, "first"), "x");
  EXPECT_EQ(value(NoteKind::kRequest, "second"), "none");
  RunChangeRequest tags;
  tags.add_tags = {"a", "b", "a"};
  tags.tags_max = 2;
  auto tagged = store_->change(*run, tags);
  ASSERT_TRUE(tagged.ok());
  EXPECT_EQ(tagged->tags_added, 2U);
  tags.add_tags = {"b", "c"};
  tagged = store_->change(*run, tags);
  ASSERT_TRUE(tagged.ok());
  EXPECT_TRUE(tagged->too_many_tags && !tagged->done);
  EXPECT_EQ(store_->peek("a", false)->value().record.tags, (std::vector<std::string>{"a", "b"}));
}

TEST_F(Texts, ATransactionWritesItsNotesAlsoIfNothingChanges) {
  open_at();
  auto a = trigger("a", nullptr);
  auto b = trigger("b", nullptr);
  const auto op = [](const std::string& json) { return engine::parse_operations("[" + json + "]")->front(); };
  engine::TransactOptions how;
  how.skip_unapplied = true;
  how.notes = {note(NoteKind::kRequest, "one", "1")};
  ASSERT_TRUE(store_
                  ->transact({{&*a, op(R"({"type":"set","key":"n","value":1})")},
                              {&*a, op(R"({"type":"remove","key":"none","value":1})")},
                              {&*b, op(R"({"type":"increment","key":"n","value":2})")}},
                             engine::Durability::kDefault, nullptr, how)
                  .ok());
  EXPECT_EQ(json("a"), R"({"n":1})");
  EXPECT_EQ(json("b"), R"({"n":2})");
  how.notes = {note(NoteKind::kRequest, "two", "2")};
  ASSERT_TRUE(store_
                  ->transact({{&*a, op(R"({"type":"remove","key":"none","value":1})")}}, engine::Durability::kDefault,
                             nullptr, how)
                  .ok());
  how.notes = {note(NoteKind::kRequest, "three", "3")};
  ASSERT_TRUE(
      store_
          ->transact({{&*a, op(R"({"type":"delete","key":"none"})")}, {&*b, op(R"({"type":"delete","key":"none"})")}},
                     engine::Durability::kDefault, nullptr, how)
          .ok());
  a.reset();
  b.reset();
  crash();
  open_at();
  EXPECT_EQ(json("a"), R"({"n":1})");
  EXPECT_EQ(value(NoteKind::kRequest, "one"), "1");
  EXPECT_EQ(value(NoteKind::kRequest, "two"), "2");
  EXPECT_EQ(value(NoteKind::kRequest, "three"), "3");
}

TEST_F(Texts, AFinishedRunTakesLateUpdatesForSoLong) {
  open_at();
  auto run = trigger("a", nullptr);
  ASSERT_TRUE(store_->finish(*run, RunStatus::kCompleted).ok());
  const auto set = [&](int64_t late_us) {
    engine::TransactOptions how;
    how.late_us = late_us;
    return store_
        ->transact({{&*run, engine::parse_operations(R"([{"type":"increment","key":"n","value":1}])")->front()}},
                   engine::Durability::kDefault, nullptr, how)
        .code;
  };
  EXPECT_EQ(set(-1), Code::kFinished);
  EXPECT_EQ(set(3'600'000'000), Code::kOk);
  clock_.advance_ms(3'599'000);
  EXPECT_EQ(set(3'600'000'000), Code::kOk);
  clock_.advance_ms(2'000);
  EXPECT_EQ(set(3'600'000'000), Code::kFinished);
  run.reset();
  close();
  open_at();
  EXPECT_EQ(json("a"), R"({"n":2})");
  EXPECT_EQ(store_->peek("a", false)->value().record.status, RunStatus::kCompleted);
}

TEST_F(Texts, NotesEndAndTheOldestRequestsGoFirst) {
  open_at();
  const int64_t now = clock_.wall_us.load();
  ASSERT_TRUE(store_
                  ->write_notes({note(NoteKind::kUsedToken, "soon", "x", now + 1000),
                                 note(NoteKind::kRunKey, "late", "y"), note(NoteKind::kRunKey, "gone", "z")})
                  .ok());
  ASSERT_TRUE(store_->write_notes({note(NoteKind::kRunKey, "gone", "", engine::kNoteErased)}).ok());
  EXPECT_EQ(value(NoteKind::kRunKey, "gone"), "none");
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(value(NoteKind::kUsedToken, "soon"), "x");
  EXPECT_EQ(value(NoteKind::kRunKey, "gone"), "none");
  clock_.advance_ms(10);
  ASSERT_TRUE(store_->write_notes({note(NoteKind::kRunKey, "late", "again")}).ok());
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(value(NoteKind::kUsedToken, "soon"), "none");
  EXPECT_EQ(value(NoteKind::kRunKey, "late"), "again");
}

TEST_F(Texts, ABatchIsKeptWhileItHasRunsAndAKeyGoesWithItsRun) {
  open_at();
  const int64_t ends = clock_.wall_us.load() + engine::kBatchKeptUs;
  ASSERT_TRUE(
      store_->write_notes({note(NoteKind::kBatch, "batch_1", "x", ends), note(NoteKind::kBatch, "batch_2", "y", ends)})
          .ok());
  engine::StartOptions o;
  o.id = "a";
  o.task = "t";
  o.details.batch = "batch_1";
  o.details.idempotency_key = "k";
  o.with.notes = {note(NoteKind::kRunKey, engine::run_key_name("t", "k"), "a")};
  ASSERT_TRUE(store_->start(o).ok());
  const auto later = [&] {
    clock_.advance_ms(engine::kBatchKeptUs / 1000 + 1);
    ASSERT_TRUE(store_->write_notes({note(NoteKind::kUsedToken, "t", "", 0)}).ok());
    ASSERT_TRUE(store_->barrier().ok());
    ASSERT_TRUE(store_->checkpoint().ok());
  };
  later();
  EXPECT_EQ(value(NoteKind::kBatch, "batch_1"), "x");
  EXPECT_EQ(value(NoteKind::kBatch, "batch_2"), "none");
  ASSERT_TRUE(store_->erase("a").ok());
  EXPECT_EQ(value(NoteKind::kRunKey, engine::run_key_name("t", "k")), "none");
  later();
  EXPECT_EQ(value(NoteKind::kBatch, "batch_1"), "none");
  close();
  open_at();
  EXPECT_EQ(value(NoteKind::kRunKey, engine::run_key_name("t", "k")), "none");
}

TEST_F(Texts, TheRunsOfABatchAreFoundByTheirIndex) {
  open_at();
  for (const int i : {300, 2, 1}) {
    engine::StartOptions o;
    o.id = "run" + std::to_string(i);
    o.details.batch = "batch_1";
    o.details.batch_index = static_cast<uint32_t>(i);
    ASSERT_TRUE(store_->start(o).ok());
    if (i == 2) {
      ASSERT_TRUE(store_->checkpoint().ok());
    }
  }
  engine::StartOptions other;
  other.details.batch = "batch_10";
  ASSERT_TRUE(store_->start(other).ok());
  const std::vector<std::pair<uint32_t, std::string>> expected = {{1, "run1"}, {2, "run2"}, {300, "run300"}};
  EXPECT_EQ(*store_->runs_of_batch("batch_1"), expected);
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(*store_->runs_of_batch("batch_1"), expected);
  ASSERT_TRUE(store_->erase("run2").ok());
  EXPECT_EQ(store_->runs_of_batch("batch_1")->size(), 2U);
}

// Pages by creation neither skip nor repeat while runs change.
TEST_F(Texts, RunsAreListedInTheOrderOfTheirCreation) {
  open_at();
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i) {
    clock_.advance_ms(i % 3 == 0 ? 0 : 1);
    ids.push_back("r" + std::to_string(100 + i));
    trigger(ids.back(), nullptr);
    if (i == 20) {
      ASSERT_TRUE(store_->checkpoint().ok());
    }
  }
  const auto listed = [this](engine::RunOrder order, const std::function<void()>& between) {
    std::vector<std::string> seen;
    engine::RunQuery query;
    query.order = order;
    query.limit = 7;
    do {
      auto next = store_->list(query, [&](const engine::RunView& view) {
        seen.push_back(view.record.id);
        return true;
      });
      EXPECT_TRUE(next.ok()) << engine::error_detail().message;
      query.cursor = next.ok() ? *next : "";
      between();
    } while (!query.cursor.empty());
    return seen;
  };
  const auto change_some = [&] {
    clock_.advance_ms(1);
    for (size_t i = 0; i < ids.size(); i += 3) {
      set(find(ids[i]), "n", "1");
    }
    EXPECT_TRUE(store_->checkpoint().ok());
  };
  EXPECT_EQ(listed(engine::RunOrder::kCreatedLast, change_some), std::vector<std::string>(ids.rbegin(), ids.rend()));
  EXPECT_EQ(listed(engine::RunOrder::kCreatedFirst, change_some), ids);
  close();
  open_at();  // no run is in memory: the index alone says
  EXPECT_EQ(listed(engine::RunOrder::kCreatedFirst, [] {}), ids);
  engine::RunQuery query;
  query.order = engine::RunOrder::kCreatedFirst;
  query.created_from_us = store_->peek("r110", false)->value().record.created_us;
  query.created_to_us = store_->peek("r112", false)->value().record.created_us;
  size_t inside = 0;
  ASSERT_TRUE(store_->list(query, [&](const engine::RunView&) { return ++inside != 0; }).ok());
  EXPECT_GE(inside, 1U);
  EXPECT_LE(inside, 3U);
}

TEST_F(Texts, ATableOfAnotherFormatIsAnotherVersion) {
  open_at();
  trigger("a", nullptr);
  engine::Tables::Options o;
  o.directory = path();
  o.store_id.assign(reinterpret_cast<const char*>(store_->store_id().data()), store_->store_id().size());
  close();
  {
    auto tables = engine::Tables::open(o);
    ASSERT_TRUE(tables.ok());
    ASSERT_TRUE((*tables)
                    ->transact(4096,
                               [](engine::TablesTxn& txn) {
                                 return txn.put(static_cast<engine::Table>(6), "format", std::string("\x01\0\0\0", 4));
                               })
                    .ok());
    ASSERT_TRUE((*tables)->sync().ok());
  }
  auto opened = engine::Store::open(options());
  EXPECT_EQ(opened.code(), Code::kVersion);
  EXPECT_NE(engine::error_detail().message.find("older version"), std::string::npos) << engine::error_detail().message;
}

}  // namespace
}  // namespace cairn::tests
