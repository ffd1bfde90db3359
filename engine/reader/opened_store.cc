#include "engine/reader/opened_store.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/directory/store_directory.h"
#include "engine/salvage/lost_identity.h"

namespace cairn::engine {

Result<std::unique_ptr<OpenedStore>> OpenedStore::open(Options&& options, std::string& store_problem,
                                                       std::string& tables_problem) {
  (void)complete_hooks(options.hooks);
  std::unique_ptr<OpenedStore> store(new OpenedStore(std::move(options)));
  const bool salvage = store->options_.salvage;
  const std::string& directory = store->options_.directory;
  CAIRN_TRY(store->open_files());
  auto identity =
      salvage ? identity_by_any_means(*store->files_, directory, store_problem) : read_identity(*store->files_);
  if (!identity.ok()) {
    return salvage ? identity.status()
                   : name_strange_file(fail_without_store(*store->files_, directory, identity.status()), directory);
  }
  store->identity_ = *identity;
  if (!salvage) {
    CAIRN_TRY(check_no_repair(directory));
  }
  const Hooks& hooks = store->options_.hooks;
  store->boot_id_ = hooks.has_boot_id ? hooks.boot_id : read_boot_id();
  CAIRN_TRY(check_owner(StoreLock::look(directory)));
  CAIRN_TRY(store->open_tables(tables_problem));
  return store;
}

Status OpenedStore::open_files() {
  const std::string& directory = options_.directory;
  if (options_.hooks.files != nullptr) {
    files_ = options_.hooks.files;
    return {};
  }
  CAIRN_TRY_ASSIGN(own_files_, open_store_files(directory));
  files_ = own_files_.get();
  struct stat place = {};
  if (stat(directory.c_str(), &place) != 0) {
    return fail(Status(Code::kIo, "stat", errno), "cannot look at " + directory);
  }
  device_ = place.st_dev;
  inode_ = place.st_ino;
  return {};
}

Status OpenedStore::open_tables(std::string& problem) {
  Tables::Options options;
  options.directory = options_.directory;
  options.store_id.assign(reinterpret_cast<const char*>(identity_.store_id.data()), 16);
  options.read_only = true;
  options.any_file_system = options_.unsafe_file_system;
  auto tables = Tables::open(options);
  if (tables.ok()) {
    tables_ = std::move(*tables);
  } else if (options_.salvage) {
    problem = tables.status().what;
  } else if (tables.code() == Code::kNotFound) {
    return fail(Code::kCorrupt, kNoTables);
  } else {
    return fail_with_cause("the tables in data/ cannot be read", tables.status());
  }
  return {};
}

StagingIdentity OpenedStore::staging_identity() const {
  StagingIdentity identity;
  identity.store_id = identity_.store_id;
  identity.boot_id = boot_id_;
  identity.pid_namespace = read_pid_namespace();
  return identity;
}

Result<std::vector<StagingPlace>> OpenedStore::staging_places(std::string* gone) const {
  std::vector<StagingPlace> places;
  places.push_back(staging_inside(*files_));
  auto record = read_staging_record(*files_);
  if (record.code() == Code::kNotFound || identity_.copied) {
    return places;  // a copy must not read the staging of its original
  }
  if (!record.ok()) {
    return record.status();
  }
  auto outside = staging_outside(record->directory);
  if (outside.ok()) {
    places.push_back(std::move(*outside));
  } else if (outside.code() != Code::kNotFound) {
    return fail(outside.status(), record->directory + ": " + outside.status().what);
  } else if (gone != nullptr && record->boot_id == boot_id_) {
    *gone = record->directory;
  }
  return places;
}

std::optional<uint64_t> OpenedStore::applied_lsn() const {
  return tables_ ? std::optional(tables_->applied_lsn()) : std::nullopt;
}

Status OpenedStore::check_owner(const LockOwner& owner) {
  CAIRN_TRY(owner.problem);
  if (owner.held && owner.elsewhere) {
    return fail(Code::kUnsafe,
                "the owner runs in another container: LMDB's readers are known by process id, so read from in there");
  }
  return {};
}

// Open files stay readable after they were removed, so they do not show whether the store is still at its path.
Status OpenedStore::check_place() const {
  if (own_files_ == nullptr || options_.salvage) {
    return {};
  }
  struct stat now = {};
  const bool there = stat(options_.directory.c_str(), &now) == 0;
  const bool same = there && now.st_dev == device_ && now.st_ino == inode_;
  const auto identity = same ? read_identity(*files_) : Result<Identity>(Status(Code::kNotFound));
  if (same && identity.ok() && identity->store_id == identity_.store_id) {
    return {};
  }
  const bool anew = (there && !same) || identity.ok();
  return anew || !there || identity.code() == Code::kNotFound
             ? fail(Code::kNotAStore, options_.directory + (anew ? " is another store now: open it again"
                                                                 : " was removed while it was read"))
             : identity.status();
}

}  // namespace cairn::engine
