#include "engine/tables/metas.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "engine/tables/environment_map.h"
#include "engine/tables/format.h"
#include "engine/tables/layout.h"
#include "engine/tables/leaf_check.h"
#include "engine/tables/lmdb_status.h"

namespace cairn::engine {
namespace {

using namespace layout;  // NOLINT(google-build-using-namespace): this file is about nothing else

/// These read and write without moving the descriptor's position, which LMDB uses.
Status read_all(int fd, uint64_t offset, std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n == 0) {
      return {Code::kCorrupt, "data.mdb ends within a page"};
    }
    if (n < 0 && errno != EINTR) {
      return {Code::kIo, "reading data.mdb", errno};
    }
    done += n > 0 ? static_cast<size_t>(n) : 0;
  }
  return {};
}

Status write_all(int fd, uint64_t offset, std::string_view bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno != EINTR) {
      return lmdb_status(errno, "writing a meta page");
    }
    done += n > 0 ? static_cast<size_t>(n) : 0;
  }
  return fdatasync(fd) == 0 ? Status() : lmdb_sync_status(errno, "syncing a meta page");
}

class Judge {
 public:
  Judge(int fd, uint64_t file_bytes) : fd_(fd), file_bytes_(file_bytes) {}

  /// Whether the meta page agrees with the trees that it leads to.
  bool whole(const Meta& meta) {
    if (meta.last_page >= file_bytes_ / meta.page_bytes) {
      return false;
    }
    // The file has only had its first commit.
    if (meta.txn == 0) {
      return meta.main.root == kNoPage && meta.free.root == kNoPage;
    }
    LeafCheck main(fd_, meta.page_bytes, meta.main);
    // Twelve tables fit on one page.
    if (meta.main.depth != 1 || !main.check(std::nullopt).ok() || main.nodes() != meta.main.entries) {
      return false;
    }
    if (!applied_lsn(meta)) {
      return false;
    }
    LeafCheck free(fd_, meta.page_bytes, meta.free, LeafCheck::Order::kOfNumbers);
    if (meta.free.root == kNoPage) {
      return meta.free.depth == 0 && meta.free.entries == 0 && meta.txn <= 2;
    }
    if (meta.free.root > meta.last_page || meta.main.root > meta.last_page || !free.check(std::nullopt).ok()) {
      return false;
    }
    // The newest entry of the free tree is of this commit, which freed the pages that it replaced. Only the first
    // commit had none to replace.
    const std::string_view newest = free.key(free.nodes() - 1);
    if (newest.size() != sizeof(uint64_t)) {
      return false;
    }
    const auto number = layout::load<uint64_t>(newest.data());
    if (number > meta.txn || (number != meta.txn && meta.txn > 2)) {
      return false;
    }
    for (size_t back = 1; back <= std::min<size_t>(2, free.nodes()); ++back) {
      if (lists(free, free.nodes() - back, meta)) {
        return false;
      }
    }
    return true;
  }

  std::optional<uint64_t> applied_lsn(const Meta& meta) const {
    LeafCheck main(fd_, meta.page_bytes, meta.main);
    const std::string_view name = table_name(Table::kMeta);
    const auto tree = main.find(name);
    if (!tree || tree->size() != kTreeBytes) {
      return std::nullopt;
    }
    LeafCheck table(fd_, meta.page_bytes, load_tree(tree->data()));
    const auto value = table.find(meta_key::kAppliedLsn);
    const auto payload = value ? open_value(Table::kMeta, meta_key::kAppliedLsn, *value) : std::nullopt;
    return payload ? decode_u64(*payload) : std::nullopt;
  }

 private:
  /// Whether an entry of the free tree (a count and page numbers) names the root of the main tree, or cannot be read.
  bool lists(const LeafCheck& free, size_t node, const Meta& meta) const {
    const LeafCheck::Value v = free.value(node);
    std::string bytes(v.bytes, '\0');
    if (v.overflow_page == 0) {
      bytes.assign(v.inside);
    } else if (v.overflow_page > meta.last_page || v.bytes > file_bytes_ ||
               !read_all(fd_, v.overflow_page * meta.page_bytes + kPageHeaderBytes, bytes).ok()) {
      return true;
    }
    for (size_t at = sizeof(uint64_t); at + sizeof(uint64_t) <= bytes.size(); at += sizeof(uint64_t)) {
      if (layout::load<uint64_t>(bytes.data() + at) == meta.main.root) {
        return true;
      }
    }
    return false;
  }

  const int fd_;
  const uint64_t file_bytes_;
};

/// The map never shrinks, and the file is lengthened before the map.
bool map_fits(const Meta& m, uint64_t file_bytes) {
  return m.map_bytes % kMapGranule == 0 && m.map_bytes / m.page_bytes > m.last_page && m.map_bytes <= file_bytes;
}

std::string kept_aside(uint64_t page, const char* ending) { return "meta_page_" + std::to_string(page) + ending; }

/// Saves the torn meta page aside, then overwrites it with the other one, durably.
Status mend(int data, int fd, const TornMeta& torn) {
  std::string bad(torn.page_bytes, '\0');
  std::string good(torn.page_bytes, '\0');
  CAIRN_TRY(read_all(fd, torn.page * torn.page_bytes, bad));
  CAIRN_TRY(read_all(fd, (1 - torn.page) * torn.page_bytes, good));
  const std::string name = kept_aside(torn.page, ".torn");
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const wal::Descriptor aside(wal::above_standard(::openat(data, name.c_str(), kFlags, 0600)));
  if (aside.get() < 0) {
    return lmdb_status(errno, "keeping a torn meta page aside");
  }
  CAIRN_TRY(write_all(aside.get(), 0, bad));
  if (fsync(data) != 0) {
    return lmdb_sync_status(errno, "syncing data/");
  }
  if (fdatasync(fd) != 0) {
    return lmdb_sync_status(errno, "syncing data.mdb");
  }
  std::memcpy(good.data(), &torn.page, sizeof torn.page);
  return write_all(fd, torn.page * torn.page_bytes, good);
}

}  // namespace

Result<std::optional<TornMeta>> find_torn_meta(int fd) {
  if constexpr (sizeof(size_t) != 8) {
    return std::optional<TornMeta>();
  }
  struct stat info = {};
  if (fstat(fd, &info) != 0) {
    return lmdb_status(errno, "data.mdb");
  }
  std::array<Meta, 2> metas;
  std::array<bool, 2> whole{};
  uint64_t page_bytes = 0;
  Judge judge(fd, static_cast<uint64_t>(info.st_size));
  for (uint64_t page = 0; page < 2; ++page) {
    // The second meta page is after the first, whose page size only an undamaged one tells; LMDB uses the machine's.
    std::string bytes(kMetaBytes, '\0');
    const uint64_t machine = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const Status read = read_all(fd, page * (page_bytes != 0 ? page_bytes : machine), bytes);
    if (read.code == Code::kIo) {
      return read;
    }
    whole[page] = read.ok() && parse_meta(bytes.data(), page, metas[page]) == nullptr && judge.whole(metas[page]);
    if (whole[page]) {
      page_bytes = metas[page].page_bytes;
    }
  }
  if (whole[0] && whole[1] && metas[0].map_bytes != metas[1].map_bytes) {
    for (const uint64_t page : {0U, 1U}) {
      whole[page] = map_fits(metas[page], static_cast<uint64_t>(info.st_size));
    }
  }
  if (whole[0] == whole[1]) {
    return std::optional<TornMeta>();
  }
  const uint64_t torn = whole[0] ? 1 : 0;
  // A file shorter than its map was truncated: other pages are lost, too.
  if (static_cast<uint64_t>(info.st_size) < metas[1 - torn].map_bytes) {
    return std::optional<TornMeta>();
  }
  const std::optional<uint64_t> lsn = judge.applied_lsn(metas[1 - torn]);
  return lsn ? std::optional<TornMeta>({torn, page_bytes, *lsn}) : std::nullopt;
}

Status mend_torn_meta(int data, const FunctionRef<bool(uint64_t applied_lsn)>& log_goes_on) {
  const wal::Descriptor file(
      wal::above_standard(::openat(data, "data.mdb", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)));
  if (file.get() < 0) {
    return lmdb_status(errno, "data.mdb");
  }
  CAIRN_TRY_ASSIGN(const auto&& torn, find_torn_meta(file.get()));
  return torn && log_goes_on(torn->applied_lsn) ? mend(data, file.get(), *torn) : Status();
}

wal::Descriptor open_tables_directory(const std::string& store) {
  return wal::Descriptor(
      wal::above_standard(::open((store + "/data").c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
}

bool is_mended_meta(int data) {
  const auto is_kept = [data](uint64_t page) {
    return faccessat(data, kept_aside(page, ".torn").c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  };
  return is_kept(0) || is_kept(1);
}

Status note_mended_meta(int data) {
  for (const uint64_t page : {0U, 1U}) {
    if (renameat(data, kept_aside(page, ".torn").c_str(), data, kept_aside(page, ".mended").c_str()) != 0 &&
        errno != ENOENT) {
      return lmdb_status(errno, "renaming a torn meta page that was kept");
    }
  }
  return fsync(data) == 0 ? Status() : lmdb_sync_status(errno, "syncing data/");
}

Status repeat_metas(int fd, uint64_t page_bytes) {
  // Writes of a killed process may not have reached the disk yet.
  if (fdatasync(fd) != 0) {
    return lmdb_sync_status(errno, "syncing data.mdb");
  }
  std::array<std::string, 2> pages;
  std::array<uint64_t, 2> numbers{};
  for (uint64_t page = 0; page < 2; ++page) {
    pages[page].resize(page_bytes);
    CAIRN_TRY(read_all(fd, page * page_bytes, pages[page]));
    numbers[page] = layout::load<uint64_t>(pages[page].data() + 144);
  }
  const uint64_t older = numbers[0] <= numbers[1] ? 0 : 1;
  CAIRN_TRY(write_all(fd, older * page_bytes, pages[older]));
  return write_all(fd, (1 - older) * page_bytes, pages[1 - older]);
}

}  // namespace cairn::engine
