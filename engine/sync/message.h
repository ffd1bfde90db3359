// What all messages of the protocol have in common: its version, limits, ids and digests. PROTOCOL.md is the
// specification. All integers are little endian, stored as they are in memory. Each kind of message has its own file:
// batch.h, reply.h, question.h, documents.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cairn::engine::sync {

inline constexpr uint16_t kProtocolVersion = 1;
inline constexpr size_t kMessageBytesMax = 8u << 20;  // any message
inline constexpr size_t kEntriesMax = 65536;          // of a batch

using OwnerId = std::array<uint8_t, 16>;   // identifies a store as the owner of its runs
using StreamId = std::array<uint8_t, 16>;  // identifies a sequence of batches without gaps
using Digest = std::array<uint8_t, 16>;    // XXH3-128, big-endian: against accidents and forks, not against attackers

inline constexpr bool is_zero(const std::array<uint8_t, 16>& id) { return id == std::array<uint8_t, 16>{}; }

enum class MessageKind : uint8_t { kUnknown, kBatch, kReply, kQuestion, kDocuments };
MessageKind kind_of(std::string_view bytes);

Digest digest_of(std::string_view a, std::string_view b = {});

}  // namespace cairn::engine::sync
