// Stores that send to each other through the calls of cairn.h alone: the test is the network.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/api/api_fixture.h"

namespace cairn::tests {

inline void append_bytes(void* context, const void* bytes, size_t count) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(bytes), count);
}

inline int32_t ignore_letter(void*, const char*, const char*, int64_t) { return 0; }

/// A store of one process, with handles of its runs.
class SyncSide {
 public:
  explicit SyncSide(std::string directory) : directory_(std::move(directory)) {}
  ~SyncSide() { close(); }
  SyncSide(const SyncSide&) = delete;
  SyncSide& operator=(const SyncSide&) = delete;

  void open() {
    cairn_options o;
    cairn_options_init(&o);
    o.segment_bytes = 256u << 10;
    o.metadata_bytes_max = metadata_bytes_max;
    o.hooks = hooks;
    CAIRN_ASSERT_OK(cairn_store_open(directory_.c_str(), &o, &store_));
  }
  void close() {
    for (auto& [id, run] : runs_) {
      CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    }
    runs_.clear();
    if (store_ != nullptr) {
      CAIRN_EXPECT(CAIRN_OK, cairn_store_close(store_, -1));
      store_ = nullptr;
    }
  }
  void reopen() {
    close();
    open();
  }
  void attach() {
    cairn_sync_options o = {};
    o.struct_bytes = sizeof o;
    o.poll_interval_ms = UINT32_MAX;  // messages are counted here
    CAIRN_ASSERT_OK(cairn_sync_attach(store_, "test", &o));
  }
  /// This store's directory becomes a copy of `other`'s, as `cp -a` makes it. Both are closed.
  void copy_of(const SyncSide& other) const {
    std::filesystem::copy(other.directory_, directory_, std::filesystem::copy_options::recursive);
  }

  [[nodiscard]] cairn_store* store() const { return store_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }

  cairn_run* start(const std::string& id, std::string_view metadata = "{}", const char* parent = nullptr,
                   const std::vector<const char*>& tags = {}) {
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = id.c_str();
    o.task = "task";
    o.parent = parent;
    o.tags = tags.data();
    o.tag_count = tags.size();
    o.metadata = metadata.data();
    o.metadata_bytes = metadata.size();
    cairn_run* run = nullptr;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_start(store_, &o, &run));
    keep(id, run);
    return run;
  }
  /// The handle of this fixture; null if the run is not here.
  cairn_run* run(const std::string& id) {
    if (const auto at = runs_.find(id); at != runs_.end()) {
      return at->second;
    }
    cairn_run* run = nullptr;
    if (cairn_run_open(store_, id.c_str(), &run) == CAIRN_OK) {
      keep(id, run);
    }
    return run;
  }
  cairn_run* parent_of(const std::string& id) {
    cairn_run* parent = nullptr;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_parent(run(id), &parent));
    keep("parent of " + id, parent);
    return parent;
  }
  void set(const std::string& id, std::string_view key, std::string_view json) {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_set_json(run(id), key.data(), key.size(), json.data(), json.size()));
  }
  void increment(const std::string& id, std::string_view key, int64_t by = 1) {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run(id), key.data(), key.size(), by));
  }
  void append(const std::string& id, std::string_view key, int64_t value) {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_append_int64(run(id), key.data(), key.size(), value));
  }

  /// "COMPLETED {"n":1}": status where that is not EXECUTING, tags, error and metadata; "none" without the run.
  std::string look(const std::string& id) {
    cairn_run* seen = nullptr;
    if (const cairn_status s = cairn_run_open(store_, id.c_str(), &seen); s != CAIRN_OK) {
      return s == CAIRN_NO_SUCH_RUN ? "none" : explain(s);
    }
    cairn_run_info info = {};
    info.struct_bytes = sizeof info;
    char texts[8192];
    size_t needed = 0;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_get_info(seen, &info, texts, sizeof texts, &needed));
    std::string text = info.status == CAIRN_RUN_EXECUTING ? "" : std::string(cairn_run_status_name(info.status)) + " ";
    for (uint32_t i = 0; i < info.tag_count; ++i) {
      text += "#" + std::string(info.tags[i]) + " ";
    }
    text += std::string(info.error) + (info.error[0] == '\0' ? "" : " ");
    std::string metadata(1 << 16, '\0');
    CAIRN_EXPECT(CAIRN_OK, cairn_run_current_json(seen, metadata.data(), metadata.size(), &needed, nullptr));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(seen));
    return text + metadata.substr(0, needed);
  }
  /// Everything that is here, in the order of ids.
  std::string look() {
    std::vector<std::string> ids;
    CAIRN_EXPECT(CAIRN_OK, cairn_store_list(
                               store_,
                               [](void* context, const cairn_run_info* info) {
                                 static_cast<std::vector<std::string>*>(context)->emplace_back(info->id);
                                 return int32_t{0};
                               },
                               &ids));
    std::string text;
    for (const std::string& id : ids) {
      text += id + ": " + look(id) + "\n";
    }
    return text;
  }

  cairn_sync_state state(const char* run = nullptr) {
    cairn_sync_state state = {};
    state.struct_bytes = sizeof state;
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_get_state(store_, run, &state));
    return state;
  }
  cairn_status control(int32_t what) { return cairn_sync_control(store_, what); }

  /// What cairn_sync_next gives now; "" if that is nothing.
  std::string next_now(int64_t* in_ms = nullptr) {
    std::string message;
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_next(store_, append_bytes, &message, in_ms));
    return message;
  }
  /// The next message with all that was done before, without waiting for a time.
  std::string next() {
    CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_));
    CAIRN_EXPECT(CAIRN_OK, control(CAIRN_SYNC_HURRY));
    return next_now();
  }
  void feed(std::string_view answer) { CAIRN_EXPECT(CAIRN_OK, cairn_sync_feed(store_, answer.data(), answer.size())); }
  void failed(int32_t why, const char* text = "lost", int64_t retry_after_ms = 0) {
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_failed(store_, why, text, retry_after_ms));
  }
  /// A message is lost, and it is time to send it again.
  void lose() {
    failed(CAIRN_SYNC_TRANSIENT);
    CAIRN_EXPECT(CAIRN_OK, control(CAIRN_SYNC_RESUME));
  }
  std::string receive(std::string_view message, cairn_status expected = CAIRN_OK) {
    std::string answer;
    CAIRN_EXPECT(expected, cairn_sync_receive(store_, message.data(), message.size(), append_bytes, &answer));
    return answer;
  }
  /// Sends until nothing waits. Returns the number of messages.
  int send_to(SyncSide& upstream) {
    int messages = 0;
    for (std::string message = next(); !message.empty() && messages < 1000; message = next()) {
      ++messages;
      feed(upstream.receive(message));
    }
    return messages;
  }
  void refresh(const std::string& id) { CAIRN_EXPECT(CAIRN_OK, cairn_run_refresh(run(id))); }

  /// "r: reason" of each dead letter.
  std::vector<std::string> dead() {
    std::vector<std::string> letters;
    CAIRN_EXPECT(CAIRN_OK,
                 cairn_sync_dead_letters(
                     store_,
                     [](void* context, const char* run, const char* reason, int64_t since_us) {
                       EXPECT_GT(since_us, 0);
                       static_cast<std::vector<std::string>*>(context)->push_back(std::string(run) + ": " + reason);
                       return int32_t{0};
                     },
                     &letters));
    return letters;
  }

  uint32_t metadata_bytes_max = 0;
  const cairn_hooks* hooks = nullptr;

 private:
  void keep(const std::string& id, cairn_run* run) {
    cairn_run*& kept = runs_[id];
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(kept));
    kept = run;
  }

  const std::string directory_;
  cairn_store* store_ = nullptr;
  std::map<std::string, cairn_run*> runs_;
};

/// A worker that is attached, and its upstream.
class SyncApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    up.open();
    worker.open();
    worker.attach();
  }
  void expect_equal() { EXPECT_EQ(worker.look(), up.look()); }

  Directory directory_;
  SyncSide up{directory_.path() + "/up"};
  SyncSide worker{directory_.path() + "/worker"};
};

}  // namespace cairn::tests
