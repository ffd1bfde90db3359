// A store whose runs go to a `cairn serve` by themselves, now or when there is a network again. Link cairn::upstream,
// too.
#include <cairn/cairn.hpp>
#include <cairn/upstream.hpp>
#include <chrono>
#include <iostream>

int main(int, char** argv) {
  using namespace std::chrono_literals;
  auto store = cairn::Store::open("metadata");
  cairn::UpstreamOptions to;
  to.url = argv[1];                                  // https://runs.example:4020
  to.token_environment = "CAIRN_TOKEN";              // or token_file
  auto upstream = cairn::Upstream::open(store, to);  // closed before the store

  auto run = store.start({"train-1"});
  run.set("phase", "training").increment("steps", 3);  // waits for no network
  run.finish();

  if (const auto sent = upstream.try_flush(60s); !sent.ok()) {  // only who must know waits
    std::cout << "not yet upstream: " << sent.what << "\n";
    return 1;
  }
  std::cout << "upstream: " << run.text() << "\n";
}
