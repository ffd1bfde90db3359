// Mends a torn meta page. LMDB has no checksum of its two meta pages and relies on a sector being written whole or not
// at all. If a disk tears one, the other is still there, of the commit before: the log has what follows, so nothing is
// lost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "wal/descriptor.h"
#include "wal/function_ref.h"

namespace cairn::engine {

/// Of a store; below 0: errno says why.
wal::Descriptor open_tables_directory(const std::string& store);

struct TornMeta {
  uint64_t page = 0;  // 0 or 1: the torn one
  uint64_t page_bytes = 0;
  uint64_t applied_lsn = 0;  // of the tables that the other one leads to
};

/// Finds out whether one meta page is torn and the other whole. It follows each: the roots of its trees, the number of
/// the commit in the newest entry of the free tree, and that this entry lists no root of the main tree as free.
/// nullopt: both are whole, or neither. No process may write the file meanwhile. kIo.  Cost: some ten reads of a page.
Result<std::optional<TornMeta>> find_torn_meta(int fd);

/// Overwrites a torn meta page of <data>/data.mdb with the other one, durably, if the log continues where its tables
/// end. Before that the torn page is saved in the directory `data` as meta_page_<n>.torn. No process has the file open.
/// kIo, kNoSpace.
Status mend_torn_meta(int data, const FunctionRef<bool(uint64_t applied_lsn)>& log_goes_on);

/// A meta page was mended, and note_mended_meta was not called since: the tables may be one commit old.
bool is_mended_meta(int data);
/// Renames meta_page_<n>.torn to meta_page_<n>.mended, durably. kIo.
Status note_mended_meta(int data);

/// Writes both meta pages again, unchanged, the older one first; each is durable before the next is written, so that
/// one of them is whole at any moment.
Status repeat_metas(int fd, uint64_t page_bytes);

}  // namespace cairn::engine
