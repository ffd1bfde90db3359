// LMDB has no checksum of its two meta pages and relies on a sector being written whole or not at all. A disk that
// tears one leaves the other, of the commit before: with the log behind it nothing is lost. Private to tables*.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "wal/function_ref.h"

namespace cairn::engine {

struct TornMeta {
  uint64_t page = 0;  // 0 or 1: the torn one
  uint64_t page_bytes = 0;
  uint64_t applied_lsn = 0;  // of the tables that the other one leads to
};

/// One meta page is torn, and the other is whole. Judged by what each leads to: its trees' roots, the number of the
/// commit in the newest entry of the free tree, and that this lists no root of the main tree as free. Nothing: both
/// are whole, or neither. Nobody writes the file meanwhile. kIo.  Cost: some ten reads of a page.
Result<std::optional<TornMeta>> find_torn_meta(int fd);

/// Puts the other meta page in the place of a torn one of <data>/data.mdb, durable, if the log goes on where its tables
/// end. What stood there is kept in the directory `data`, in meta_page_<n>.torn, before. Nobody has the file open. kIo,
/// kNoSpace.
Status mend_torn_meta(int data, const FunctionRef<bool(uint64_t applied_lsn)>& log_goes_on);

/// A meta page was mended, and note_mended_meta was not called since: the tables may be those of one commit before.
bool is_mended_meta(int data);
/// Durable: what was kept in meta_page_<n>.torn is in meta_page_<n>.mended. kIo.
Status note_mended_meta(int data);

/// Writes both meta pages again, as they are, the older one first; each is durable before the next is touched, so that
/// one of them is whole at any moment.
Status repeat_metas(int fd, uint64_t page_bytes);

}  // namespace cairn::engine
