// A host that carries the messages of its store itself: over what, is its own business. This network loses the first
// one. With HTTP, cairn::Upstream does all of this (upstream.cc).
#include <cairn/cairn.hpp>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <thread>

// There and back: the answer, or nothing if it got lost.
static std::optional<std::string> carry(cairn::Store& relay, std::string_view message) {
  static int messages = 0;
  if (++messages == 1) {
    return std::nullopt;
  }
  std::string answer;
  relay.sync().receive(message, [&answer](std::string_view bytes) { answer = bytes; });
  return answer;
}

int main() {
  cairn::Store relay = cairn::Store::open("relay");  // in life of another process, on another machine
  cairn::Store store = cairn::Store::open("store");
  cairn::Sync sync = store.sync();
  sync.attach("the relay");
  store.start({"training"}).set("epoch", 3).increment("steps", 100);
  store.barrier();  // only what is durable is sent
  while (!sync.state().all_acknowledged) {
    std::string message;
    const auto again = sync.next([&message](std::string_view bytes) { message = bytes; });
    if (message.empty()) {
      std::this_thread::sleep_for(again.value_or(std::chrono::milliseconds(10)));
    } else if (const std::optional<std::string> answer = carry(relay, message)) {
      sync.feed(*answer);
    } else {
      sync.failed(cairn::SyncFailure::kTransient, "the cable is out");
      std::cout << sync.state().last_error << "\n";
    }
  }
  std::cout << relay.find("training")->text() << "\n";
}
