// Applies operations to a JSON document without a store, by the code that updates runs.
#include <string>
#include <utility>

#include "api/metadata_limit.h"
#include "api/read.h"
#include "api/values.h"
#include "engine/diff/live_document.h"
#include "engine/document/operation.h"

namespace {

using cairn::Code;
using cairn::Status;
using cairn::engine::Document;
using cairn::engine::LiveDocument;
using cairn::engine::Operation;
using cairn::engine::Outcome;
using cairn::engine::OutcomeKind;
using cairn::engine::SizeDetail;
using cairn::engine::Value;

// Bounds the size between operations; only the result is compared with the caller's limit.
constexpr size_t kBytesBetween = 8u << 20;

Status apply_all(const std::vector<Operation>& operations, LiveDocument& live, std::string& outcomes) {
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    Outcome outcome;
    SizeDetail size;
    int entry = -1;
    Status status;
    if (op.type != cairn::engine::OperationType::kReplace) {
      status = cairn::engine::check_key(op.key);
    }
    if (status.ok()) {
      status = live.apply(op, kBytesBetween, outcome, size, entry);
    }
    const bool unapplied = status.code == Code::kUnapplied || outcome.kind == OutcomeKind::kUnapplied;
    if (!status.worked() && !unapplied) {
      cairn::api::note_index(i);
      return status.code == Code::kTooLarge && size.needed != 0
                 ? cairn::engine::fail_too_large(op.key, size.needed, size.limit)
                 : cairn::engine::fail(status, status.what, op.key);
    }
    outcomes += outcomes.empty() ? "\"" : ",\"";
    if (unapplied) {
      outcomes += std::string("unapplied(") + cairn::engine::reason_text(outcome.reason) + ")";
    } else {
      outcomes += outcome.kind == OutcomeKind::kUnchanged || status.code == Code::kUnchanged ? "unchanged" : "applied";
    }
    outcomes += '"';
  }
  return {};
}

}  // namespace

extern "C" cairn_status cairn_eval(const char* metadata, size_t metadata_bytes, const char* operations,
                                   size_t operations_bytes, uint64_t metadata_bytes_max, char* buffer, size_t capacity,
                                   size_t* needed) noexcept {
  return cairn::api::guarded([&]() -> Status {
    if (needed == nullptr || metadata == nullptr || operations == nullptr) {
      return cairn::api::invalid("metadata, operations, needed: a null pointer");
    }
    *needed = 0;
    const size_t limit = metadata_bytes_max == 0 ? cairn::api::kMetadataBytesDefault : metadata_bytes_max;
    Value document;
    CAIRN_TRY(cairn::api::object(cairn::api::json(metadata, metadata_bytes))(document, cairn::api::kInputBytesMax));
    CAIRN_TRY(cairn::api::check_bytes(operations, operations_bytes, cairn::api::kInputBytesMax,
                                      "operations: a null pointer"));
    size_t failed = 0;
    auto list = cairn::engine::parse_operations(cairn::api::view_of(operations, operations_bytes), &failed);
    if (!list.ok()) {
      cairn::api::note_index(failed);
      return list.status();
    }
    LiveDocument live;
    live.reset(Document::from_object(std::move(*document.get<cairn::engine::Object>())), 0);
    std::string outcomes;
    CAIRN_TRY(apply_all(*list, live, outcomes));
    const std::string text = live.document().to_json();
    if (text.size() > limit) {
      return cairn::engine::fail_too_large("", text.size(), limit);
    }
    return cairn::api::copy_out(
        "{\"metadata\":" + text + ",\"bytes\":" + std::to_string(text.size()) + ",\"outcomes\":[" + outcomes + "]}",
        true, buffer, capacity, needed);
  });
}
