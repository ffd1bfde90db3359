// Stores that sync with each other in one process, by function calls instead of a network, and with a clock that the
// test moves.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/json/json.h"
#include "engine/maintenance/repair.h"
#include "engine/store/store_storage.h"
#include "engine/store/upstream.h"
#include "engine/sync/receiver.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_files.h"
#include "tests/support/fixed_identity_files.h"
#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {

namespace sync = engine::sync;
using engine::OperationType;
using engine::Value;

inline std::string said(const Status& s) {
  return s.ok() ? "ok" : std::to_string(static_cast<int>(s.code)) + " " + engine::error_detail().message;
}

/// An answer of the upstream's to a batch that it did not see.
inline std::string answer_to(const std::string& batch, sync::Answer answer,
                             const std::vector<sync::Verdict>& verdicts = {}) {
  const auto sent = sync::decode_batch_header(batch);
  EXPECT_TRUE(sent.ok());
  sync::ReplyHeader header;
  header.answer = static_cast<uint8_t>(answer);
  header.stream = sent->stream;
  header.for_seq = sent->seq;
  header.for_digest = sent->digest;
  if (answer == sync::Answer::kOk) {
    header.seq = sent->seq;
    header.digest = sent->digest;
  }
  return sync::encode_reply(header, verdicts);
}

/// Too much waits for the owner: the verdict about each delta of the batch, of which there is one at least.
inline std::string backlog_for_deltas(const std::string& message) {
  auto batch = sync::decode_batch(message);
  EXPECT_TRUE(batch.ok());
  std::vector<sync::Verdict> verdicts;
  for (uint32_t i = 0; batch.ok() && i < batch->entries.size(); ++i) {
    if (batch->entries[i].kind == sync::EntryKind::kDelta) {
      verdicts.push_back({i, sync::VerdictCode::kBacklog, "too much waits", 0});
    }
  }
  EXPECT_FALSE(verdicts.empty());
  return answer_to(message, sync::Answer::kOk, verdicts);
}

/// A store, and what of it sends and receives.
class Site {
 public:
  explicit Site(std::string directory) : directory_(std::move(directory)) {}

  testing::FakeClock& clock() { return clock_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  engine::Store& store() { return *store_; }
  sync::Receiver& receiver() { return *receiver_; }

  void open(uint32_t metadata_bytes_max = 4096) {
    engine::StoreOptions o;
    o.directory = directory_;
    o.segment_bytes = segment_bytes;
    o.metadata_bytes_max = metadata_bytes_max;
    o.retain_finished_ms = retain_finished_ms;
    o.upstream_timeout_ms = upstream_timeout_ms;
    testing::use_clock(o.hooks, *this);
    if (fixed_identity) {
      std::filesystem::create_directories(directory_);
      std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
      files_ = std::make_unique<testing::FixedIdentityFiles>(std::move(*wal::open_posix_files(directory_)));
      o.hooks.files = files_.get();
    }
    auto opened = engine::Store::open(std::move(o));
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    store_ = std::move(*opened);
    storage_ = std::make_unique<sync::StoreStorage>(*store_);
    receiver_ = std::make_unique<sync::Receiver>(*storage_);
  }
  /// Opens it in a process that dies at the n-th call, from 0, that changes a file of the log or STORE. False: there
  /// are not so many.
  bool killed_at_open(uint64_t n) {
    auto files = wal::open_posix_files(directory_);
    testing::FaultFiles dying(**files);
    dying.stop_after(n);
    engine::StoreOptions o;
    o.directory = directory_;
    o.segment_bytes = segment_bytes;
    testing::use_clock(o.hooks, *this);
    o.hooks.files = &dying;
    auto opened = engine::Store::open(std::move(o));
    EXPECT_EQ(opened.ok(), !dying.dead()) << engine::error_detail().message;
    dying.stop_after(0);
    return !opened.ok();
  }
  void close() {
    receiver_.reset();
    storage_.reset();
    if (store_) {
      EXPECT_TRUE(store_->close(0).ok());
    }
    store_.reset();
  }
  void reopen() {
    close();
    open();
  }
  void attach(sync::SenderOptions options = {}) {
    const Status s = store_->upstream().attach("test", options);
    ASSERT_TRUE(s.ok()) << said(s);
  }

  engine::RunRef start(const std::string& id, const std::string& json = "{}", const std::string& parent = "") {
    engine::StartOptions o;
    o.id = id;
    o.parent = parent;
    auto metadata = engine::parse_json(json);
    EXPECT_TRUE(metadata.ok()) << json;
    o.metadata = *metadata->get<engine::Object>();
    auto run = store_->start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return run.ok() ? *run : nullptr;
  }
  engine::RunRef run(const std::string& id) {
    auto run = store_->find(id);
    EXPECT_TRUE(run.ok()) << id << ": " << engine::error_detail().message;
    return run.ok() ? *run : nullptr;
  }
  void apply(const std::string& id, OperationType type, const std::string& key, const std::string& json) {
    apply(run(id), type, key, json);
  }
  void apply(const engine::RunRef& run, OperationType type, const std::string& key, const std::string& json) {
    auto value = engine::parse_json(json);
    ASSERT_TRUE(value.ok()) << json;
    const Status s = update(*store_, *run, type, key, *value);
    ASSERT_TRUE(s.worked()) << said(s);
  }
  void set(const std::string& id, const std::string& key, const std::string& json) {
    apply(id, OperationType::kSet, key, json);
  }
  /// An operation on the parent of the run `child`, which may be owned elsewhere.
  void apply_to_parent(const std::string& child, OperationType type, const std::string& key, const std::string& json) {
    auto parent = store_->parent(*run(child));
    ASSERT_TRUE(parent.ok()) << said(parent.status());
    apply(*parent, type, key, json);
  }
  void increment_parent(const std::string& child, int64_t by = 1) {
    apply_to_parent(child, OperationType::kIncrement, "n", std::to_string(by));
  }
  void finish(const std::string& id) {
    const Status s = store_->finish(*run(id), engine::RunStatus::kCompleted);
    ASSERT_TRUE(s.ok()) << said(s);
  }
  /// The document, and in front of it the status where that is not EXECUTING; "none" without the run.
  std::string state(const std::string& id) {
    auto view = store_->peek(id, true);
    if (!view.ok() || !*view || (*view)->erased) {
      return view.ok() ? "none" : "code " + std::to_string(static_cast<int>(view.code()));
    }
    const engine::RunRecord& r = (*view)->record;
    std::string text = r.foreign ? "waiting " : "";
    if (r.status != engine::RunStatus::kExecuting) {
      text += std::string(engine::status_name(r.status)) + " ";
    }
    return text + r.document.to_json();
  }
  /// All runs: what both ends of a sync must have alike.
  std::map<std::string, std::string> all() {
    std::map<std::string, std::string> all;
    EXPECT_TRUE(store_
                    ->each([&all](const engine::RunView& view) {
                      const engine::RunRecord& r = view.record;
                      if (!r.foreign) {
                        std::string& text = all[r.id];
                        text =
                            std::string(engine::status_name(r.status)) + " " + r.task + " " + r.parent + " " + r.error;
                        for (const std::string& tag : r.tags) {
                          text += " #" + tag;
                        }
                        text += " " + r.document.to_json();
                      }
                      return true;
                    })
                    .ok());
    return all;
  }

  engine::Upstream::State sync_state() {
    engine::Upstream::State state;
    const Status s = store_->upstream().state(state);
    EXPECT_TRUE(s.ok()) << said(s);
    return state;
  }
  std::string next() {
    EXPECT_TRUE(store_->barrier().ok());
    std::string message;
    const Status s = store_->upstream().next(message);
    EXPECT_TRUE(s.ok()) << said(s);
    return message;
  }
  /// The next message, whenever the last one was.
  std::string frozen() {
    EXPECT_TRUE(store_->upstream().control(engine::Upstream::Control::kHurry).ok());
    return next();
  }
  void feed(const std::string& answer) {
    const Status s = store_->upstream().feed(answer);
    EXPECT_TRUE(s.ok()) << said(s);
  }
  /// Sends all that waits. Returns how many messages it took.
  int sync_with(Site& upstream) {
    int messages = 0;
    EXPECT_TRUE(store_->upstream().control(engine::Upstream::Control::kHurry).ok());
    for (std::string message = next(); !message.empty() && messages < 10'000; message = next()) {
      ++messages;
      bytes_sent += message.size();
      feed(upstream.receiver().handle(message));
      (void)store_->upstream().control(engine::Upstream::Control::kHurry);
    }
    return messages;
  }
  /// The same, after the longest wait.
  int sync_later_with(Site& upstream) {
    clock_.advance_ms(61'000);
    return sync_with(upstream);
  }
  std::vector<std::string> dead() {
    std::vector<std::pair<std::string, sync::DeadLetter>> letters;
    EXPECT_TRUE(store_->upstream().dead_letters(1000, letters).ok());
    std::vector<std::string> text;
    for (const auto& [id, letter] : letters) {
      text.push_back(id + ": " + sync::verdict_name(letter.code));
    }
    return text;
  }

  /// A copy as `cp -a` makes it, of a store that is closed for it.
  void copy_to(Site& other) {
    close();
    std::filesystem::remove_all(other.directory());
    std::filesystem::copy(directory_, other.directory(), std::filesystem::copy_options::recursive);
    open();
  }

  /// The process died when its directory was as in `image`.
  void replace_by(const std::string& image) {
    receiver_.reset();
    storage_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
    std::filesystem::rename(image, directory_);
    open();
  }

  uint32_t segment_bytes = 1u << 20;
  uint64_t retain_finished_ms = 0;
  uint32_t upstream_timeout_ms = 30'000;
  bool fixed_identity = false;  // a copy of the store is not seen as one
  uint64_t bytes_sent = 0;

 private:
  const std::string directory_;
  testing::FakeClock clock_;
  std::unique_ptr<wal::Files> files_;
  std::unique_ptr<engine::Store> store_;
  std::unique_ptr<sync::StoreStorage> storage_;
  std::unique_ptr<sync::Receiver> receiver_;
};

class SyncTest : public ::testing::Test {
 protected:
  Site& site(const std::string& name) {
    auto& place = sites_[name];
    if (!place) {
      place = std::make_unique<Site>(directory_.path() + "/" + name);
    }
    return *place;
  }
  /// An open store that has an upstream.
  Site& sender(const std::string& name) {
    Site& s = site(name);
    s.open();
    s.attach();
    return s;
  }
  /// A store of which copies, or a place for one, are not seen as copies.
  Site& machine_of(const std::string& name) {
    Site& s = site(name);
    s.fixed_identity = true;
    return s;
  }
  /// The same, open and with an upstream.
  Site& open_machine_of(const std::string& name) {
    Site& s = machine_of(name);
    s.open();
    s.attach();
    return s;
  }
  void SetUp() override {
    up.open();
    worker.open();
    worker.attach();
  }
  void TearDown() override {
    for (auto& [name, site] : sites_) {
      site->close();
    }
  }
  /// Each segment of the log has lost its head.
  static void damage_log(const Site& of) {
    for (const auto& e : std::filesystem::directory_iterator(of.directory() + "/wal")) {
      if (e.path().extension() == ".wal") {
        std::fstream f(e.path(), std::ios::in | std::ios::out | std::ios::binary);
        for (const int at : {0, 4096}) {
          f.seekp(at);
          f << std::string(200, '\x5a');
        }
      }
    }
  }
  static void repair(Site& of) {
    engine::RepairOptions o;
    o.directory = of.directory();
    o.commit = true;
    testing::use_clock(o.hooks, of);
    auto report = engine::repair(o);
    ASSERT_TRUE(report.ok()) << said(report.status());
  }
  void expect_equal() { EXPECT_EQ(worker.all(), up.all()); }

  TemporaryDirectory directory_;
  std::map<std::string, std::unique_ptr<Site>> sites_;
  Site& up = site("up");
  Site& worker = site("worker");
};

}  // namespace cairn::tests
