// Carries a store's messages to its upstream and the answers back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/store/store.h"

namespace cairn::tools {

class Carrier {
 public:
  virtual ~Carrier() = default;
  enum class Went : uint8_t { kAnswered, kFailed, kWaits, kInterrupted };
  /// Gives `message` to the other side, and what comes of it to the store. kWaits: the answer comes another time.
  virtual Status carry(engine::Store& store, const std::string& message, int64_t until_ms, Went& went) = 0;

  /// Around all messages of one command: the first takes what an answer beside them brought of others' writes, the
  /// other one asks for more.
  virtual Status take_carried(engine::Store& /*store*/) { return {}; }
  virtual Status ask_carried(engine::Store& /*store*/) { return {}; }

  /// Where the last message was denied: another token is tried at once, and why there is none is told to the store.
  /// Cheap: for a loop.
  virtual Status try_another_token(engine::Store& /*store*/) { return {}; }

  uint64_t messages = 0;  // that were sent; over the network only
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  bool asks = false;             // a question about others' writes lies there and has no answer yet
  bool failed_for_good = false;  // the last message; it fails again until somebody changes something
  std::string warning;           // of how it was made, for people; empty: nothing
  std::string mended;            // on the way, for people; empty: nothing
};

struct HttpUpstream {
  std::string url;
  std::string token_file;             // else the environment's CAIRN_TOKEN, if it is set
  std::string remembered_token_file;  // else this one, if it is named
  std::string ca_file;
  int64_t timeout_ms = 30'000;
};
/// Errors: as http_client::Client::open, Secret::from_file.
Result<std::unique_ptr<Carrier>> make_http_carrier(const HttpUpstream& upstream);

/// Messages and answers are files in a directory, which travels by itself (folder_exchange.h).
std::unique_ptr<Carrier> make_folder_carrier(std::string directory);

struct DriveResult {
  uint64_t messages = 0;
  uint64_t resent = 0;        // of those, the same as one before, to the byte
  uint64_t waited_runs = 0;   // at the beginning
  uint64_t waiting_runs = 0;  // now
  bool waits = false;         // for an answer that comes another time
  bool denied = false;
  bool for_good = false;  // the last message failed, and fails again until somebody changes something
  bool answered = false;  // by an upstream, at least once
  bool all_acknowledged = false;
  std::string last_error;
};
/// Sends until everything that was updated before the call is acknowledged, nothing more can be done, or `until_ms`
/// (monotonic) passed. What only fails again ends it at once. `progress` is called after each message.
Status drive(engine::Store& store, Carrier& carrier, int64_t until_ms, DriveResult& result,
             const std::function<void(const DriveResult&)>& progress);

/// Hands out one message, if there is one now, and carries it. For a loop that does other things, too.
Status forward(engine::Store& store, Carrier& carrier, int64_t until_ms);

int64_t monotonic_ms();

}  // namespace cairn::tools
