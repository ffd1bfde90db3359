// Whatever is appended to the log its own reader takes: changes of every kind, of any depth and size, own and from
// elsewhere. Each record of the log is decoded, each store is checkpointed and opened again.
#include <cstdlib>

#include "engine/diff/compose.h"
#include "engine/records/log_record.h"
#include "engine/store/upstream.h"
#include "tests/support/deep_value.h"
#include "tests/support/seeded_random.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using engine::DiffEntry;
using engine::Form;
using engine::FormKind;

class ReadBack : public SyncTest {
 protected:
  void SetUp() override {
    child.retain_finished_ms = 1;
    SyncTest::SetUp();
    child.open();
    child.attach();
    child.start("c", "{}", "p");
  }
  /// Deep, large, or neither; most of the deep ones are near the bound.
  Value value() {
    const int levels = random.coin() ? static_cast<int>(random.below(4)) : 55 + static_cast<int>(random.below(22));
    Value v = deep_value(levels);
    if (random.one_in(4)) {
      return Value(engine::Array{std::move(v), Value(random.text(random.below(5000)))});
    }
    return random.one_in(4) ? Value(engine::Object{{"a", std::move(v)}}) : v;
  }
  std::string key() {
    static const std::vector<std::string> kKeys = {"a",     "l",       "n",         "$.a.a", "$.a.l.0",
                                                   "$.l.1", "$.a.b.c", "__proto__", "$.a.*", ""};
    return random.one_in(30) ? random.text(random.below(5000)) : kKeys[random.below(kKeys.size())];
  }
  engine::Operation operation() {
    const auto type = static_cast<OperationType>(random.below(6));
    if (type == OperationType::kReplace) {
      return {type, "", engine::Object{{"a", value()}, {"l", value()}}};
    }
    return {type, key(),
            type == OperationType::kDelete      ? Value()
            : type == OperationType::kIncrement ? Value(random.coin() ? Value(1) : Value(0.1))
                                                : value()};
  }
  /// Also what no store of ours would send.
  DiffEntry change() {
    DiffEntry e{random.coin() ? "a" : random.coin() ? "l" : key(), Form(FormKind::kSet), value()};
    if (random.coin()) {
      engine::Operation op = operation();
      auto made =
          op.type == OperationType::kReplace ? Result<DiffEntry>(Status(Code::kUnapplied)) : engine::entry_of(op);
      if (made.ok() && made->key == e.key) {
        return std::move(*made);
      }
    }
    return e;
  }
  std::string batch() {
    sync::BatchHeader header;
    header.owner.fill(0xa0);
    header.stream.fill(0xb0);
    header.seq = seq_ + 1;
    header.generation = 1;
    header.prev = prev_;
    std::string body;
    const auto entries = static_cast<uint32_t>(1 + random.below(3));
    for (uint32_t i = 0; i < entries; ++i) {
      sync::Entry e;
      e.kind = static_cast<sync::EntryKind>(random.below(4));
      e.id = "r" + std::to_string(i) + (random.coin() ? "x" : "y");
      e.life = 1 + random.below(2);
      e.sequence = ++sequence_;
      e.replace = random.coin();
      if (random.coin()) {
        e.head.emplace();
        e.head->error = random.text(random.below(100));
      }
      for (uint64_t n = 1 + random.below(2); n > 0; --n) {
        DiffEntry c = change();
        const bool set_only = e.replace || e.kind == sync::EntryKind::kValues;
        if (set_only && c.form.kind != FormKind::kSet) {
          continue;
        }
        if (e.changes.empty() || e.changes.front().key != c.key) {
          e.changes.push_back(std::move(c));
        }
      }
      if (e.changes.empty()) {
        e.changes.push_back({"n", Form(FormKind::kSet), Value(1)});
      }
      sync::append_entry(body, e, 0);
    }
    return sync::seal_batch(header, entries, body);
  }
  void receive() {
    const std::string sent = batch();
    const auto reply = sync::decode_reply(up.receiver().handle(sent));
    ASSERT_TRUE(reply.ok());
    if (reply->answer() == sync::Answer::kOk) {
      ++seq_;
      prev_ = sync::decode_batch_header(sent)->digest;
    }
    EXPECT_TRUE(reply->answer() == sync::Answer::kOk || reply->answer() == sync::Answer::kTooLarge)
        << static_cast<int>(reply->answer());
    ++answers_[reply->answer()];
  }
  void act() {
    engine::Outcome outcome;
    switch (random.below(9)) {
      case 0:
      case 1: {
        auto far = child.store().parent(*child.run("c"));
        ASSERT_TRUE(far.ok());
        (void)child.store().apply(**far, operation(), outcome);
        return;
      }
      case 2:
        (void)child.store().apply(*child.run("c"), operation(), outcome);
        return;
      case 3: {
        auto far = child.store().parent(*child.run("c"));
        ASSERT_TRUE(far.ok());
        (void)child.store().transact({{child.run("c").get(), operation()}, {far->get(), operation()}});
        return;
      }
      case 4:
        if (auto p = worker.store().find("p"); p.ok()) {
          (void)worker.store().apply(**p, operation(), outcome);
        } else if (random.one_in(4)) {
          engine::StartOptions o;
          o.id = "p";
          o.metadata = engine::Object{{"a", value()}, {"l", value()}};
          (void)worker.store().start(o);
        }
        return;
      case 5:
      case 6:
        receive();
        return;
      case 7: {
        engine::RunRecord record;
        record.id = "i";
        record.sequence = 1;
        record.document = engine::Document::from_object({{"a", value()}});
        (void)child.store().import_run(record, true);
        return;
      }
      default:
        lives();
    }
  }
  /// Starts, tags, ends, erases, forgets, and what is taken over.
  void lives() {
    const std::string id = "life" + std::to_string(random.below(3));
    if (auto run = child.store().find(id); !run.ok()) {
      child.start(id);
    } else if (random.coin()) {
      (void)child.store().set_tags(**run, {random.text(random.below(600))});
    } else if (random.coin()) {
      (void)child.store().finish(**run, engine::RunStatus::kFailed, engine::Durability::kDefault,
                                 random.text(random.below(5000)));
    } else {
      (void)child.store().erase(id);
    }
    if (worker.store().find("p").ok()) {
      (void)worker.store().refresh("p");
    }
  }
  static std::vector<std::pair<std::string, sync::DeadLetter>> letters(Site& site) {
    std::vector<std::pair<std::string, sync::DeadLetter>> all;
    EXPECT_TRUE(site.store().upstream().dead_letters(1000, all).ok());
    return all;
  }
  /// All of its log decodes, and it opens as it is.
  void expect_read_back(Site& site) {
    ASSERT_TRUE(site.store().barrier().ok());
    auto files = wal::open_posix_files(site.directory());
    ASSERT_TRUE(files.ok());
    wal::ScanReport report;
    const Status scanned = wal::scan(
        **files, site.store().store_id(), 0, 0,
        [this](const wal::RecordView& record) {
          ++types_[record.type];
          const Status s = engine::check_log_record(record.type, record.payload);
          EXPECT_TRUE(s.ok()) << "LSN " << record.lsn << " of type " << int{record.type} << ": " << s.what;
          return s;
        },
        report);
    ASSERT_TRUE(scanned.ok());
    const auto before = site.all();
    if (random.coin()) {
      ASSERT_TRUE(site.store().checkpoint().ok()) << engine::error_detail().message;
    }
    ASSERT_NO_FATAL_FAILURE(site.reopen());
    EXPECT_EQ(site.all(), before);
  }

  Site& child = site("child");
  testing::SeededRandom random{1};
  uint64_t seq_ = 0;
  uint64_t sequence_ = 0;
  sync::Digest prev_{};
  std::map<int, int> types_;
  std::map<sync::Answer, int> answers_;
};

TEST_F(ReadBack, WhateverIsAppended) {
  const char* seed = std::getenv("CAIRN_READ_BACK_SEED");
  const char* rounds = std::getenv("CAIRN_READ_BACK_ROUNDS");
  random = testing::SeededRandom(seed != nullptr ? std::strtoull(seed, nullptr, 10) : 1);
  for (int i = rounds != nullptr ? std::atoi(rounds) : 25; i > 0 && !HasFailure(); --i) {
    for (int n = 0; n < 40; ++n) {
      ASSERT_NO_FATAL_FAILURE(act());
    }
    child.clock().advance_ms(120'000);
    worker.clock().advance_ms(120'000);
    child.sync_with(up);
    worker.sync_with(up);
    (void)child.store().step(1'000'000);
    for (Site* one : {&child, &worker, &up}) {
      ASSERT_NO_FATAL_FAILURE(expect_read_back(*one));
    }
    for (const auto& [id, letter] : letters(child)) {
      (void)child.store().upstream().release_dead(id, sync::Outbox::Release::kSkip);
    }
    for (const auto& [id, letter] : letters(worker)) {
      (void)worker.store().upstream().release_dead(id, sync::Outbox::Release::kReplace);
    }
  }
  for (int type = static_cast<int>(engine::LogType::kDiff); type <= static_cast<int>(engine::LogType::kForget);
       ++type) {
    EXPECT_GT(types_[type], 0) << "no record of type " << type;
  }
  EXPECT_GT(answers_[sync::Answer::kOk], 10);
}

}  // namespace
}  // namespace cairn::tests
