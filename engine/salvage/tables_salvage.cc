#include "engine/salvage/tables_salvage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/base/error_detail.h"
#include "engine/diff/diff.h"
#include "engine/sync/dead_letter.h"
#include "engine/sync/frozen_batch.h"
#include "engine/tables/format.h"
#include "engine/tables/layout.h"
#include "engine/tables/notes.h"
#include "wal/descriptor.h"

namespace cairn::engine {
namespace {

using namespace layout;  // NOLINT(google-build-using-namespace): this file is about nothing else

constexpr uint64_t kValueBytesMax = 16u << 20;  // a record has at most a megabyte or so

class Salvager {
 public:
  using Visit = std::function<Status(std::string_view key, std::string_view value)>;

  Salvager(int fd, TablesSalvage& out) : fd_(fd), out_(out) {}

  /// False: neither meta page is whole.
  bool read_meta() {
    std::array<Meta, 2> metas;
    bool any = false;
    uint64_t page_bytes = 0;
    for (uint64_t number = 0; number < 2; ++number) {
      // The second meta page is after the first, whose page size only an undamaged one tells; LMDB uses the machine's.
      const uint64_t offset = number * (page_bytes != 0 ? page_bytes : static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
      std::array<char, kMetaBytes> page{};
      if (!read(offset, page.data(), page.size()) || parse_meta(page.data(), number, metas[number]) != nullptr) {
        ++out_.bad_pages;
        continue;
      }
      page_bytes = metas[number].page_bytes;
      if (!any || metas[number].txn > meta_.txn) {
        meta_ = metas[number];
      }
      any = true;
    }
    return any;
  }

  /// Visits the trees of the tables, with their names.
  Status tables(const FunctionRef<void(std::string_view name, const Tree& tree)>& visit) {
    return walk(meta_.main, true, [&](std::string_view name, std::string_view tree) {
      if (tree.size() == kTreeBytes) {
        visit(name, load_tree(tree.data()));
      }
      return Status();
    });
  }

  /// Visits every node of the tree whose page can be reached and is undamaged.
  Status walk(const Tree& tree, bool of_tables, const Visit& visit) {
    if (tree.root == kNoPage) {
      return {};
    }
    if (tree.depth == 0 || tree.depth > kTreeDepthMax) {
      ++out_.bad_pages;
      return {};
    }
    std::vector<std::pair<uint64_t, unsigned>> waiting = {{tree.root, tree.depth}};
    std::vector<char> page(meta_.page_bytes);
    while (!waiting.empty()) {
      const auto [number, levels] = waiting.back();
      waiting.pop_back();
      if (!read_page(number, levels == 1 ? kLeafPage : kBranchPage, page)) {
        ++out_.bad_pages;
        continue;
      }
      const size_t nodes = (load<uint16_t>(&page[12]) - kPageHeaderBytes) / 2;
      for (size_t i = nodes; i-- > 0;) {  // pushed in reverse, so that keys come in order
        const size_t offset = load<uint16_t>(&page[kPageHeaderBytes + 2 * (levels == 1 ? nodes - 1 - i : i)]);
        if (offset < kPageHeaderBytes || offset + kNodeBytes > page.size()) {
          ++out_.bad_values;
          continue;
        }
        const char* node = &page[offset];
        const uint64_t low = load<uint16_t>(node) | static_cast<uint64_t>(load<uint16_t>(node + 2)) << 16;
        if (levels > 1) {
          waiting.emplace_back(low | static_cast<uint64_t>(load<uint16_t>(node + 4)) << 32, levels - 1);
          continue;
        }
        CAIRN_TRY(leaf_node(page, offset, low, of_tables, visit));
      }
    }
    return {};
  }

 private:
  bool read(uint64_t offset, char* into, size_t bytes) const {
    for (size_t got = 0; got < bytes;) {
      const ssize_t n = pread(fd_, into + got, bytes - got, static_cast<off_t>(offset + got));
      if (n == 0 || (n < 0 && errno != EINTR)) {
        return false;  // the file ends, or the disk cannot read it: the page is lost either way
      }
      got += n > 0 ? static_cast<size_t>(n) : 0;
    }
    return true;
  }

  bool read_page(uint64_t number, uint16_t kind, std::vector<char>& page) {
    if (number < 2 || number > meta_.last_page || !seen_.insert(number).second ||
        !read(number * meta_.page_bytes, page.data(), page.size())) {
      return false;
    }
    const auto lower = load<uint16_t>(&page[12]);
    const auto upper = load<uint16_t>(&page[14]);
    return load<uint64_t>(page.data()) == number && (load<uint16_t>(&page[10]) & kPageKinds) == kind &&
           lower >= kPageHeaderBytes && lower % 2 == 0 && lower <= upper && upper <= page.size();
  }

  Status leaf_node(const std::vector<char>& page, size_t offset, uint64_t bytes, bool of_tables, const Visit& visit) {
    const char* node = &page[offset];
    const auto flags = load<uint16_t>(node + 4);
    const auto key_bytes = load<uint16_t>(node + 6);
    const size_t data = offset + kNodeBytes + key_bytes;
    const bool large = flags == kBigData;
    if (data + (large ? sizeof(uint64_t) : bytes) > page.size() || bytes > kValueBytesMax ||
        (!large && flags != (of_tables ? kSubTree : 0))) {
      ++out_.bad_values;
      return {};
    }
    const std::string_view key(node + kNodeBytes, key_bytes);
    if (!large) {
      return visit(key, {&page[data], bytes});
    }
    const auto first = load<uint64_t>(&page[data]);
    std::string value(bytes, '\0');
    if (first < 2 || first > meta_.last_page ||
        !read(first * meta_.page_bytes + kPageHeaderBytes, value.data(), value.size())) {
      ++out_.bad_values;
      return {};
    }
    return visit(key, value);
  }

  const int fd_;
  TablesSalvage& out_;
  Meta meta_;
  std::unordered_set<uint64_t> seen_;
};

struct Outbox {
  std::map<std::string, OutboxRow, std::less<>> before;  // changes of runs owned elsewhere: on their way, or refused
  std::map<std::string, OutboxRow, std::less<>> rows;
  bool whole = true;
};

Status salvage_sync(Salvager& salvager, Table table, const Tree& tree, Outbox& outbox, TablesSalvage& out) {
  return salvager.walk(tree, false, [&](std::string_view key, std::string_view value) -> Status {
    const auto payload = open_value(table, key, value);
    if (!payload) {
      ++out.bad_values;
    } else if (table == Table::kCursors || sync::is_stranded(table, key)) {
      out.sync.push_back({table, std::string(key), std::string(*payload)});
    } else {
      sync::foreign_rows(table, key, *payload, outbox.before);
    }
    return {};
  });
}

Status salvage_outbox(Salvager& salvager, const Tree& tree, Outbox& outbox, TablesSalvage& out) {
  const uint64_t pages = out.bad_pages;
  const uint64_t values = out.bad_values;
  const Status s = salvager.walk(tree, false, [&](std::string_view key, std::string_view value) -> Status {
    const auto payload = open_value(Table::kOutbox, key, value);
    auto row = payload ? decode_outbox_row(*payload) : Result<OutboxRow>(Status(Code::kCorrupt));
    if (row.ok()) {
      outbox.rows.emplace(key, std::move(*row));
    } else {
      ++out.bad_values;
    }
    return {};
  });
  outbox.whole = out.bad_pages == pages && out.bad_values == values;
  return s;
}

// The record of a run owned elsewhere is incomplete without what waits for its owner. If that may be lost, the run is
// not given out.
bool complete(RunRecord& run, Outbox& outbox) {
  if (!run.foreign) {
    return true;
  }
  const auto row = outbox.rows.find(run.id);
  if (row == outbox.rows.end()) {
    return outbox.whole;
  }
  run.outbox = std::move(row->second);
  return run.outbox.diff.last == run.sequence;
}

Status salvage_runs(Salvager& salvager, const Tree& tree, Outbox& outbox, const FunctionRef<Status(RunRecord)>& visit,
                    TablesSalvage& out) {
  return salvager.walk(tree, false, [&](std::string_view key, std::string_view value) -> Status {
    const auto payload = open_value(Table::kRuns, key, value);
    auto record = payload ? decode_run_record(*payload) : Result<RunRecord>(Status(Code::kCorrupt));
    if (!record.ok() || record->id != key || !complete(*record, outbox)) {
      ++out.bad_values;
      return record.code() == Code::kVersion ? record.status() : Status();
    }
    ++out.records;
    return visit(std::move(*record));
  });
}

Status salvage_texts(Salvager& salvager, const Tree& tree,
                     const FunctionRef<Status(std::string_view key, std::string_view payload)>& visit,
                     TablesSalvage& out) {
  return salvager.walk(tree, false, [&](std::string_view key, std::string_view value) -> Status {
    const auto payload = open_value(Table::kTexts, key, value);
    if (!payload || !decode_text(*payload)) {
      ++out.bad_values;
      return {};
    }
    return visit(key, *payload);
  });
}

Status salvage_notes(Salvager& salvager, Table table, const Tree& tree, TablesSalvage& out) {
  return salvager.walk(tree, false, [&](std::string_view key, std::string_view value) -> Status {
    const auto payload = open_value(table, key, value);
    Result<Note> note = payload ? decode_stored_note(key, *payload) : Result<Note>(Status(Code::kCorrupt));
    if (note.ok()) {
      out.notes.push_back(std::move(*note));
    } else {
      ++out.bad_values;
    }
    return {};
  });
}

Status salvage_ids(Salvager& salvager, Table index, const Tree& tree, TablesSalvage& out) {
  return salvager.walk(tree, false, [&](std::string_view key, std::string_view value) -> Status {
    const auto id = open_value(index, key, value) ? id_of_index_key(index, key) : std::nullopt;
    if (id) {
      out.indexed.emplace(*id);
    } else {
      ++out.bad_values;
    }
    return {};
  });
}

}  // namespace

Status salvage_tables(const std::string& directory, const FunctionRef<Status(RunRecord record)>& visit,
                      const FunctionRef<Status(std::string_view key, std::string_view payload)>& visit_text,
                      TablesSalvage& out) {
  const wal::Descriptor fd(
      ::open((directory + "/data/data.mdb").c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) {
    return errno == ENOENT ? Status() : fail(Status(Code::kIo, "open data.mdb", errno), "cannot open data/data.mdb");
  }
  // The page layout is known for builds of 64 bits.
  Salvager salvager(fd.get(), out);
  if (sizeof(size_t) != 8 || !salvager.read_meta()) {
    return {};
  }
  std::array<std::optional<Tree>, kTables.size()> trees;
  CAIRN_TRY(salvager.tables([&](std::string_view name, const Tree& tree) {
    out.entries += name == table_name(Table::kMeta) ? 0 : tree.entries;
    for (size_t i = 0; i < kTables.size(); ++i) {
      if (name == table_name(kTables[i])) {
        trees[i] = tree;
      }
    }
  }));
  const auto tree_of = [&trees](Table t) {
    return trees[static_cast<size_t>(std::find(kTables.begin(), kTables.end(), t) - kTables.begin())];
  };
  Outbox outbox;
  for (const Table table : {Table::kInflight, Table::kDead, Table::kCursors}) {
    if (const auto tree = tree_of(table)) {
      CAIRN_TRY(salvage_sync(salvager, table, *tree, outbox, out));
    }
  }
  if (const auto rows = tree_of(Table::kOutbox)) {
    CAIRN_TRY(salvage_outbox(salvager, *rows, outbox, out));
  }
  if (const auto runs = tree_of(Table::kRuns)) {
    out.records_promised = runs->entries;
    CAIRN_TRY(salvage_runs(salvager, *runs, outbox, visit, out));
  }
  if (const auto texts = tree_of(Table::kTexts)) {
    CAIRN_TRY(salvage_texts(salvager, *texts, visit_text, out));
  }
  for (const Table table : {Table::kNotes, Table::kRequests}) {
    if (const auto tree = tree_of(table)) {
      CAIRN_TRY(salvage_notes(salvager, table, *tree, out));
    }
  }
  for (const auto& [id, row] : outbox.before) {
    // Not put back before what waits: it may have arrived.
    out.sync.push_back(
        {Table::kDead, id,
         sync::held_delta(row, "the store was repaired: whether this was sent before is not known", row.since_us)});
  }
  for (const Table index : {Table::kByStatus, Table::kByUpdated}) {
    if (const auto tree = tree_of(index)) {
      CAIRN_TRY(salvage_ids(salvager, index, *tree, out));
    }
  }
  if (const auto meta = tree_of(Table::kMeta)) {
    const uint64_t pages = out.bad_pages;
    const uint64_t values = out.bad_values;
    CAIRN_TRY(salvager.walk(*meta, false, [&](std::string_view key, std::string_view value) -> Status {
      const auto payload = open_value(Table::kMeta, key, value);
      if (!payload) {
        ++out.bad_values;
      } else if (key == meta_key::kAppliedLsn) {
        out.applied_lsn = decode_u64(*payload);
      } else if (key == meta_key::kStore) {
        out.store_id.emplace(*payload);
      } else if (key == meta_key::kSync) {
        out.sender_state.emplace(*payload);
      }
      return {};
    }));
    out.meta_whole = out.bad_pages == pages && out.bad_values == values;
  }
  return {};
}

}  // namespace cairn::engine
