#include "engine/maintenance/repaired_sync.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "engine/base/error_detail.h"
#include "engine/sync/heard_owner.h"
#include "engine/sync/receiver.h"
#include "engine/sync/sender_state.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

using Kept = TablesSalvage::Kept;

// If the end of the log is lost, the cursor in the tables may be newer.
void merge_cursor(std::string& of_tables, const std::string& of_log) {
  auto tables = decode_cursor(of_tables);
  auto log = decode_cursor(of_log);
  if (log.ok() &&
      (!tables.ok() || log->seq > tables->seq || (log->seq == tables->seq && is_zero(tables->retired_by)))) {
    of_tables = of_log;
  }
}

// Finds the live stream of each owner by the cursors.
std::map<std::string, std::string> live_streams(const std::map<std::string, std::string>& cursors) {
  std::map<OwnerId, LiveStream> live;
  for (const auto& [key, payload] : cursors) {
    auto cursor = decode_cursor(payload);
    if (!cursor.ok() || !is_zero(cursor->retired_by)) {
      continue;
    }
    if (LiveStream& of = live[cursor->owner]; cursor->generation >= of.generation) {
      of.generation = cursor->generation;
      std::memcpy(of.stream.data(), key.data(), std::min(of.stream.size(), key.size()));
    }
  }
  std::map<std::string, std::string> all;
  for (const auto& [owner, of] : live) {
    all[live_stream_key(owner)] = encode_live_stream(of);
  }
  return all;
}

}  // namespace

Result<std::vector<Kept>> repaired_sync(const TablesSalvage& tables, const std::vector<Tables::CursorChange>& cursors,
                                        const Hooks& hooks) {
  std::vector<Kept> keep;
  std::map<std::string, std::string> streams;
  for (const Kept& kept : tables.sync) {
    const bool is_cursor = kept.table == Table::kCursors;
    if (is_cursor && kept.key.size() == std::tuple_size_v<StreamId>) {
      streams[kept.key] = kept.payload;
    } else if (!is_cursor || decode_heard_owner(kept.payload).ok()) {
      keep.push_back(kept);
    }
  }
  for (const Tables::CursorChange& cursor : cursors) {
    if (cursor.key.size() == std::tuple_size_v<StreamId>) {
      merge_cursor(streams[cursor.key], cursor.payload);
    }
  }
  streams.merge(live_streams(streams));
  for (const auto& [key, payload] : streams) {
    keep.push_back({Table::kCursors, key, payload});
  }
  if (!tables.sender_state && tables.meta_whole) {
    return keep;  // it never had an upstream
  }
  auto before = tables.sender_state ? decode_sender_state(*tables.sender_state) : SenderState();
  if (!before.ok() && before.code() == Code::kVersion) {
    return fail(before.status(), before.status().what);
  }
  SenderState state;
  if (before.ok()) {
    state.owner = before->owner;
    state.generation = before->generation;
    state.former = before->former;
    state.add_former(before->stream);
  }
  // If the state is lost, a person must say under which name the store sent: it may have been a copy.
  state.halt = tables.sender_state && before.ok() ? before->halt : Halt::kCopied;
  state.pull = Pull::kRestored;
  hooks.random_bytes(hooks.context, &state.pull_number, sizeof state.pull_number);
  keep.push_back({Table::kMeta, std::string(meta_key::kSync), encode_sender_state(state)});
  return keep;
}

}  // namespace cairn::engine::sync
