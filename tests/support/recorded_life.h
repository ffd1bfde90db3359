// A scripted life of one store, by the real code on real files, with everything it does to the disk recorded and what
// it promised noted beside: the source of crash states.
//
//   RecordedLife life(seed);
//   life.open().start("a").keys("a", 5, 100).flush().checkpoint().erase("a").close();
//
// Nothing in a life depends on anything but its seed: clock, random bytes, boot id and the script come from it.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/store/store.h"
#include "tests/support/disk_recorder.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_history.h"
#include "tests/support/seeded_random.h"
#include "tests/support/simulated_disk.h"

namespace cairn::testing {

struct LifeOptions {
  uint32_t segment_bytes = 256u << 10;
  uint32_t border_bytes = 512;
  uint32_t metadata_bytes_max = 4096;
  bool staging = true;
  engine::Durability durability = engine::Durability::kProcess;
};

/// What the store takes from its host, all of it seeded. Must outlive the store.
class SeededHost {
 public:
  explicit SeededHost(uint64_t seed) : random_(seed) {}
  FakeClock& clock() { return clock_; }
  [[nodiscard]] const FakeClock& clock() const { return clock_; }
  SeededRandom& random() { return random_; }
  /// Options for a store below `directory` in the boot of that number. `files` must outlive the store.
  engine::StoreOptions options(const std::string& directory, const LifeOptions& life, uint64_t boot, wal::Files* files);

 private:
  FakeClock clock_;
  SeededRandom random_;
};

class RecordedLife {
 public:
  using Durability = engine::Durability;
  /// The parent of every run that is started. Nobody starts it here.
  static constexpr const char* kParent = "parent";

  /// A life that begins in an empty directory.
  explicit RecordedLife(uint64_t seed, const LifeOptions& options = {});
  /// A life that begins with what a crash left: the disk as it is, and what each run may be.
  RecordedLife(uint64_t seed, const LifeOptions& options, SimulatedDisk disk, const DiskImage& image,
               RunHistory history, uint64_t boot, const FakeClock& clock);
  ~RecordedLife();

  // The language. A call that must work and does not is noted in failure().
  RecordedLife& open();
  RecordedLife& close();
  RecordedLife& start(const std::string& id, int keys = 0, Durability durability = Durability::kDefault);
  /// `updates` updates of the run's keys k0, k1, ... in rotation, of all kinds of scalars.
  RecordedLife& keys(const std::string& id, int key_count, int updates, Durability durability = Durability::kDefault);
  RecordedLife& apply(const std::string& id, engine::Operation op, Durability durability = Durability::kDefault);
  RecordedLife& set(const std::string& id, const std::string& key, engine::Value value,
                    Durability durability = Durability::kDefault);
  RecordedLife& transact(const std::vector<std::pair<std::string, engine::Operation>>& operations,
                         Durability durability = Durability::kDefault);
  /// Updates the parent of run `id`, which is owned elsewhere: kParent.
  RecordedLife& update_parent(const std::string& id, engine::Operation op,
                              Durability durability = Durability::kDefault);
  RecordedLife& finish(const std::string& id, Durability durability = Durability::kDefault);
  RecordedLife& status(const std::string& id, engine::RunStatus status);
  RecordedLife& tags(const std::string& id, std::vector<std::string> tags);
  RecordedLife& resume(const std::string& id);
  RecordedLife& erase(const std::string& id);
  RecordedLife& barrier();
  RecordedLife& wait_durable();
  /// Lets time pass and does what is due.
  RecordedLife& step(int64_t after_ms);
  RecordedLife& flush() { return step(1000); }
  RecordedLife& checkpoint();
  /// From now on a call may fail; what it might leave is suspected, never promised. An open after the fault ends this.
  RecordedLife& arm(const DiskFault& fault);
  /// The disk is well again.
  RecordedLife& disarm();
  /// From now on every call must work again.
  RecordedLife& must_work();
  /// `calls` calls of all kinds on up to `runs` runs, chosen by the seed.
  RecordedLife& anything(int calls, int runs = 12);

  /// Ends the recording: closes nothing, as a kill would.
  void stop();

  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] bool is_open() const { return store_ != nullptr; }
  [[nodiscard]] bool fault_met() const { return recorder_->fault_met(); }
  [[nodiscard]] size_t fault_position() const { return recorder_->fault_position(); }
  [[nodiscard]] const std::string& fault_path() const { return recorder_->fault_path(); }
  [[nodiscard]] const std::vector<WatchedCall>& watched_calls() const { return recorder_->calls(); }
  /// An update was refused because the log had failed: until the next open no call may be acknowledged.
  [[nodiscard]] bool latched() const { return latched_; }
  /// It was, at some time.
  [[nodiscard]] bool has_latched() const { return has_latched_; }
  /// How many calls failed that might have worked on a better disk.
  [[nodiscard]] size_t failed_calls() const { return failed_calls_; }
  [[nodiscard]] const SimulatedDisk& first_disk() const { return first_disk_; }
  [[nodiscard]] const std::vector<DiskOperation>& log() const { return recorder_->log(); }
  [[nodiscard]] const RunHistory& history() const { return history_; }
  [[nodiscard]] const LifeOptions& options() const { return options_; }
  [[nodiscard]] const FakeClock& clock() const { return host_.clock(); }
  [[nodiscard]] uint64_t boot() const { return boot_; }
  [[nodiscard]] engine::StoreStats stats() { return store_->stats(); }
  /// What the call was that the operation at `position` belongs to.
  [[nodiscard]] std::string call_at(size_t position) const;
  /// Empty, or how the recorded disk differs from the files that are really there.
  [[nodiscard]] std::string difference_to_real_files();

 private:
  struct Call {
    size_t begin;
    std::string text;
  };
  size_t begin(std::string text);
  /// What became of a call on `ids` (empty: on any run). True when it worked.
  bool end(Status status, size_t begin, const std::vector<std::string>& ids, Durability durability);
  void observe(const std::string& id, size_t begin);
  void note_failure(const std::string& what, Status status);
  /// Whether the error is one that a failing disk explains.
  void check_error(Status status, bool on_runs);
  RunState current(const std::string& id);
  engine::Run* run(const std::string& id);
  /// The call failed on a run that was `before`; `change` makes of it what the call wanted.
  template <class Change>
  void suspect(engine::RunRecord before, size_t begin, Change&& change);
  void suspect_operation(const std::optional<engine::RunRecord>& before, const engine::Operation& op, size_t begin);
  /// step() may mark runs of other sessions as crashed.
  void suspect_marks(size_t begin);
  std::optional<engine::RunRecord> record(const std::string& id);
  /// Of a call that may fail, for suspect().
  std::optional<engine::RunRecord> record_if_may_fail(const std::string& id) {
    return may_fail_ ? record(id) : std::nullopt;
  }
  /// A call that changes one run besides its document.
  template <class Act, class Change>
  RecordedLife& change(const std::string& text, const std::string& id, Durability durability, Act&& act,
                       Change&& change);
  bool wants_power(Durability d) const {
    return (d == Durability::kDefault ? options_.durability : d) == Durability::kPower;
  }
  std::vector<std::string> alive();
  engine::Operation any_operation(const std::string& id);
  void any_call(int runs);

  const LifeOptions options_;
  ScratchDirectory directory_;
  const uint64_t boot_;
  SimulatedDisk first_disk_;
  SeededHost host_;
  SeededRandom script_;
  std::unique_ptr<DiskRecorder> recorder_;
  std::unique_ptr<wal::Files> files_;
  std::unique_ptr<engine::Store> store_;
  std::map<std::string, engine::RunRef> handles_;
  RunHistory history_;
  bool after_crash_;
  bool may_fail_ = false;
  bool latched_ = false;
  bool fault_judged_ = false;
  bool has_latched_ = false;
  size_t failed_calls_ = 0;
  std::vector<Call> calls_;
  struct Unsynced {
    std::string id;
    size_t state;
    uint64_t epoch;
  };
  std::map<std::string, size_t> tracked_;
  std::vector<Unsynced> unsynced_;  // promised against power cuts once durable_epoch() reaches the epoch
  std::map<std::string, int> rotation_;
  std::string failure_;
};

}  // namespace cairn::testing
