// What a receiver keeps of an owner beside its streams: who it says it is, and when it was heard of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/records/home_store.h"
#include "engine/sync/about.h"
#include "engine/sync/message.h"
#include "engine/tables/tables_txn.h"
#include "wal/function_ref.h"

namespace cairn::engine::sync {

struct HeardOwner {
  About about;           // empty: it told nothing
  int64_t heard_us = 0;  // wall clock of its last message
  int64_t taken_us = 0;  // wall clock of its last batch that was taken; 0: none since this is kept
  bool operator==(const HeardOwner&) const = default;
};

/// Among the cursors; no stream, and no record of a live stream, has such a key.
std::string heard_owner_key(const OwnerId& owner);
std::string encode_heard_owner(const HeardOwner& heard);
Result<HeardOwner> decode_heard_owner(std::string_view payload);
/// Visits all of them. Those that cannot be decoded are passed over.
Status each_heard_owner(TablesTxn& txn, const FunctionRef<void(const OwnerId&, HeardOwner&&)>& visit);

/// Since when (wall clock) somebody listens: the last open that knew an owner. 0: none did. A row of its own among the
/// cursors.
Result<int64_t> listening_since(TablesTxn& txn);
Status keep_listening_since(TablesTxn& txn, int64_t wall_us);

/// `silent_ms`: for so long it has not been heard of, while somebody was there to hear it.
HomeStore home_store_of(const OwnerId& owner, const HeardOwner& heard, int64_t silent_ms);

}  // namespace cairn::engine::sync
