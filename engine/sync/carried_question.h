// A question about what others wrote, for transports where each message takes a journey, as over a folder: it is carried
// beside the batch that is on its way, and its answer is taken when that batch was acknowledged. PROTOCOL.md, "What
// others write".
//
// Such a transport may bring an old answer once more, also to a later process. So the digest of the last question is
// kept in the tables, and only the answer to that one counts.
#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"
#include "engine/sync/documents.h"
#include "engine/sync/message.h"
#include "engine/sync/question.h"
#include "engine/tables/tables.h"
#include "wal/function_ref.h"

namespace cairn::engine::sync {

/// Made by ask(), also by another store or an earlier process.
bool is_carried(const Question& question);

class CarriedQuestion {
 public:
  CarriedQuestion(Tables& tables, const OwnerId& owner) : tables_(tables), owner_(owner) {}

  /// A question about unfinished runs, those after the last that were asked for; empty: there are none. `number` is
  /// random: no question is like another.
  Result<std::string> ask(uint64_t number);
  /// Of the question whose answer is still to come; 0: none is.
  Result<Digest> waits_for();
  /// The answer. `take` gets the state of each run that others wrote. kCorrupt: it answers another question.
  Status answered(const Question& question, const Documents& documents,
                  const FunctionRef<void(const Documents::Run&)>& take);
  /// It is over without an answer, and the next begins where it did: it was refused, or what the upstream has is known
  /// in another way since, and its answer could be older.
  Status forget();

 private:
  struct Asked {
    Digest digest{};    // of the last question; 0: it was answered
    std::string after;  // it, or else the next one, begins after this id
  };
  Result<Asked> stored();
  Status store(const Asked& asked);

  Tables& tables_;
  const OwnerId owner_;
};

}  // namespace cairn::engine::sync
