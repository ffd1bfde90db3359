// The runs of a store of this process, as the routes see them: the first RunStorage.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/server/in_work.h"
#include "api/server/run_storage.h"
#include "api/server/store_feed.h"
#include "engine/store/store.h"
#include "wal/mutex.h"

namespace cairn::server {

/// All calls may be made at once by several threads. What is written is as durable as the store's class says.
class RunStore : public RunStorage {
 public:
  struct Options {
    std::string name;              // "": the store's id
    size_t history_max = 100'000;  // changes after which a position in a set is too old
  };
  /// `store` must live longer, and be followed by nobody else (Store::follow_changes).
  explicit RunStore(engine::Store& store) : RunStore(store, Options()) {}
  RunStore(engine::Store& store, const Options& options);
  ~RunStore() override;

  Result<Written> write(const Change& change, const RequestKey& key) override;
  Result<BatchView> batch(const BatchCall& call, const RequestKey& key) override;
  Result<std::optional<RunView>> find(std::string_view id, unsigned parts) override;
  Result<Page> list(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit) override;
  Result<uint64_t> count_children(std::string_view id) override;
  Result<Counts> count(const RunFilter& filter) override;
  Result<Changes> changes(const Shape& shape, const std::optional<Position>& after, const Extent& extent) override;
  void on_change(std::function<void()> hint) override;
  Result<int64_t> keep_time(int64_t now_us) override;
  [[nodiscard]] std::string name() const override { return name_; }

  /// Operations of each type that were asked for by updates which happened. Since this was made.
  [[nodiscard]] uint64_t operations(engine::OperationType type) const {
    return operations_.at(static_cast<size_t>(type)).load(std::memory_order_relaxed);
  }
  /// Of those, the ones that did not apply to what was there.
  [[nodiscard]] uint64_t unapplied(engine::Reason reason) const {
    return unapplied_.at(static_cast<size_t>(reason)).load(std::memory_order_relaxed);
  }
  /// Every position in a set becomes unknown, as after a restart.
  void forget_changes() { feed_.restart(); }
  /// Runs that the feed has visited.
  [[nodiscard]] uint64_t visited() const { return feed_.visited(); }

 private:
  // Effects. `notes` go into the log record of the effect.
  using Notes = std::vector<engine::Note>;
  Result<Written> apply(const Trigger& trigger, Notes notes);
  Result<Written> apply(const MetadataUpdate& update, Notes notes);
  Result<Written> apply(const StatusChange& change, Notes notes);
  Result<Written> apply(const Cancel& cancel, Notes notes);
  Result<Written> apply(const AddTags& add, Notes notes);
  Result<Written> apply(const Reschedule& reschedule, Notes notes);
  Result<Written> apply(const ResetIdempotencyKey& reset, Notes notes);
  Result<Written> apply(const StartRun& start, Notes notes);
  Result<Written> apply(const ResumeRun& resume, const Notes& notes);
  Result<Written> apply(const EraseRun& erase, const Notes& notes);
  /// `request`: of the key.
  Result<Written> apply(const RunOperations& operations, Notes notes, const std::string& request);
  Result<engine::RunRef> run_of(const RunOperations::Part& part);
  /// What became of the operations, into the note of their request and further ones.
  void add_outcomes(const engine::InTurn& in_turn, const std::string& request, Notes& notes) const;
  Status add_known(const RunOperations& operations, const engine::Object& answer, const std::string& request,
                   Written& out);
  Result<Written> start_run(const Trigger& trigger, std::string id, const std::string& batch, size_t index, Notes notes,
                            engine::Durability durability);
  /// The run of `id`, or why it may not be changed here.
  Result<engine::RunRef> own_run(const std::string& id, Written& refused);
  Result<Written> change_run(const std::string& id, const engine::RunChangeRequest& request,
                             engine::Durability durability = engine::Durability::kDefault);
  /// The run that an idempotency key stands for; empty: none that counts.
  Result<std::string> cached_run(const std::string& task, const std::string& key);

  Result<BatchView> apply(const BatchCreate& create, const std::string& id, const RequestKey& request);
  Result<BatchView> apply(const BatchItems& items, const std::string& id, const RequestKey& request);
  Result<BatchView> apply(const BatchGet& get, const std::string& id, const RequestKey& request);
  Result<BatchView> view_of_batch(const std::string& id);
  Result<std::optional<engine::Object>> read_batch(const std::string& id);
  Status add_item(const BatchItems& items, const BatchItems::Item& item, engine::Object& batch, BatchView& out);

  // Requests.
  /// What the request was answered, if it is known; that its token is spent, but for one that made `batch`.
  Result<std::optional<engine::Object>> known_answer(const RequestKey& key, bool& token_used,
                                                     const std::string& batch = {});
  /// What is in work with the request: `names`, and its own.
  static std::vector<std::string> names_of(const RequestKey& key, std::vector<std::string> names);
  [[nodiscard]] Notes notes_of(const RequestKey& key, const engine::Object& answer) const;

  // Reading.
  Result<RunView> view_of(const engine::RunView& run, unsigned parts);
  Status unless_damaged(const Status& s, const std::string& id) const;
  Status add_relatives(RunView& view);
  struct Place {
    int64_t created_us = 0;
    std::string id;
  };
  struct Scan;
  Status scan(const RunFilter& filter, const std::optional<Place>& from, bool backwards, size_t limit, Scan& out);
  Result<Page> list_by_creation(const RunFilter& filter, const Cursor& cursor, size_t limit);
  Result<Page> list_by_update_or_id(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit);
  Result<Page> list_by_walk(const RunFilter& filter, engine::RunQuery query, const Cursor& cursor, size_t limit);
  Result<Changes> changes_of_run(const Shape& shape, const std::optional<Position>& after, unsigned parts);
  struct Remainder;
  Status read_shape(const Shape& shape, const Extent& extent, Remainder& rest, Changes& out);
  Result<Changes> more_of_shape(const Shape& shape, const Position& after, const Extent& extent);
  /// What tells a life of a run from another, also one that a restart lost the end of.
  [[nodiscard]] std::string life_of(const engine::RunRecord& run) const;

  // Time.
  void expect(const std::string& id, int64_t at_us);
  Status read_times();
  Status keep_time_of(const std::string& id, int64_t now_us);

  [[nodiscard]] int64_t now() const;

  engine::Store& store_;
  const std::string name_;
  std::array<std::atomic<uint64_t>, engine::kOperationTypes> operations_{};
  std::array<std::atomic<uint64_t>, engine::kReasons> unapplied_{};
  StoreFeed feed_;
  InWork in_work_;

  Mutex times_mutex_{LockRank::kRunTimes};
  bool times_read_ CAIRN_GUARDED_BY(times_mutex_) = false;
  std::set<std::pair<int64_t, std::string>> times_
      CAIRN_GUARDED_BY(times_mutex_);  // when which run's delay or time to live ends, at the earliest
};

}  // namespace cairn::server
