// Sends what slots have whose workers are gone, through the relay of their directory.
//
// Invariants:
// - a slot is opened only if nobody has had it for a while, and is let go of after moments: a worker that takes it up
//   again comes first. Only at the end nothing is waited for;
// - a slot that was emptied, or passed over, is looked at again only after somebody has had it open: LOCK says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "engine/store/store.h"
#include "tools/output/exit_code.h"
#include "tools/output/globals.h"
#include "tools/store/relay_socket.h"
#include "tools/sync/carrier.h"

namespace cairn::tools {

class SlotDrain {
 public:
  struct Options {
    std::string directory;  // that the slots are in, as an absolute path
    uint32_t metadata_bytes_max = 4096;
  };
  struct Counters {
    uint64_t emptied = 0;  // how often something of a slot was sent, and all of it arrived
    // Of the slots that have no owner now:
    uint64_t passed_over = 0;  // cannot be emptied
    uint64_t waiting = 0;      // may have something that was not sent
    Exit exit = Exit::kDone;   // of both the worst
  };

  /// On a thread of its own, until stop(). The relay listens already. `globals` outlives it.
  SlotDrain(const Globals& globals, Options options);
  ~SlotDrain() { stop(); }
  SlotDrain(const SlotDrain&) = delete;
  SlotDrain& operator=(const SlotDrain&) = delete;
  /// Lets go of the slot that is being emptied.
  void stop();
  /// After stop(): empties what has no owner now, until `until_ms` (monotonic) or an interrupt. The relay listens still.
  Counters end(int64_t until_ms);

 private:
  struct Log;
  struct Slot {
    std::string lock;           // as lock_mark() when nobody had it, or when this had it; "": it had an owner
    int64_t free_since_ms = 0;  // with this lock
    bool done = false;          // likewise: it was emptied, or passed over until `again_ms`
    int64_t again_ms = 0;
    std::string told;              // why it was passed over; "": it is not
    std::set<std::string> warned;  // what its log said
    Exit exit = Exit::kDone;
  };

  void work();
  void look();
  void look_at(uint32_t number);
  void empty(uint32_t number, Slot& slot);
  [[nodiscard]] Counters count() const;
  /// Sends what the open store has. False: another time.
  bool send(uint32_t number, Slot& slot, engine::Store& store);
  void pass_over(uint32_t number, Slot& slot, const std::string& why, Exit exit);
  void pass_over(uint32_t number, Slot& slot, Status status);
  [[nodiscard]] bool stops() const;
  [[nodiscard]] std::string place(uint32_t number) const;

  const Globals& globals_;
  const Options options_;
  const std::string address_;  // of the relay
  std::unique_ptr<Carrier> carrier_;
  std::map<uint32_t, Slot> slots_;
  uint64_t emptied_ = 0;
  std::string trouble_;  // that was told last, of the directory
  std::atomic<bool> ends_{false};
  std::optional<int64_t> last_until_ms_;  // of end(), when there is no thread any more
  std::thread thread_;
};

}  // namespace cairn::tools
