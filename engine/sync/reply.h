// The answer to a batch, with a verdict on each entry that was not applied. PROTOCOL.md is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/message.h"
#include "engine/sync/unseen.h"

namespace cairn::engine::sync {

enum class Answer : uint8_t {
  kOk = 0,        // applied
  kDup = 1,       // was applied before; the verdicts are the ones given then
  kGap = 2,       // batches before it are missing: the receiver has lost its state, or was restored
  kFork = 3,      // another batch of that number was applied
  kRewind = 4,    // later batches were applied: the sender was restored
  kRetired = 5,   // another stream has replaced this one
  kTooLarge = 6,  // larger than the receiver takes at once: `max_bytes`
  kRefused = 7,   // the batch or question cannot be read
  kUnable = 8,    // not now: no space, or the receiving store failed
  kVersion = 9,   // the batch or question is of another version of the protocol
};

enum class VerdictCode : uint8_t {
  kShared = 1,      // nothing applied: others write this run; send forms
  kWantFull = 2,    // nothing applied: the run is not here; send all of it
  kNotOwner = 3,    // another store owns the run
  kTooLarge = 4,    // the document would be over the receiver's limit
  kRefusedRun = 5,  // the entry contradicts the run that is here, or cannot be applied
  kBacklog = 6,     // too much waits here for the owner of that run
  // Never sent: only in dead letters that the sender wrote itself.
  kMayBeSent = 7,  // the store was restored: the change may have been sent before
};
const char* verdict_name(VerdictCode code);

/// Why one entry of a batch was not applied. An entry without a verdict was applied, now or before.
struct Verdict {
  uint32_t entry = 0;
  VerdictCode code = VerdictCode::kShared;
  std::string text;
  uint64_t sequence = 0;  // kShared: the owner's sequence that the receiver has of this life of the run; else 0
  bool operator==(const Verdict&) const = default;
};
void append_verdicts(std::string& out, const std::vector<Verdict>& verdicts);
Result<std::vector<Verdict>> decode_verdicts(std::string_view bytes);

struct ReplyHeader {
  char magic[4] = {'C', 'R', 'N', 'V'};
  uint16_t version = kProtocolVersion;
  uint8_t answer = 0;
  uint8_t tells_unseen = 0;  // 1: an Unseen follows the verdicts; 0: none does
  uint32_t verdict_bytes = 0;
  uint32_t max_bytes = 0;  // of a batch; 0: no limit
  StreamId stream{};
  uint64_t for_seq = 0;  // the batch that this answers; 0: the batch could not be read
  Digest for_digest{};   // of that batch, so that a late answer is not taken for the answer to a later batch
  uint64_t seq = 0;      // the receiver's cursor: number of the last batch that it applied
  uint64_t lsn_hi = 0;   // of that batch. kRetired, and seq 0: the generation of the stream in `digest`
  uint64_t deltas = 0;   // entries of other owners' runs that were applied up to that batch
  Digest digest{};       // of that batch. kRetired, and seq 0: the owner's stream that the receiver continues
  Digest check{};        // of all bytes except these
};
static_assert(sizeof(ReplyHeader) == 112);
static_assert(offsetof(ReplyHeader, stream) == 16 && offsetof(ReplyHeader, digest) == 80);

struct Reply {
  ReplyHeader header;
  std::vector<Verdict> verdicts;
  Unseen unseen;  // of the batch's owner
  [[nodiscard]] Answer answer() const { return static_cast<Answer>(header.answer); }
};
std::string encode_reply(ReplyHeader header, const std::vector<Verdict>& verdicts, const Unseen& unseen = {});
Result<Reply> decode_reply(std::string_view bytes);

}  // namespace cairn::engine::sync
