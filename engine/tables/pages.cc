#include "engine/tables/pages.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <unordered_set>
#include <vector>

#include "engine/tables/layout.h"
#include "engine/tables/leaf_check.h"

namespace cairn::engine {
namespace {

using namespace layout;  // NOLINT(google-build-using-namespace): this file is about nothing else

constexpr int kRounds = 5;

class Checker {
 public:
  Checker(int fd, size_t pages_max) : fd_(fd), pages_max_(pages_max) {}

  /// False: stop; damage() or failure() says why.
  bool read_metas() {
    if (!read_meta(0, metas_[0])) {
      return false;
    }
    if (!read_meta(metas_[0].page_bytes, metas_[1])) {
      return false;
    }
    if (metas_[0].page_bytes != metas_[1].page_bytes) {
      return bad(1, "the meta pages name different page sizes");
    }
    // Take the length after reading the metas: a live writer lengthens the file before it writes them.
    // By fstat, and all reads by pread: LMDB writes at the descriptor's own position (lseek, then writev).
    struct stat info = {};
    if (fstat(fd_, &info) != 0) {
      return fail(errno);
    }
    const uint64_t file_pages = static_cast<uint64_t>(info.st_size) / metas_[0].page_bytes;
    for (size_t i = 0; i < metas_.size(); ++i) {
      if (metas_[i].last_page >= file_pages) {
        return bad(i, "the file is shorter than its meta page says: truncated");
      }
    }
    return true;
  }

  [[nodiscard]] uint64_t newest() const { return std::max(metas_[0].txn, metas_[1].txn); }

  /// False if that commit's meta page has been overwritten.
  bool select(uint64_t txn) {
    for (const Meta& m : metas_) {
      if (m.txn == txn) {
        meta_ = m;
        return true;
      }
    }
    return false;
  }

  bool check_trees() {
    if (!enqueue_tree(meta_.free, 0, Kind::kFree) || !enqueue_tree(meta_.main, 0, Kind::kMain)) {
      return false;
    }
    std::vector<char> page(meta_.page_bytes);
    // First in, first out: the levels near the roots come first if pages_max ends the walk early.
    for (size_t i = 0; i < queue_.size() && i < pages_max_; ++i) {
      if (!check_page(queue_[i], page.data())) {
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] std::optional<PageDamage> damage() const { return damage_; }
  [[nodiscard]] int failure() const { return failure_; }

 private:
  enum class Kind : uint8_t { kFree, kMain /* its leaves hold the tables' trees */, kTable };
  struct Item {
    uint64_t page = 0;
    uint16_t levels = 0;  // this page and those below it
    Kind tree = Kind::kTable;
  };

  bool bad(uint64_t page, const char* what) {
    damage_ = PageDamage{page, what};
    return false;
  }
  bool fail(int cause) {
    failure_ = cause;
    return false;
  }

  /// Short only at the end of the file.
  bool read(uint64_t offset, char* into, size_t bytes, size_t& got) {
    got = 0;
    while (got < bytes) {
      const ssize_t n = pread(fd_, into + got, bytes - got, static_cast<off_t>(offset + got));
      if (n < 0 && errno == EINTR) {
        continue;
      }
      if (n < 0) {
        return fail(errno);
      }
      if (n == 0) {
        break;
      }
      got += static_cast<size_t>(n);
    }
    return true;
  }

  bool read_meta(uint64_t offset, Meta& m) {
    const uint64_t number = offset == 0 ? 0 : 1;
    std::array<char, kMetaBytes> page{};
    size_t got = 0;
    if (!read(offset, page.data(), page.size(), got)) {
      return false;
    }
    if (got < page.size()) {
      return bad(number, "the file ends within its meta pages: truncated");
    }
    const char* what = parse_meta(page.data(), number, m);
    return what == nullptr || bad(number, what);
  }

  bool enqueue_tree(const Tree& tree, uint64_t named_by, Kind kind) {
    if (tree.root == kNoPage) {
      return (tree.depth == 0 && tree.entries == 0) || bad(named_by, "a tree without root that is not empty");
    }
    if (tree.depth == 0 || tree.depth > kTreeDepthMax) {
      return bad(named_by, "a tree of impossible depth");
    }
    return enqueue({tree.root, tree.depth, kind}, named_by);
  }

  bool enqueue(Item item, uint64_t named_by) {
    if (item.page < 2 || item.page > meta_.last_page) {
      return bad(named_by, "a page number outside the file");
    }
    if (!seen_.insert(item.page).second) {
      return bad(named_by, "a page that is used twice");
    }
    queue_.push_back(item);
    return true;
  }

  bool check_page(Item item, char* page) {
    size_t got = 0;
    if (!read(item.page * meta_.page_bytes, page, meta_.page_bytes, got)) {
      return false;
    }
    if (got < meta_.page_bytes) {
      return bad(item.page, "a page after the end of the file: truncated");
    }
    const auto kind = static_cast<uint16_t>(load<uint16_t>(page + 10) & kPageKinds);
    if (load<uint64_t>(page) != item.page) {
      return bad(item.page, "a page with another page's number");
    }
    if (kind != (item.levels == 1 ? kLeafPage : kBranchPage)) {
      return bad(item.page, "a page of the wrong kind");
    }
    const auto lower = load<uint16_t>(page + 12);
    const auto upper = load<uint16_t>(page + 14);
    if (lower < kPageHeaderBytes || lower > upper || upper > meta_.page_bytes || lower % 2 != 0) {
      return bad(item.page, "a page with impossible borders");
    }
    const size_t nodes = (lower - kPageHeaderBytes) / 2;
    // LMDB aborts the process on a branch with one child, but allows it in the free tree.
    if (nodes < (kind == kBranchPage && item.tree != Kind::kFree ? 2U : 1U)) {
      return bad(item.page, "a page with too few nodes");
    }
    for (size_t i = 0; i < nodes; ++i) {
      const size_t offset = load<uint16_t>(page + kPageHeaderBytes + 2 * i);
      if (offset < upper || offset % 2 != 0 || offset + kNodeBytes > meta_.page_bytes ||
          !check_node(item, page, offset)) {
        return damage_ || failure_ != 0 ? false : bad(item.page, "a node outside its page");
      }
    }
    if (!fills_page(page, meta_.page_bytes)) {
      return bad(item.page, "a page that lacks entries that it had");
    }
    return true;
  }

  /// False without damage: the node leaves its page.
  bool check_node(Item item, const char* page, size_t offset) {
    const char* node = page + offset;
    const uint64_t low = load<uint16_t>(node) | static_cast<uint64_t>(load<uint16_t>(node + 2)) << 16;
    const auto flags = load<uint16_t>(node + 4);
    const size_t data = offset + kNodeBytes + load<uint16_t>(node + 6);
    if (data > meta_.page_bytes) {
      return false;
    }
    if (item.levels > 1) {
      const uint64_t child = low | static_cast<uint64_t>(flags) << 32;
      return enqueue({child, static_cast<uint16_t>(item.levels - 1), item.tree}, item.page);
    }
    if (flags == kBigData) {
      return data + sizeof(uint64_t) <= meta_.page_bytes && check_overflow(item, page + data, low);
    }
    if (data + low > meta_.page_bytes) {
      return false;
    }
    const bool main = item.tree == Kind::kMain;
    if (flags != (main ? kSubTree : 0)) {
      return bad(item.page, "a node with flags that were never set");
    }
    if (!main) {
      return true;
    }
    if (low != kTreeBytes) {
      return bad(item.page, "a table of the wrong length");
    }
    if (load<uint16_t>(page + data + 4) != 0) {
      return bad(item.page, "a table with flags that were never set");
    }
    return enqueue_tree(load_tree(page + data), item.page, Kind::kTable);
  }

  bool check_overflow(Item item, const char* number, uint64_t bytes) {
    const auto first = load<uint64_t>(number);
    const uint64_t needed = (kPageHeaderBytes - 1 + bytes) / meta_.page_bytes + 1;
    if (item.tree == Kind::kMain || first < 2 || first > meta_.last_page) {
      return bad(item.page, "a long value outside the file");
    }
    std::array<char, kPageHeaderBytes> header{};
    size_t got = 0;
    if (!read(first * meta_.page_bytes, header.data(), header.size(), got)) {
      return false;
    }
    if (got < header.size() || load<uint64_t>(&header[0]) != first ||
        (load<uint16_t>(&header[10]) & kPageKinds) != kOverflowPage) {
      return bad(first, "not the page of a long value");
    }
    // A value that was overwritten by a shorter one keeps its pages, and LMDB frees as many as this count says.
    const auto count = load<uint32_t>(&header[12]);
    if (count < needed || count > meta_.last_page - first + 1) {
      return bad(first, "a long value outside the file");
    }
    for (uint64_t i = 0; i < count; ++i) {
      if (!seen_.insert(first + i).second) {
        return bad(first, "a page that is used twice");
      }
    }
    return true;
  }

  const int fd_;
  const size_t pages_max_;
  std::array<Meta, 2> metas_;
  Meta meta_;
  std::vector<Item> queue_;
  std::unordered_set<uint64_t> seen_;
  std::optional<PageDamage> damage_;
  int failure_ = 0;
};

}  // namespace

Result<std::optional<PageDamage>> check_pages(int fd, size_t pages_max, uint64_t txn) {
  // The offsets above are those of 64-bit builds; other builds rely on LMDB's own check of the meta pages.
  if constexpr (sizeof(size_t) != 8) {
    return std::optional<PageDamage>();
  }
  std::optional<PageDamage> seen;
  for (int round = 0; round < kRounds; ++round) {
    Checker checker(fd, pages_max);
    bool good = checker.read_metas();
    const uint64_t newest = good ? checker.newest() : 0;
    if (good) {
      if (!checker.select(txn == 0 ? newest : txn)) {
        return std::optional<PageDamage>();
      }
      good = checker.check_trees();
    }
    if (checker.failure() != 0) {
      return Status{Code::kIo, "reading data.mdb", checker.failure()};
    }
    if (good) {
      return std::optional<PageDamage>();
    }
    seen = checker.damage();
    // A writer may have been active between two reads. The pages of a commit stay unchanged until the second next one.
    if (newest != 0) {
      Checker again(fd, 0);
      if (again.read_metas() && again.newest() == newest) {
        return seen;
      }
      if (txn != 0 && !again.select(txn)) {
        return std::optional<PageDamage>();
      }
      if (again.failure() == 0 && !again.damage() && round + 1 == kRounds) {
        return std::optional<PageDamage>();
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return seen;
}

}  // namespace cairn::engine
