// Opening the store for one command: to read beside a live owner, or to write as the owner.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/reader/store_reader.h"
#include "engine/store/store.h"
#include "tools/output/globals.h"
#include "tools/output/report.h"

namespace cairn::tools {

/// The store's directory as an absolute path. Nothing when none was given: reported.
std::optional<std::string> store_directory(const Globals& globals);

/// Bytes of JSON that a run's metadata may have: `option` (--limit), else TASK_RUN_METADATA_MAXIMUM_SIZE, else 4096.
/// Nothing when it is no size: reported.
std::optional<uint32_t> metadata_limit(const Globals& globals, std::optional<uint64_t> option);

/// Read-only. Null: reported, `exit` says how to end.
std::unique_ptr<engine::StoreReader> open_reader(const Globals& globals, bool salvage, Exit& exit);

/// The same of this directory, and errors are returned. `globals` outlives the reader.
Result<std::unique_ptr<engine::StoreReader>> open_reader(const Globals& globals, const std::string& directory,
                                                         bool salvage);

/// At the end of a listing: says if not all of the tables could be read. `done`: what was done with the rest. `which`
/// stands before it.
void note_salvaged(const Globals& globals, const engine::StoreReader& reader, const std::string& done,
                   const std::string& which = {});

/// Prints on stderr what the library has to say to whoever runs the command: the store was copied, its log ended in a
/// torn tail, staging is lost or off. `globals` outlives the store.
void show_notices(engine::Hooks& hooks, const Globals& globals);

struct WriteOptions {
  std::optional<uint64_t> limit;  // --limit
  bool create = false;            // make the store if there is none
};

/// Opens the store as its owner, calls `work`, closes it. What `work` returned OK for is on disk, also against power
/// loss, when this returns kDone. Errors are reported, with `doing` in front;
/// those of `work` name `subject`.
Exit write_store(const Globals& globals, const WriteOptions& options, const std::string& doing,
                 const std::function<Status(engine::Store&)>& work, const Subject& subject = {});

/// The same on an unfinished run (engine/store/run_for_update.h): each command is a process of its own.
Exit write_run(const Globals& globals, const WriteOptions& options, const std::string& id, const std::string& doing,
               const std::function<Status(engine::Store&, engine::Run&)>& work,
               const std::optional<std::string>& key = {});

/// Opens the store, applies one operation, prints with --json what became of it.
Exit write_operation(const Globals& globals, const WriteOptions& options, const std::string& id,
                     const engine::Operation& op);

}  // namespace cairn::tools
