#include "engine/sync/frozen_batch.h"

#include <utility>

#include "engine/base/raw_fields.h"
#include "engine/sync/dead_letter.h"
#include "engine/sync/outbox_rows.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

constexpr uint8_t kPartForeign = 0x10;
constexpr Status kBadFrozen{Code::kCorrupt, "malformed frozen batch"};

}  // namespace

std::string encode_frozen_batch(const FrozenBatch& frozen) {
  std::string out;
  put_text(out, frozen.bytes);
  if (frozen.parts.empty()) {
    put(out, static_cast<uint8_t>(frozen.code));
    put_text(out, frozen.why);
  }
  for (const FrozenPart& part : frozen.parts) {
    put(out, static_cast<uint8_t>(static_cast<uint8_t>(part.kind) | (part.foreign ? kPartForeign : 0)));
    put(out, static_cast<uint8_t>(part.id.size()));
    out += part.id;
    put(out, part.life);
    put(out, part.sequence);
    std::string what;
    if (part.kind == FrozenPart::Kind::kRow) {
      append_outbox_row(what, part.row);
    } else if (part.kind == FrozenPart::Kind::kTombstone) {
      append_tombstone(what, part.tombstone);
    }
    put_text(out, what);
  }
  return out;
}

Result<FrozenBatch> decode_frozen_batch(std::string_view payload) {
  FrozenBatch frozen;
  std::string_view bytes;
  if (!take_text(payload, bytes)) {
    return kBadFrozen;
  }
  Result<BatchHeader> header = decode_batch_header(bytes);
  if (!header.ok()) {
    return kBadFrozen;
  }
  frozen.header = *header;
  frozen.bytes = bytes;
  if (frozen.header.entries == 0) {
    uint8_t code = 0;
    std::string_view why;
    if (!take(payload, code) || code == 0 || code > static_cast<uint8_t>(VerdictCode::kMayBeSent) ||
        !take_text(payload, why) || !payload.empty()) {
      return kBadFrozen;
    }
    frozen.code = static_cast<VerdictCode>(code);
    frozen.why = why;
  }
  while (!payload.empty()) {
    FrozenPart& part = frozen.parts.emplace_back();
    uint8_t kind = 0;
    uint8_t id_bytes = 0;
    std::string_view what;
    if (!take(payload, kind) || !take(payload, id_bytes) || id_bytes > payload.size()) {
      return kBadFrozen;
    }
    part.id = payload.substr(0, id_bytes);
    payload.remove_prefix(id_bytes);
    if (!take(payload, part.life) || !take(payload, part.sequence) || !take_text(payload, what)) {
      return kBadFrozen;
    }
    part.foreign = (kind & kPartForeign) != 0;
    part.kind = static_cast<FrozenPart::Kind>(kind & ~kPartForeign);
    if (part.kind == FrozenPart::Kind::kRow) {
      Result<OutboxRow> row = decode_outbox_row(what);
      if (!row.ok()) {
        return kBadFrozen;
      }
      part.row = std::move(*row);
    } else if (part.kind == FrozenPart::Kind::kTombstone) {
      Result<Tombstone> tombstone = decode_tombstone(what);
      if (!tombstone.ok()) {
        return kBadFrozen;
      }
      part.tombstone = *tombstone;
    } else if (part.kind != FrozenPart::Kind::kWhole) {
      return kBadFrozen;
    }
  }
  if (frozen.parts.size() != frozen.header.entries) {
    return kBadFrozen;
  }
  return frozen;
}

bool is_stranded(Table table, std::string_view key) {
  return table == Table::kInflight && !key.empty() && key[0] == kStranded;
}

void foreign_rows(Table table, std::string_view key, std::string_view payload,
                  std::map<std::string, OutboxRow, std::less<>>& rows) {
  if (table == Table::kDead) {
    if (auto letter = decode_dead_letter(payload); letter.ok() && letter->foreign && letter->row.waits()) {
      rows.emplace(key, std::move(letter->row));
    }
  } else if (table == Table::kInflight && key.size() == 1 && key[0] == 0) {  // the other forms hold parts of it
    auto frozen = decode_frozen_batch(payload);
    for (size_t i = 0; frozen.ok() && i < frozen->parts.size(); ++i) {
      if (FrozenPart& part = frozen->parts[i]; part.foreign && part.kind == FrozenPart::Kind::kRow) {
        rows.emplace(part.id, std::move(part.row));
      }
    }
  }
}

Result<std::vector<FrozenBatch>> frozen_batches(TablesTxn& txn) {
  std::vector<FrozenBatch> all;
  Status bad;
  CAIRN_TRY(txn.walk(Table::kInflight, {}, [&](std::string_view key, std::string_view payload) {
    if (key[0] == kStranded) {
      return false;
    }
    Result<FrozenBatch> one = decode_frozen_batch(payload);
    bad = one.status();
    if (one.ok()) {
      all.push_back(std::move(*one));
    }
    return bad.ok();
  }));
  CAIRN_TRY(bad);
  return all;
}

Status erase_frozen_batches(TablesTxn& txn) {
  CAIRN_TRY_ASSIGN(auto&& keys, keys_after(txn, Table::kInflight, {}, UINT8_MAX));
  for (const std::string& key : keys) {
    if (key[0] != kStranded) {
      CAIRN_TRY(txn.erase(Table::kInflight, key));
    }
  }
  return {};
}

}  // namespace cairn::engine::sync
