// The upstream: messages out, answers in, and its state.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "api/handles.h"
#include "api/structs.h"
#include "engine/json/json.h"
#include "engine/store/store_storage.h"
#include "engine/store/upstream.h"
#include "engine/sync/receiver.h"

using cairn::Code;
using cairn::Status;
using cairn::api::check_bytes;
using cairn::api::check_writable;
using cairn::api::guarded;
using cairn::api::invalid;
using cairn::api::kInputBytesMax;
using cairn::api::view_of;
using cairn::engine::Store;
using cairn::engine::Upstream;
namespace sync_engine = cairn::engine::sync;

/// Receives messages of other stores.
struct cairn::api::Receiving {
  explicit Receiving(Store& store) : storage(store), receiver(storage) {}
  sync_engine::StoreStorage storage;
  sync_engine::Receiver receiver;
};

namespace {

sync_engine::Receiver& receiver_of(cairn_store* store) {
  std::call_once(store->receives,
                 [store] { store->receiving = std::make_shared<cairn::api::Receiving>(*store->engine); });
  return store->receiving->receiver;
}

constexpr size_t kLettersAtOnce = 1000;
constexpr int64_t kForeverMs = int64_t{1000} * 365 * 86'400'000;  // can be added to any clock without overflow

/// Replaces bytes that are not UTF-8 by question marks: a transport quotes texts of proxies.
std::string utf8_of(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t bytes = 1;
    while (bytes <= 4 && !cairn::engine::valid_utf8(text.substr(0, bytes))) {
      ++bytes;
    }
    const bool valid = bytes <= 4 && bytes <= text.size();
    out += valid ? text.substr(0, bytes) : "?";
    text.remove_prefix(valid ? bytes : 1);
  }
  return out;
}

void copy_text(const std::string& text, char* out, size_t capacity) {
  size_t bytes = std::min(text.size(), capacity - 1);
  // Do not cut within a character.
  while (bytes > 0 && bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) {
    --bytes;
  }
  std::memcpy(out, text.data(), bytes);
  out[bytes] = '\0';
}

/// A field that is 0 changes nothing.
void change(sync_engine::SenderOptions& o, const cairn_sync_options& given) {
  const auto take = [](auto& ours, uint64_t theirs) {
    ours = theirs == 0 ? ours : static_cast<std::remove_reference_t<decltype(ours)>>(theirs);
  };
  const auto bound = [&take](uint64_t& ours, uint64_t theirs) {
    take(ours, theirs);
    ours = ours == UINT64_MAX ? 0 : ours;
  };
  take(o.limits.entries, given.batch_runs_max);
  take(o.limits.bytes, given.batch_bytes_max);
  take(o.interval_ms, given.interval_ms);
  bound(o.bytes_per_s, given.bytes_per_s);
  bound(o.requests_per_s, given.requests_per_s);
  bound(o.unsynced_runs_max, given.unsynced_runs_max);
  auto unsynced_ms_max = static_cast<uint64_t>(o.unsynced_ms_max);
  bound(unsynced_ms_max, given.unsynced_ms_max);
  o.unsynced_ms_max = static_cast<int64_t>(std::min<uint64_t>(unsynced_ms_max, INT64_MAX / 1000));
  o.drop_finished = o.drop_finished || given.drop_finished != 0;
  if (given.poll_interval_ms != 0) {
    o.poll_interval_ms = given.poll_interval_ms == UINT32_MAX ? 0 : int64_t{given.poll_interval_ms};
  } else if (!o.poll_interval_ms) {
    o.poll_interval_ms = sync_engine::kPollIntervalMs;
  }
  o.stays = true;
}

int64_t from_now(int64_t due_ms, int64_t now_ms) {
  return due_ms == INT64_MAX ? -1 : std::max<int64_t>(0, due_ms - now_ms);
}

}  // namespace

extern "C" {

cairn_status cairn_sync_attach(cairn_store* store, const char* name, const cairn_sync_options* options) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (name == nullptr) {
      return invalid("the upstream's name: a null pointer");
    }
    cairn_sync_options given = {};
    if (options != nullptr) {
      CAIRN_TRY(cairn::api::read_struct(options, given,
                                        "cairn_sync_options: struct_bytes does not fit, or a newer option is set"));
    }
    return store->engine->upstream().attach_with(name, [&given](sync_engine::SenderOptions& o) { change(o, given); });
  });
}

cairn_status cairn_sync_detach(cairn_store* store) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    return store->engine->upstream().detach();
  });
}

cairn_status cairn_sync_next(cairn_store* store, void (*give)(void* context, const void* bytes, size_t count),
                             void* context, int64_t* in_ms) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (give == nullptr) {
      return invalid("give: a null pointer");
    }
    std::string message;
    int64_t due = 0;
    CAIRN_TRY(store->engine->upstream().next(message, &due));
    if (in_ms != nullptr) {
      *in_ms = from_now(due, store->engine->monotonic_ms());
    }
    if (!message.empty()) {
      give(context, message.data(), message.size());
    }
    return {};
  });
}

cairn_status cairn_sync_feed(cairn_store* store, const void* answer, size_t answer_bytes) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    CAIRN_TRY(check_bytes(answer, answer_bytes, kInputBytesMax, "answer: a null pointer"));
    return store->engine->upstream().feed(view_of(answer, answer_bytes));
  });
}

cairn_status cairn_sync_failed(cairn_store* store, int32_t why, const char* text, int64_t retry_after_ms) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (why < CAIRN_SYNC_TRANSIENT || why > CAIRN_SYNC_PROTOCOL) {
      return invalid("why: not one of CAIRN_SYNC_TRANSIENT to CAIRN_SYNC_PROTOCOL");
    }
    return store->engine->upstream().failed(static_cast<sync_engine::Failure>(why),
                                            utf8_of(text == nullptr ? "no answer" : text),
                                            std::clamp<int64_t>(retry_after_ms, 0, kForeverMs));
  });
}

cairn_status cairn_sync_receive(cairn_store* store, const void* message, size_t message_bytes,
                                void (*reply)(void* context, const void* bytes, size_t count), void* context) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (reply == nullptr) {
      return invalid("reply: a null pointer");
    }
    CAIRN_TRY(check_bytes(message, message_bytes, kInputBytesMax, "message: a null pointer"));
    Status status;
    const std::string answer = receiver_of(store).handle(view_of(message, message_bytes), &status);
    reply(context, answer.data(), answer.size());
    return status;
  });
}

cairn_status cairn_sync_control(cairn_store* store, int32_t what) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    switch (what) {
      case CAIRN_SYNC_HURRY:
        return store->engine->upstream().control(Upstream::Control::kHurry);
      case CAIRN_SYNC_PAUSE:
        return store->engine->upstream().control(Upstream::Control::kPause);
      case CAIRN_SYNC_RESUME:
        return store->engine->upstream().control(Upstream::Control::kResume);
      case CAIRN_SYNC_MOVED:
      case CAIRN_SYNC_COPIED:
        return store->engine->upstream().resolve_copy(what == CAIRN_SYNC_MOVED);
      default:
        return invalid("what: not one of CAIRN_SYNC_HURRY to CAIRN_SYNC_COPIED");
    }
  });
}

cairn_status cairn_sync_get_state(cairn_store* store, const char* run, cairn_sync_state* state) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (state == nullptr) {
      return invalid("state: a null pointer");
    }
    Upstream::State all;
    CAIRN_TRY(store->engine->upstream().state(all));
    cairn_sync_state out = {};
    out.flags = (all.sender.attached ? CAIRN_SYNC_STATE_ATTACHED : 0) | (all.paused ? CAIRN_SYNC_STATE_PAUSED : 0) |
                (all.over_unsynced ? CAIRN_SYNC_STATE_BACKLOG : 0) |
                (all.sender.halt == sync_engine::Halt::kCopied ? CAIRN_SYNC_STATE_COPIED : 0) |
                (all.sender.halt == sync_engine::Halt::kForked ? CAIRN_SYNC_STATE_FORKED : 0);
    bool acknowledged = all.all_acknowledged;
    out.waiting_runs = all.waiting.runs;
    out.held_runs = all.waiting.held;
    out.unsent_records = all.not_folded + all.not_logged;
    out.in_flight_runs = all.in_flight_entries;
    out.in_flight_bytes = all.in_flight_bytes;
    out.oldest_us = all.waiting.oldest_us;
    out.next_try_ms = all.sender.attached ? from_now(all.next_ms, all.now_ms) : -1;
    out.failures = all.failures;
    out.batches = all.sender.batches;
    out.lost_deltas = all.sender.lost_deltas;
    out.dropped_runs = all.dropped_runs;
    copy_text(all.last_error, out.last_error, sizeof out.last_error);
    if (run != nullptr && !all.sender.attached) {
      auto seen = store->engine->peek(run, false);
      CAIRN_TRY(seen.status());
      if (!*seen || (*seen)->erased) {
        return {Code::kNoSuchRun, "there is no such run in this store"};
      }
      out.sequence = (*seen)->record.sequence;
    } else if (run != nullptr) {
      Upstream::RunState of;
      CAIRN_TRY(store->engine->upstream().state(run, of));
      acknowledged = of.all_acknowledged;
      out.acknowledged = of.outbox.acked_sequence;
      out.sequence = of.sequence;
      out.waiting_runs = of.all_acknowledged ? 0 : 1;
      out.held_runs = of.outbox.held ? 1 : 0;
      out.in_flight_runs = of.outbox.in_flight ? 1 : 0;
      out.oldest_us = of.outbox.since_us;
      out.flags |= of.outbox.ships_forms ? CAIRN_SYNC_STATE_FORMS : 0;
    }
    out.flags |= acknowledged ? CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED : 0;
    return cairn::api::write_struct(out, state, "cairn_sync_state: struct_bytes");
  });
}

cairn_status cairn_sync_wait(cairn_store* store, int64_t timeout_ms) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    const int64_t deadline = store->engine->monotonic_ms() + std::clamp<int64_t>(timeout_ms, 0, kForeverMs);
    return store->engine->wait_synced(timeout_ms < 0 ? INT64_MAX : deadline);
  });
}

cairn_status cairn_sync_release(cairn_store* store, const char* run, int32_t how) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (run == nullptr || how < CAIRN_SYNC_RETRY || how > CAIRN_SYNC_REPLACE) {
      return invalid("run, how: a null pointer, or not one of CAIRN_SYNC_RETRY to CAIRN_SYNC_REPLACE");
    }
    return store->engine->upstream().release_dead(run, static_cast<sync_engine::Outbox::Release>(how));
  });
}

cairn_status cairn_sync_dead_letters(cairn_store* store,
                                     int32_t (*visit)(void* context, const char* run, const char* reason,
                                                      int64_t since_us),
                                     void* context) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (visit == nullptr) {
      return invalid("visit: a null pointer");
    }
    std::vector<std::pair<std::string, sync_engine::DeadLetter>> letters;
    std::string after;
    do {
      CAIRN_TRY(store->engine->upstream().dead_letters(kLettersAtOnce, letters, after));
      for (const auto& [id, letter] : letters) {
        if (visit(context, id.c_str(), letter.text.c_str(), letter.since_us) != 0) {
          return {};
        }
        after = id;
      }
    } while (letters.size() == kLettersAtOnce);
    return {};
  });
}

}  // extern "C"
