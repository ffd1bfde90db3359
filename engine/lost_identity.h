// Whose files these are where STORE cannot tell: the log's headers and the tables name their store, too.
#pragma once

#include <string>

#include "cairn/status.h"
#include "engine/identity.h"
#include "wal/files.h"

namespace cairn::engine {

/// The identity with which STORE can be made anew. It counts as copied: whether the files are where they were cannot be
/// told. kNotFound: log and tables hold nothing but what a creation may leave that was cut. kCorrupt: they hold more,
/// and name several stores, or none. kVersion. kIo.
Result<Identity> find_lost_identity(wal::Files& files, const std::string& directory);

/// STORE's, or the lost one. `lost` says why STORE does not count ("STORE is missing"); "" if it does. kNotAStore:
/// there is no store. kVersion: of a newer version. kCorrupt: as above.
Result<Identity> identity_by_any_means(wal::Files& files, const std::string& directory, std::string& lost);

/// What to say where STORE is needed: `read` is what read_identity() gave. A store whose log or tables are there is not
/// told to be made.
Status fail_without_store(wal::Files& files, const std::string& directory, const Status& read);

}  // namespace cairn::engine
