// A RunStorage in memory: what a second implementation of the seam must do, without a disk. Several servers may use one,
// each through a door of its own, as servers use one database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/server/run_storage.h"
#include "engine/document/document.h"

namespace cairn::tests {

class MemoryStorage : public server::RunStorage {
 public:
  struct Options {
    size_t metadata_bytes_max = 4096;
    size_t history_max = 100'000;  // changes that a set can be resumed by; older positions are a reset
    std::string name = "memory";
    std::function<int64_t()> now_us;  // none: the wall clock
  };

  MemoryStorage();
  explicit MemoryStorage(Options options);
  ~MemoryStorage() override;

  Result<server::Written> write(const server::Change& change, const server::RequestKey& key) override;
  Result<server::BatchView> batch(const server::BatchCall& call, const server::RequestKey& key) override;
  Result<std::optional<server::RunView>> find(std::string_view id, unsigned parts) override;
  Result<server::Page> list(const server::RunFilter& filter, server::Order order, const server::Cursor& cursor,
                            size_t limit) override;
  Result<uint64_t> count_children(std::string_view id) override;
  Result<server::Counts> count(const server::RunFilter& filter) override;
  Result<server::Changes> changes(const server::Shape& shape, const std::optional<server::Position>& after,
                                  const server::Extent& extent) override;
  void on_change(std::function<void()> hint) override;
  Result<int64_t> keep_time(int64_t now_us) override;
  [[nodiscard]] std::string name() const override { return options_.name; }

  /// The same runs for another server, which has an on_change of its own. This must live longer.
  std::unique_ptr<server::RunStorage> door();

  // --- what a test does to it ---

  /// Every call fails with `trouble` until it is given an ok Status.
  void set_trouble(cairn::Status trouble);
  /// The run belongs to another store, which decides its status, tags and end; "": to this one.
  void set_owner(const std::string& run, std::string owner);
  /// A run with an id of the test's choice.
  void add(const std::string& id, const server::Trigger& trigger);
  /// As retention does.
  void erase(const std::string& run);
  /// All positions in sets become unknown, as after a restart of a server.
  void forget_changes();
  /// Operations for runs that are not here, in the order of their requests.
  [[nodiscard]] std::vector<std::pair<std::string, std::vector<engine::Operation>>> foreign_operations() const;

 private:
  class Door;
  struct Run {
    server::RunView view;  // neither metadata nor what only some ask for
    engine::Document document;
    uint64_t number = 0;  // of its last change, in the feed
    std::optional<server::TypedText> payload;
    std::optional<server::TypedText> output;
    std::optional<std::string> seed;
    int64_t ttl_us = 0;
  };
  struct Batch {
    server::BatchView view;  // neither runs nor what is computed
    std::map<size_t, std::string> runs;
    std::string parent;
    bool waits = false;
  };
  struct Kept {  // what a key stands for
    std::string id;
    int64_t until_us = 0;
  };
  struct Request {
    std::variant<server::Written, server::BatchView> outcome;
    int64_t at_us = 0;
  };
  using Place = std::pair<int64_t, std::string>;  // when it was created, its id: the order of a listing

  // All below with mutex_ held.

  [[nodiscard]] int64_t now() const;
  std::string make_id(const char* prefix);
  Run* run_of(const std::string& id);
  void changed(Run& run);
  void set_status(Run& run, engine::RunStatus status);

  server::Written apply(const server::Trigger& trigger);
  server::Written apply(const server::MetadataUpdate& update);
  server::Written apply(const server::StatusChange& change);
  server::Written apply(const server::Cancel& cancel);
  server::Written apply(const server::AddTags& add);
  server::Written apply(const server::Reschedule& reschedule);
  server::Written apply(const server::ResetIdempotencyKey& reset);
  server::Written apply(const server::StartRun& start);
  server::Written apply(const server::ResumeRun& resume);
  server::Written apply(const server::EraseRun& erase);
  server::Written apply(const server::RunOperations& operations);
  void erase_run(const std::string& id);
  server::Written trigger_run(const server::Trigger& trigger, const std::string& id, const std::string& batch);
  Run* cached_run(const std::string& task, const std::string& key);

  server::BatchView apply(const server::BatchCreate& create);
  server::BatchView apply(const server::BatchItems& items);
  server::BatchView apply(const server::BatchGet& get);
  server::BatchView view_of(const Batch& batch);

  bool is_repeat(const server::RequestKey& key, Request*& request);
  [[nodiscard]] bool is_used(const server::RequestKey& key, const std::string& batch = {});
  void forget_old();
  void remember(const server::RequestKey& key, std::variant<server::Written, server::BatchView> outcome);

  [[nodiscard]] server::RunView view_of(const Run& run, unsigned parts) const;
  [[nodiscard]] bool fits(const Run& run, const server::RunFilter& filter) const;
  static bool has_text(const Run& run, const std::string& text);
  [[nodiscard]] bool fits(const Run& run, const server::Shape& shape) const;
  server::Changes changes_of_run(const server::Shape& shape, const std::optional<server::Position>& after,
                                 unsigned parts);
  /// False: `rest` is none of this storage.
  bool read_shape(const server::Shape& shape, const std::string& rest, const server::Extent& extent,
                  server::Changes& out);

  // Without it.
  Result<server::Page> list_by(server::Order order, const server::RunFilter& filter, const server::Cursor& cursor,
                               size_t limit);
  void notify();
  void set_hint(const void* of, std::function<void()> hint);

  const Options options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_
  std::mt19937_64 random_;
  Status trouble_;
  std::map<std::string, Run> runs_;
  std::map<Place, std::string> by_created_;
  std::map<std::string, Batch> batches_;
  std::map<std::pair<std::string, std::string>, Kept> idempotency_;  // by task and key
  std::map<std::string, Kept> batch_idempotency_;
  std::map<std::string, Request> requests_;
  size_t look_at_ = 1000;  // so many requests and tokens: time to forget the old ones
  struct UsedToken {
    int64_t until_us = 0;  // must be known so long
    std::string made;      // a run, or a batch
  };
  std::map<std::string, UsedToken> used_tokens_;
  std::vector<std::pair<std::string, std::vector<engine::Operation>>> foreign_;
  std::string feed_;
  uint64_t position_ = 0;            // of the last change
  std::deque<std::string> history_;  // the runs of the last changes, the newest at position_

  std::mutex hints_mutex_;  // taken before mutex_, by what a hint calls
  std::map<const void*, std::function<void()>> hints_;
};

}  // namespace cairn::tests
