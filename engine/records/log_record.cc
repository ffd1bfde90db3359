#include "engine/records/log_record.h"

#include <algorithm>
#include <cassert>

#include "engine/base/raw_fields.h"
#include "engine/json/json.h"
#include "engine/json/msgpack.h"
#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"

namespace cairn::engine {

namespace {

constexpr uint8_t kPartHasOrigin = 1;
constexpr uint8_t kOthersWrite = 2;
constexpr uint8_t kPartFlags = 0x0f;
constexpr int kPartHopsShift = 4;  // hops are the upper four bits of the byte
constexpr Status kBad(Code::kCorrupt, "malformed log record");

bool take_identity(std::string_view& from, std::string_view& id, uint64_t& created_lsn) {
  uint8_t bytes;
  if (!take(from, bytes) || bytes == 0 || bytes > 64 || from.size() < bytes) {
    return false;
  }
  id = from.substr(0, bytes);
  from.remove_prefix(bytes);
  return take(from, created_lsn);
}

bool take_identity(std::string_view& from, std::string& id, uint64_t& created_lsn) {
  std::string_view read;
  const bool taken = take_identity(from, read, created_lsn);
  id = read;
  return taken;
}

}  // namespace

void append_diff_prefix(std::string& out, std::string_view id, uint64_t created_lsn) {
  out.push_back(static_cast<char>(id.size()));
  out.append(id);
  put(out, created_lsn);
}

void append_run_diff(std::string& out, const RunDiff& d) {
  append_diff_prefix(out, d.id, d.created_lsn);
  append_diff(out, d.diff);
}

Result<RunDiff> decode_run_diff(std::string_view payload) {
  RunDiff d;
  if (!take_identity(payload, d.id, d.created_lsn)) {
    return kBad;
  }
  CAIRN_TRY_ASSIGN(d.diff, decode_diff(payload));
  return d;
}

Result<RunDiffHead> decode_run_diff_head(std::string_view payload) {
  RunDiffHead d;
  if (!take_identity(payload, d.id, d.created_lsn)) {
    return kBad;
  }
  CAIRN_TRY_ASSIGN(const auto&& head, decode_diff_head(payload));
  d.diff = head;
  return d;
}

void append_transaction(std::string& out, const std::vector<std::string>& run_diffs) {
  for (const std::string& bytes : run_diffs) {
    put(out, static_cast<uint32_t>(bytes.size()));
    out += bytes;
  }
}

Result<std::vector<std::string_view>> split_transaction(std::string_view payload) {
  std::vector<std::string_view> parts;
  while (!payload.empty()) {
    uint32_t bytes;
    if (!take(payload, bytes) || bytes > payload.size()) {
      return kBad;
    }
    parts.push_back(payload.substr(0, bytes));
    payload.remove_prefix(bytes);
  }
  return parts;
}

Result<std::vector<RunDiff>> decode_transaction(std::string_view payload) {
  CAIRN_TRY_ASSIGN(const auto&& parts, split_transaction(payload));
  std::vector<RunDiff> diffs;
  for (const std::string_view part : parts) {
    CAIRN_TRY_ASSIGN(auto&& d, decode_run_diff(part));
    diffs.push_back(std::move(d));
  }
  return diffs;
}

void append_group_part(std::string& out, LogType type, std::string_view payload) {
  put(out, type);
  put_text(out, payload);
}

// A group holds no group, so reading one ends.
Result<std::vector<LogPart>> split_group(std::string_view payload) {
  std::vector<LogPart> parts;
  while (!payload.empty()) {
    LogPart& part = parts.emplace_back();
    if (!take(payload, part.type) || !take_text(payload, part.payload) || part.type == LogType::kGroup) {
      return kBad;
    }
    if (part.type > LogType::kNote) {
      return Status(Code::kVersion, "a log record of a type that this version does not know");
    }
  }
  return parts.empty() ? Result<std::vector<LogPart>>(kBad) : Result<std::vector<LogPart>>(std::move(parts));
}

void append_run_texts(std::string& out, std::string_view id, uint64_t created_lsn, const RunTexts& texts) {
  append_diff_prefix(out, id, created_lsn);
  MsgpackWriter writer(out);
  write_texts(writer, texts);
}

Result<LoggedTexts> decode_run_texts(std::string_view payload) {
  LoggedTexts logged;
  if (!take_identity(payload, logged.id, logged.created_lsn)) {
    return kBad;
  }
  MsgpackCursor in(payload);
  if (!read_texts(in, logged.texts) || !in.at_end()) {
    return kBad;
  }
  return logged;
}

void append_change(std::string& out, const RunChange& change) {
  append_diff_prefix(out, change.id, change.created_lsn);
  MsgpackWriter fields(out);
  fields.write_array(change.details ? 7 : !change.error.empty() ? 6 : 5);
  fields.write_unsigned(change.sequence);
  fields.write_signed(change.updated_us);
  if (change.status) {
    fields.write_unsigned(static_cast<uint8_t>(*change.status));
  } else {
    fields.write_nil();
  }
  if (change.session) {
    fields.write_unsigned(*change.session);
  } else {
    fields.write_nil();
  }
  if (change.tags) {
    fields.write_array(change.tags->size());
    for (const std::string& tag : *change.tags) {
      fields.write_string(tag);
    }
  } else {
    fields.write_nil();
  }
  if (change.details || !change.error.empty()) {
    fields.write_string(change.error);
  }
  if (change.details) {
    write_details(fields, *change.details);
  }
}

Result<RunChange> decode_change(std::string_view payload) {
  RunChange change;
  if (!take_identity(payload, change.id, change.created_lsn)) {
    return kBad;
  }
  MsgpackCursor fields(payload);
  size_t count = 0;
  if (!fields.read_array(count) || count < 5 || count > 7 || !fields.read_unsigned(change.sequence) ||
      change.sequence == 0 || !fields.read_signed(change.updated_us)) {
    return kBad;
  }
  if (!fields.read_nil()) {
    uint64_t status = 0;
    if (!fields.read_unsigned(status) || status > static_cast<uint64_t>(RunStatus::kTimedOut)) {
      return kBad;
    }
    change.status = static_cast<RunStatus>(status);
  }
  if (!fields.read_nil() && !fields.read_unsigned(change.session.emplace())) {
    return kBad;
  }
  if (!fields.read_nil()) {
    size_t tags = 0;
    if (!fields.read_array(tags)) {
      return kBad;
    }
    change.tags.emplace();
    for (size_t i = 0; i < tags; ++i) {
      std::string_view tag;
      if (!fields.read_string(tag) || !valid_utf8(tag)) {
        return kBad;
      }
      change.tags->emplace_back(tag);
    }
  }
  if (count >= 6) {
    std::string_view error;
    if (!fields.read_string(error) || error.size() > kErrorBytesMax || !valid_utf8(error)) {
      return kBad;
    }
    change.error = error;
  }
  if (count == 7 && !read_details(fields, change.details.made())) {
    return kBad;
  }
  if (!fields.at_end()) {
    return kBad;
  }
  return change;
}

void take_change(RunRecord& record, RunChange&& change) noexcept {
  if (change.status) {
    const RunStatus before = record.status;
    record.status = *change.status;
    record.finished_us = is_final(*change.status) ? change.updated_us : 0;
    record.error = std::move(change.error);
    if (record.details) {
      follow_status(*record.details, before, *change.status, change.updated_us);
    }
  }
  if (change.details) {
    record.details = std::move(change.details);
  }
  if (change.session) {
    record.session = *change.session;
  }
  if (change.tags) {
    record.tags = std::move(*change.tags);
  }
}

Status read_run_id(std::string_view payload, std::string& id) {
  uint64_t created_lsn;
  return take_identity(payload, id, created_lsn) ? Status() : kBad;
}

void append_received_head(std::string& out, const std::vector<Received::Cursor>& cursors) {
  put(out, static_cast<uint8_t>(cursors.size()));
  for (const Received::Cursor& cursor : cursors) {
    put(out, static_cast<uint8_t>(cursor.key.size()));
    out += cursor.key;
    put(out, static_cast<uint32_t>(cursor.payload.size()));
    out += cursor.payload;
  }
}

void append_received_part(std::string& out, const ReceivedPart& part) {
  put(out, static_cast<uint8_t>(part.type));
  put(out, static_cast<uint8_t>((part.origin ? kPartHasOrigin : 0) | (part.others_write ? kOthersWrite : 0) |
                                part.hops << kPartHopsShift));
  if (part.origin) {
    put(out, part.origin->owner);
    put(out, part.origin->generation);
    put(out, part.origin->life);
    put(out, part.origin->sequence);
  }
  put(out, static_cast<uint32_t>(part.payload.size()));
  out += part.payload;
}

Result<Received> decode_received(std::string_view payload, bool check_parts) {
  Received received;
  uint32_t bytes;
  uint8_t cursors;
  if (!take(payload, cursors)) {
    return kBad;
  }
  for (uint8_t i = 0; i < cursors; ++i) {
    Received::Cursor& cursor = received.cursors.emplace_back();
    uint8_t key_bytes;
    if (!take(payload, key_bytes) || key_bytes == 0 || key_bytes > payload.size()) {
      return kBad;
    }
    cursor.key = payload.substr(0, key_bytes);
    payload.remove_prefix(key_bytes);
    if (!take(payload, bytes) || bytes > payload.size()) {
      return kBad;
    }
    cursor.payload = payload.substr(0, bytes);
    payload.remove_prefix(bytes);
  }
  while (!payload.empty()) {
    ReceivedPart part;
    uint8_t type;
    uint8_t flags;
    if (!payload.empty() && static_cast<uint8_t>(payload[0]) > static_cast<uint8_t>(LogType::kNote)) {
      return Status(Code::kVersion, "a received record with a part of a newer version of Cairn");
    }
    if (!take(payload, type) || !take(payload, flags) || (flags & kPartFlags & ~(kPartHasOrigin | kOthersWrite)) != 0 ||
        type < static_cast<uint8_t>(LogType::kDiff) ||
        (type > static_cast<uint8_t>(LogType::kErase) && type != static_cast<uint8_t>(LogType::kTexts))) {
      return kBad;
    }
    part.type = static_cast<LogType>(type);
    part.others_write = (flags & kOthersWrite) != 0;
    part.hops = flags >> kPartHopsShift;
    if ((flags & kPartHasOrigin) != 0) {
      Origin& origin = part.origin.emplace();
      if (!take(payload, origin.owner) || !take(payload, origin.generation) || !take(payload, origin.life) ||
          !take(payload, origin.sequence)) {
        return kBad;
      }
    }
    if (!take(payload, bytes) || bytes > payload.size()) {
      return kBad;
    }
    part.payload = payload.substr(0, bytes);
    payload.remove_prefix(bytes);
    if (check_parts) {
      CAIRN_TRY(check_log_record(type, part.payload));
    }
    received.parts.push_back(std::move(part));
  }
  return received;
}

bool concerns(LogType type, std::string_view payload, const std::set<std::string, std::less<>>& ids) {
  switch (type) {
    case LogType::kStart: {
      const auto id = read_record_id(payload);
      return !id.ok() || ids.contains(*id);
    }
    case LogType::kTransaction: {
      const auto parts = split_transaction(payload);
      return !parts.ok() || std::any_of(parts->begin(), parts->end(),
                                        [&ids](std::string_view part) { return concerns(LogType::kDiff, part, ids); });
    }
    case LogType::kReceived: {
      const auto received = decode_received(payload, false);
      return !received.ok() || std::any_of(received->parts.begin(), received->parts.end(),
                                           [&ids](const auto& part) { return concerns(part.type, part.payload, ids); });
    }
    case LogType::kDiff:
    case LogType::kChange:
    case LogType::kErase:
    case LogType::kForget:
    case LogType::kRebase:
    case LogType::kTexts: {
      std::string_view id;
      uint64_t created_lsn;
      return !take_identity(payload, id, created_lsn) || ids.contains(id);
    }
    case LogType::kGroup: {
      const auto parts = split_group(payload);
      return !parts.ok() || std::any_of(parts->begin(), parts->end(),
                                        [&ids](const LogPart& part) { return concerns(part.type, part.payload, ids); });
    }
    case LogType::kNote:
      return false;
  }
  return true;  // a record type of a newer version: may be about any run
}

void append_rebase(std::string& out, const RunRebase& rebase) {
  append_diff_prefix(out, rebase.id, rebase.created_lsn);
  put(out, rebase.base);
  put(out, rebase.last);
  put(out, rebase.upstream);
  put(out, rebase.updated_us);
  put(out, static_cast<uint8_t>(rebase.ships_forms));
  std::string head;
  if (rebase.head) {
    append_change(head, *rebase.head);
  }
  put(out, static_cast<uint32_t>(head.size()));
  out += head;
  Object object;
  for (int i = 0; i < rebase.document.size(); ++i) {
    object.push_back({rebase.document.member(i).key, rebase.document.member(i).value});
  }
  append_msgpack_minimal(out, Value(std::move(object)));
}

Result<RunRebase> decode_rebase(std::string_view payload) {
  RunRebase rebase;
  uint32_t head_bytes;
  uint8_t ships_forms;
  if (!take_identity(payload, rebase.id, rebase.created_lsn) || !take(payload, rebase.base) ||
      !take(payload, rebase.last) || !take(payload, rebase.upstream) || !take(payload, rebase.updated_us) ||
      !take(payload, ships_forms) || ships_forms > 1 || !take(payload, head_bytes) || head_bytes > payload.size() ||
      rebase.last <= rebase.base || rebase.upstream == 0 || rebase.upstream > rebase.last) {
    return kBad;
  }
  rebase.ships_forms = ships_forms != 0;
  if (head_bytes != 0) {
    CAIRN_TRY_ASSIGN(rebase.head, decode_change(payload.substr(0, head_bytes)));
    payload.remove_prefix(head_bytes);
  }
  auto decoded = decode_msgpack(payload, kStoredDepthMax);
  if (!decoded.ok() || !decoded->is(Type::kObject)) {
    return kBad;
  }
  rebase.document = Document::from_object(std::move(*decoded->get<Object>()));
  return rebase;
}

void add_record(wal::Writer::Append& append, LogType type, std::string_view payload) {
  assert(check_log_record(static_cast<uint8_t>(type), payload).ok());
  append.add(static_cast<uint8_t>(type), payload);
}

Status check_log_record(uint8_t type, std::string_view payload) {
  switch (static_cast<LogType>(type)) {
    case LogType::kDiff:
      return decode_run_diff(payload).status();
    case LogType::kStart:
      return decode_run_record(payload).status();
    case LogType::kChange:
    case LogType::kErase:
    case LogType::kForget:
      return decode_change(payload).status();
    case LogType::kTransaction:
      return decode_transaction(payload).status();
    case LogType::kReceived:
      return decode_received(payload).status();
    case LogType::kRebase:
      return decode_rebase(payload).status();
    case LogType::kGroup: {
      CAIRN_TRY_ASSIGN(const auto&& parts, split_group(payload));
      for (const LogPart& part : parts) {
        CAIRN_TRY(check_log_record(static_cast<uint8_t>(part.type), part.payload));
      }
      return {};
    }
    case LogType::kTexts:
      return decode_run_texts(payload).status();
    case LogType::kNote:
      return decode_note(payload).status();
  }
  return {Code::kVersion, "a log record of a type that this version does not know"};
}

}  // namespace cairn::engine
