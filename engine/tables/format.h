// Keys and value framing of the tables. TABLES.md has the layout. Private to this folder.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/records/run_record.h"

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
  kTexts = 13,
  kByCreated = 14,
  kByBatch = 15,
  kNotes = 16,
  kNotesOrder = 17,
  kRequests = 18,
  kRequestsOrder = 19,
};
// kMeta must be last: see tables/birth.cc.
inline constexpr std::array<Table, 19> kTables = {
    Table::kRuns,       Table::kByStatus,    Table::kByUpdated,     Table::kByParent, Table::kByTask,
    Table::kOutbox,     Table::kOutboxOrder, Table::kInflight,      Table::kCursors,  Table::kDead,
    Table::kTombstones, Table::kTexts,       Table::kByCreated,     Table::kByBatch,  Table::kNotes,
    Table::kNotesOrder, Table::kRequests,    Table::kRequestsOrder, Table::kMeta};
inline constexpr std::array<Table, 6> kIndexes = {Table::kByStatus, Table::kByUpdated, Table::kByParent,
                                                  Table::kByTask,   Table::kByCreated, Table::kByBatch};
const char* table_name(Table t);

/// LMDB's limit, compiled into Debian's library.
inline constexpr size_t kTableKeyBytesMax = 511;
inline constexpr size_t kChecksumBytes = 8;
inline constexpr uint32_t kTablesFormat = 2;

namespace meta_key {
inline constexpr std::string_view kFormat = "format";
inline constexpr std::string_view kStore = "store";
inline constexpr std::string_view kAppliedLsn = "applied_lsn";
inline constexpr std::string_view kSession = "session";
inline constexpr std::string_view kTouch = "touch";
inline constexpr std::string_view kLife = "life";
inline constexpr std::string_view kSync = "sync";
inline constexpr std::string_view kUnsent = "unsent";
inline constexpr std::string_view kAsked = "asked";
}  // namespace meta_key

/// `value` is kChecksumBytes of room, then the payload: fills in the checksum.
void seal_value(Table t, std::string_view key, std::string& value);
std::string sealed_value(Table t, std::string_view key, std::string_view payload);
/// The payload; nullopt if the checksum does not match table, key and payload.
std::optional<std::string_view> open_value(Table t, std::string_view key, std::string_view value);

std::string encode_u32(uint32_t v);
std::string encode_u64(uint64_t v);
std::optional<uint32_t> decode_u32(std::string_view payload);
std::optional<uint64_t> decode_u64(std::string_view payload);

inline constexpr size_t kLifeBytes = 24;  // of meta `life`: incarnation, boot id

/// Keys of kOutboxOrder: what has waited longest comes first.
std::string outbox_order_key(uint64_t since_lsn, std::string_view id);
/// The id in it; nullopt if it is not such a key.
std::optional<std::string_view> id_of_order_key(std::string_view key);

/// The record's key in each of kIndexes; empty if it has no entry there. Needs only the head of the record.
using IndexKeys = std::array<std::string, kIndexes.size()>;
IndexKeys index_keys(const RunRecord& r);
std::string index_key(Table index, const RunRecord& r);
/// The key in an index, or without id its beginning.
std::string by_status_key(RunStatus status, int64_t updated_us, std::string_view id = {});
std::string by_updated_key(int64_t updated_us, std::string_view id = {});
std::string by_parent_key(std::string_view parent, std::string_view id = {});
std::string by_task_key(std::string_view task, std::string_view id = {});
/// Without an id the beginning of the keys of that index.
std::string by_batch_key(std::string_view batch, uint32_t index, std::string_view id = {});
/// The beginning of all keys of the batch.
std::string by_batch_prefix(std::string_view batch);
/// Of a key that is one of by_batch.
uint32_t batch_index_of_key(std::string_view key);

/// In kTexts: the run, and which of its texts.
std::string text_key(std::string_view id, TextKind kind);
/// The id in it; nullopt if it is not such a key.
std::optional<std::string_view> id_of_text_key(std::string_view key);
std::string encode_text(const TypedText& text);
std::optional<TypedText> decode_text(std::string_view payload);
/// The id at the end of an index key; nullopt if the key cannot be one of `index`.
std::optional<std::string_view> id_of_index_key(Table index, std::string_view key);
/// The time in such a key of `by_status`, `by_updated` or `by_created`.
int64_t time_of_index_key(Table index, std::string_view key);

}  // namespace cairn::engine
