// Opens, shares and closes an environment, and checks the file before LMDB maps it.
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "engine/directory/store_directory.h"
#include "engine/tables/birth.h"
#include "engine/tables/environment.h"
#include "engine/tables/lmdb_status.h"
#include "engine/tables/metas.h"
#include "engine/tables/pages.h"
#include "wal/descriptor.h"

namespace cairn::engine {
namespace {

using Place = std::pair<uint64_t, uint64_t>;  // st_dev, st_ino of data/

/// To be called only before the environment is open in this process: closing data.mdb or lock.mdb later drops LMDB's
/// locks.
Status check_files(int data, const Environment::Request& request, bool& read_only_mount) {
  struct stat info = {};
  if (fstat(data, &info) != 0) {
    return lmdb_status(errno, "data/");
  }
  if (!request.any_owner && info.st_uid != geteuid()) {
    return {Code::kUnsafe, "data/ belongs to another user"};
  }
  if ((info.st_mode & 022) != 0) {
    return {Code::kUnsafe, "others may write into data/: `chmod -R go-rwxs` the store's directory"};
  }
  if (!request.any_file_system && file_system(data) == FileSystem::kNetwork) {
    return {Code::kUnsafe, "data/ lies on a network file system: its locks and mappings cannot be trusted"};
  }
  const auto ordinary = [&](const struct stat& s) {
    return S_ISREG(s.st_mode) && s.st_nlink == 1 && (request.any_owner || s.st_uid == geteuid());
  };
  if (fstatat(data, "lock.mdb", &info, AT_SYMLINK_NOFOLLOW) == 0 && !ordinary(info)) {
    return {Code::kUnsafe, "lock.mdb is a link, shared, or another user's"};
  }
  const wal::Descriptor file(::openat(data, "data.mdb", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT) {
    return {Code::kCorrupt, "data/ without data.mdb", ENOENT};
  }
  if (file.get() < 0) {
    return lmdb_status(errno, "data.mdb");
  }
  if (fstat(file.get(), &info) != 0) {
    return lmdb_status(errno, "data.mdb");
  }
  if (!ordinary(info)) {
    return {Code::kUnsafe, "data.mdb is a link, shared, or another user's"};
  }
  struct statvfs mount = {};
  read_only_mount = fstatvfs(file.get(), &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0;
  if (!request.read_only && !read_only_mount && request.log_goes_on) {
    CAIRN_TRY(mend_torn_meta(data, request.log_goes_on));
  }
  CAIRN_TRY_ASSIGN(auto&& damage, check_pages(file.get(), kPagesCheckedAtOpen));
  if (!damage) {
    return {};
  }
  if (damage->page < 2) {
    const Result<std::optional<TornMeta>> torn = find_torn_meta(file.get());
    if (torn.ok() && torn->has_value() && request.read_only) {
      return {Code::kCorrupt,
              "one of data.mdb's two meta pages is torn: the next command that writes mends it, or "
              "`cairn repair`"};
    }
  }
  return {Code::kCorrupt, damage->what};
}

Status check_store(Environment& environment, const std::string& store_id) {
  CAIRN_TRY_ASSIGN(auto&& txn, environment.read());
  const auto store = environment.tables().get(txn.get(), Table::kMeta, meta_key::kStore);
  if (!store.ok()) {
    return store.status();
  }
  if (!store->has_value()) {
    return {Code::kCorrupt, "table meta: no store id"};
  }
  if (!store_id.empty() && **store != store_id) {
    return {Code::kCorrupt, "the tables of another store"};
  }
  return {};
}

}  // namespace

/// Which data directories this process has open.
struct Environment::Registry {
  struct Entry {
    std::weak_ptr<Environment> environment;
    int pid = 0;
  };
  CondVar closed;
  std::map<Place, Entry> entries;
};

/// Never destroyed: environments may still close while static objects are.
Environment::Registry& Environment::registry() {
  static auto* const instance = new Registry;
  return *instance;
}

Result<std::shared_ptr<Environment>> Environment::acquire(const Request& request) {
  if (request.store_id.size() != 16 && !(request.store_id.empty() && request.read_only)) {
    return Status{Code::kInvalidArgument, "a store id has 16 bytes"};
  }
  // Declared before the lock: if it holds the last reference, the environment closes after the lock is released.
  std::shared_ptr<Environment> found;
  const MutexLock lock(registry_mutex_);
  Registry& all = registry();
  if (!request.read_only) {
    CAIRN_TRY(remove_unborn(request.directory));
  }

  const std::string path = request.directory + "/data";
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int opened = wal::above_standard(::open(path.c_str(), kFlags));
  const bool born_now = opened < 0 && errno == ENOENT && !request.read_only;
  if (born_now) {
    CAIRN_TRY(give_birth(request.directory, request.store_id, map_size(request.map_bytes)));
    opened = wal::above_standard(::open(path.c_str(), kFlags));
  }
  if (opened < 0 && errno == ENOENT) {
    return Status{Code::kNotFound, "no data/ in the store", ENOENT};
  }
  if (opened < 0) {
    return lmdb_status(errno == ENOTDIR ? ELOOP : errno, "data/ cannot be opened as a directory");
  }
  const wal::Descriptor data(opened);
  struct stat info = {};
  if (fstat(data.get(), &info) != 0) {
    return lmdb_status(errno, "data/");
  }
  const Place place = {info.st_dev, info.st_ino};

  for (auto it = all.entries.find(place); it != all.entries.end(); it = all.entries.find(place)) {
    if (it->second.pid != getpid()) {
      break;  // it belongs to the parent, from before this process was forked
    }
    found = it->second.environment.lock();
    if (found == nullptr) {  // another thread is closing it
      all.closed.wait(registry_mutex_);
      continue;
    }
    if (!request.read_only && found->owned_) {
      return Status{Code::kBusy, "this process has the store open already"};
    }
    if (!request.read_only && !found->writable().ok()) {
      return Status{Code::kBusy, "this process reads the store through another handle"};
    }
    CAIRN_TRY(check_store(*found, request.store_id));
    if (!request.read_only) {
      found->owned_ = true;
    }
    return found;
  }

  bool read_only_mount = false;
  CAIRN_TRY(check_files(data.get(), request, read_only_mount));
  if (read_only_mount && !request.read_only) {
    return Status{Code::kReadOnly, "data/ is mounted read-only", EROFS};
  }
  if (!read_only_mount) {
    CAIRN_TRY(prepare_lock_file(data.get()));
  }
  std::shared_ptr<Environment> made;  // if it cannot be used, it closes before the lock is released
  CAIRN_TRY(make(request, read_only_mount, born_now, made));
  CAIRN_TRY(check_store(*made, request.store_id));
  {
    CAIRN_TRY_ASSIGN(auto&& txn, made->read());
    CAIRN_TRY_ASSIGN(const uint64_t lsn, made->tables().meta_u64(txn.get(), meta_key::kAppliedLsn));
    CAIRN_TRY_ASSIGN(const uint64_t session, made->tables().meta_u64(txn.get(), meta_key::kSession));
    made->note(lsn, session);
  }
  all.entries[place] = {made, getpid()};
  made->device_ = place.first;
  made->inode_ = place.second;
  made->registered_ = true;
  made->owned_ = !request.read_only;
  return made;
}

void Environment::Close::operator()(MDB_env* env) const { mdb_env_close(env); }

Environment::Environment(Opened&& env, int fd, uint64_t map_bytes, const Request& request)
    : env_(std::move(env)),
      fd_(fd),
      pid_(getpid()),
      writable_(!request.read_only),
      directory_(request.directory),
      map_(env_.get(), fd, map_bytes),
      tables_(env_.get(), fd) {}

Status Environment::open(const Request& request, bool read_only_mount, Opened& env) {
  int major = 0;
  int minor = 0;
  int patch = 0;
  mdb_version(&major, &minor, &patch);
  if (major != MDB_VERSION_MAJOR || minor != MDB_VERSION_MINOR || patch < 24) {
    return {Code::kVersion, "liblmdb is not 0.9.24 or a later 0.9"};
  }
  MDB_env* created = nullptr;
  int rc = mdb_env_create(&created);
  if (rc != 0) {
    return lmdb_status(rc, "LMDB environment");
  }
  env.reset(created);
  rc = mdb_env_set_maxreaders(created, kMaxReaders);
  if (rc == 0) {
    rc = mdb_env_set_maxdbs(created, kMaxTables);
  }
  unsigned flags = MDB_NOTLS;
  flags |= request.read_only ? MDB_RDONLY : MDB_NOMETASYNC;
  // lock.mdb cannot be written there, and no process can write data.mdb through this mount.
  if (read_only_mount) {
    flags |= MDB_NOLOCK;
  }
  if (rc == 0) {
    rc = open_held(created, request.directory + "/data", flags);
  }
  if (rc != 0) {
    return lmdb_status(rc, "opening the LMDB environment");
  }
  return {};
}

Status Environment::make(const Request& request, bool read_only_mount, bool born_now,
                         std::shared_ptr<Environment>& environment) {
  Opened env;
  CAIRN_TRY(open(request, read_only_mount, env));
  int fd = -1;
  (void)mdb_env_get_fd(env.get(), &fd);
  // LMDB leaves this descriptor open across exec.
  const int flag = fcntl(fd, F_GETFD);
  if (flag < 0 || fcntl(fd, F_SETFD, flag | FD_CLOEXEC) != 0) {
    return lmdb_status(errno, "descriptor of data.mdb");
  }
  MDB_envinfo info = {};
  if (const int rc = mdb_env_info(env.get(), &info); rc != 0) {
    return lmdb_status(rc, "LMDB environment");
  }
  environment.reset(new Environment(std::move(env), fd, info.me_mapsize, request));
  return environment->prepare(request, read_only_mount, born_now);
}

Status Environment::prepare(const Request& request, bool read_only_mount, bool born_now) {
  if (!read_only_mount) {
    CAIRN_TRY(check_readers().status());
  }
  // Also lengthens the file to the map, as a copy may be shorter.
  if (writable_) {
    CAIRN_TRY(map_.remap(map_size(std::max(request.map_bytes, map_.bytes()))));
    if (!born_now) {
      CAIRN_TRY(repeat_meta_pages());
    }
  }
  return tables_.open();
}

// The meta pages that are read here may not be on the disk: a failed sync marks pages clean, and this may still be the
// same boot. Other pages are not in doubt, because each commit syncs its pages before it writes its meta page. If the
// disk kept an older meta page, the next commits would overwrite pages that it needs, and a power cut would bring it
// back. So both are written again.
Status Environment::repeat_meta_pages() {
  MDB_stat stat = {};
  if (const int rc = mdb_env_stat(env_.get(), &stat); rc != 0) {
    return lmdb_status(rc, "LMDB environment");
  }
  return repeat_metas(fd_, stat.ms_psize);
}

Status Environment::while_closed(const std::string& directory, const FunctionRef<void()>& body) {
  const MutexLock lock(registry_mutex_);
  const Registry& all = registry();
  struct stat info = {};
  if (stat((directory + "/data").c_str(), &info) == 0) {
    const auto it = all.entries.find({info.st_dev, info.st_ino});
    if (it != all.entries.end() && it->second.pid == getpid()) {
      return {Code::kBusy, "this process has the store open"};
    }
  }
  body();
  return {};
}

void Environment::disown() {
  const MutexLock lock(registry_mutex_);
  owned_ = false;
}

Environment::~Environment() {
  // A forked child shares descriptors and lock.mdb with its parent: closing could free the parent's reader slots.
  if (pid_ != getpid()) {
    (void)env_.release();
    return;
  }
  if (!registered_) {
    return;
  }
  const MutexLock lock(registry_mutex_);
  Registry& all = registry();
  env_.reset();
  all.entries.erase({device_, inode_});
  all.closed.notify_all();
}

}  // namespace cairn::engine
