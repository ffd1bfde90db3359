// Keys and value framing of the tables. The layout stands in TABLES.md. Private to tables*.cc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/run_record.h"

namespace cairn::engine {

/// Seeds the checksums of the table's values; never renumbered.
enum class Table : uint8_t {
  kRuns = 1,
  kByStatus = 2,
  kByUpdated = 3,
  kByParent = 4,
  kByTask = 5,
  kMeta = 6,
  kOutbox = 7,
  kOutboxOrder = 8,
  kInflight = 9,
  kCursors = 10,
  kDead = 11,
  kTombstones = 12,
};
// The last one is kMeta: see tables_birth.cc.
inline constexpr std::array<Table, 12> kTables = {
    Table::kRuns,        Table::kByStatus, Table::kByUpdated, Table::kByParent, Table::kByTask,     Table::kOutbox,
    Table::kOutboxOrder, Table::kInflight, Table::kCursors,   Table::kDead,     Table::kTombstones, Table::kMeta};
/// Not in the first stores: made when one of those is opened for writing.
inline constexpr bool is_later_table(Table t) { return t >= Table::kOutbox; }
inline constexpr std::array<Table, 4> kIndexes = {Table::kByStatus, Table::kByUpdated, Table::kByParent,
                                                  Table::kByTask};
const char* table_name(Table t);

/// LMDB's limit, compiled into Debian's library.
inline constexpr size_t kTableKeyBytesMax = 511;
inline constexpr size_t kChecksumBytes = 8;
inline constexpr uint32_t kTablesFormat = 1;

namespace meta_key {
inline constexpr std::string_view kFormat = "format";
inline constexpr std::string_view kStore = "store";
inline constexpr std::string_view kAppliedLsn = "applied_lsn";
inline constexpr std::string_view kSession = "session";
inline constexpr std::string_view kTouch = "touch";
inline constexpr std::string_view kLife = "life";
inline constexpr std::string_view kSync = "sync";
inline constexpr std::string_view kUnsent = "unsent";
}  // namespace meta_key

/// `value` begins with kChecksumBytes of room, the payload behind it: fills in the checksum.
void seal_value(Table t, std::string_view key, std::string& value);
std::string sealed_value(Table t, std::string_view key, std::string_view payload);
/// The payload, or nothing when the checksum does not fit table, key and payload.
std::optional<std::string_view> open_value(Table t, std::string_view key, std::string_view value);

std::string encode_u32(uint32_t v);
std::string encode_u64(uint64_t v);
std::optional<uint32_t> decode_u32(std::string_view payload);
std::optional<uint64_t> decode_u64(std::string_view payload);

inline constexpr size_t kLifeBytes = 24;  // of meta `life`: incarnation, boot id

/// Keys of kOutboxOrder: what has waited longest comes first.
std::string outbox_order_key(uint64_t since_lsn, std::string_view id);
/// The id in it; nothing when it is none.
std::optional<std::string_view> id_of_order_key(std::string_view key);

/// The record's key in each of kIndexes; empty where it has no entry. Needs the head of the record only.
using IndexKeys = std::array<std::string, kIndexes.size()>;
IndexKeys index_keys(const RunRecord& r);
std::string index_key(Table index, const RunRecord& r);
/// Keys of an index, or without id what they begin with.
std::string by_status_key(RunStatus status, int64_t updated_us, std::string_view id = {});
std::string by_updated_key(int64_t updated_us, std::string_view id = {});
std::string by_parent_key(std::string_view parent, std::string_view id = {});
std::string by_task_key(std::string_view task, std::string_view id = {});
/// The id at the end of an index key; nothing when the key cannot be one of `index`.
std::optional<std::string_view> id_of_index_key(Table index, std::string_view key);
/// The time in such a key of `by_status` or `by_updated`.
int64_t time_of_index_key(Table index, std::string_view key);

}  // namespace cairn::engine
