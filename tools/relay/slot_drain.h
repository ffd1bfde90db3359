// Sends what slots have whose workers are gone, through the relay of their directory.
//
// Invariants:
// - a slot is opened only if nobody has had it for a while, and is let go of after moments: a worker that takes it up
//   again comes first;
// - a slot that was emptied, or passed over, is looked at again only after somebody has had it open: LOCK says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
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
    uint64_t emptied = 0;      // how often something of a slot was sent, and all of it arrived
    uint64_t passed_over = 0;  // slots now that cannot be emptied
    Exit exit = Exit::kDone;   // of those the worst
  };

  /// On a thread of its own, until end(). The relay listens already. `globals` outlives it.
  SlotDrain(const Globals& globals, Options options);
  ~SlotDrain() { (void)end(); }
  SlotDrain(const SlotDrain&) = delete;
  SlotDrain& operator=(const SlotDrain&) = delete;
  /// Lets go of the slot that is being emptied.
  Counters end();

 private:
  struct Slot {
    std::string lock;           // as lock_mark() when nobody had it, or when this had it; "": it had an owner
    int64_t free_since_ms = 0;  // with this lock
    bool done = false;          // likewise: it was emptied, or passed over until `again_ms`
    int64_t again_ms = 0;
    std::string told;  // why it was passed over
    Exit exit = Exit::kDone;
  };

  void work();
  void look();
  void look_at(uint32_t number);
  void empty(uint32_t number, Slot& slot);
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
  std::thread thread_;
};

}  // namespace cairn::tools
