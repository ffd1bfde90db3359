#include "engine/tables/table_access.h"

#include <lmdb.h>

#include <memory>

#include "engine/tables/lmdb_status.h"

namespace cairn::engine {
namespace {

constexpr MDB_dbi kTableOfTables = 1;

MDB_val value_of(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view view_of(const MDB_val& v) { return {static_cast<const char*>(v.mv_data), v.mv_size}; }

}  // namespace

// Before the other tables are looked for: another format may lack some.
Status TableAccess::check_format(MDB_txn* txn) const {
  CAIRN_TRY_ASSIGN(const auto format, get(txn, Table::kMeta, meta_key::kFormat));
  const std::optional<uint32_t> version = format ? decode_u32(*format) : std::nullopt;
  if (!version || *version == 0) {
    return {Code::kCorrupt, "table meta: no format version"};
  }
  if (*version != kTablesFormat) {
    return {Code::kVersion, *version > kTablesFormat ? "the tables were written by a newer version of Cairn"
                                                     : "the tables were written by an older version of Cairn"};
  }
  return {};
}

Status TableAccess::open() {
  MDB_txn* raw = nullptr;
  int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &raw);
  if (rc != 0) {
    return lmdb_status(rc, "LMDB read transaction");
  }
  std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> txn(raw, &mdb_txn_abort);
  if ((rc = mdb_dbi_open(raw, table_name(Table::kMeta), 0, &handles_[static_cast<size_t>(Table::kMeta)])) != 0) {
    return lmdb_status(rc, "a table is missing");
  }
  CAIRN_TRY(check_format(raw));
  for (const Table t : kTables) {
    MDB_dbi& handle = handles_[static_cast<size_t>(t)];
    rc = mdb_dbi_open(raw, table_name(t), 0, &handle);
    if (rc != 0) {
      return lmdb_status(rc, "a table is missing");
    }
    unsigned table_flags = 0;
    if ((rc = mdb_dbi_flags(raw, handle, &table_flags)) != 0) {
      return lmdb_status(rc, "a table's flags");
    }
    if (table_flags != 0) {
      return {Code::kCorrupt, "a table with flags that were never set"};
    }
  }
  // The commit of the transaction that opened them makes the handles usable in all others.
  rc = mdb_txn_commit(txn.release());
  return rc == 0 ? Status() : lmdb_status(rc, "opening the tables");
}

Result<std::optional<std::string_view>> TableAccess::get(MDB_txn* txn, Table t, std::string_view key) const {
  if (key.empty() || key.size() > kTableKeyBytesMax) {
    return std::optional<std::string_view>();
  }
  MDB_val k = value_of(key);
  MDB_val v = {};
  reads_.fetch_add(1, std::memory_order_relaxed);
  const int rc = mdb_get(txn, handles_[static_cast<size_t>(t)], &k, &v);
  if (rc == MDB_NOTFOUND) {
    CAIRN_TRY_ASSIGN(auto&& leaf, leaf_check(txn, t));
    if (leaf) {
      CAIRN_TRY(leaf->check(key));
    }
    return std::optional<std::string_view>();
  }
  if (rc != 0) {
    return lmdb_status(rc, "LMDB get");
  }
  const std::optional<std::string_view> payload = open_value(t, key, view_of(v));
  if (!payload) {
    return Status{Code::kCorrupt, "a table's value has a wrong checksum"};
  }
  return payload;
}

Status TableAccess::put(MDB_txn* txn, Table t, std::string_view key, std::string_view sealed) const {
  MDB_val k = value_of(key);
  MDB_val v = value_of(sealed);
  return lmdb_status(mdb_put(txn, handles_[static_cast<size_t>(t)], &k, &v, 0), "LMDB put");
}

Status TableAccess::erase(MDB_txn* txn, Table t, std::string_view key) const {
  MDB_val k = value_of(key);
  const int rc = mdb_del(txn, handles_[static_cast<size_t>(t)], &k, nullptr);
  return rc == MDB_NOTFOUND ? Status() : lmdb_status(rc, "LMDB delete");
}

Result<std::optional<LeafCheck>> TableAccess::leaf_check(MDB_txn* txn, Table t) const {
  MDB_envinfo info = {};
  int rc = mdb_env_info(env_, &info);
  if (rc != 0) {
    return lmdb_status(rc, "LMDB environment");
  }
  // A write transaction has the number of the next commit. The layout is that of 64-bit builds.
  if (mdb_txn_id(txn) > info.me_last_txnid || sizeof(size_t) != 8) {
    return std::optional<LeafCheck>();
  }
  MDB_stat stat = {};
  MDB_val tree = {};
  MDB_val name = value_of(table_name(t));
  rc = mdb_stat(txn, kTableOfTables, &stat);
  if (rc == 0) {
    rc = mdb_get(txn, kTableOfTables, &name, &tree);
  }
  if (rc != 0) {
    return lmdb_status(rc, "LMDB table of tables");
  }
  if (tree.mv_size != layout::kTreeBytes) {
    return Status{Code::kCorrupt, "a table of the wrong length"};
  }
  return std::optional<LeafCheck>(
      LeafCheck(fd_, stat.ms_psize, layout::load_tree(static_cast<const char*>(tree.mv_data))));
}

// From a page with damaged entries LMDB returns fewer, or none, and no error; the count of the tree shows that.
// `counted` is from the beginning of the walk, because the visitor may have changed the table.
Status TableAccess::check_walked(MDB_txn* txn, Table t, uint64_t counted, uint64_t walked) const {
  CAIRN_TRY_ASSIGN(const uint64_t now, entries(txn, t));
  return now == counted && walked != counted ? Status{Code::kCorrupt, "a table's tree lacks entries that it counts"}
                                             : Status();
}

/// A cursor over one table that finds out whether the pages it passes lost entries.
class TableAccess::Walk {
 public:
  Walk(const TableAccess& tables, MDB_txn* txn, Table t) : tables_(tables), txn_(txn), table_(t) {}

  /// `at`: where the walk begins; nullopt: at the end.
  Status begin(std::optional<std::string_view> at) {
    MDB_cursor* raw = nullptr;
    if (const int rc = mdb_cursor_open(txn_, tables_.handles_[static_cast<size_t>(table_)], &raw); rc != 0) {
      return lmdb_status(rc, "LMDB cursor");
    }
    cursor_.reset(raw);
    CAIRN_TRY_ASSIGN(counted_, tables_.entries(txn_, table_));
    CAIRN_TRY_ASSIGN(auto&& leaf, tables_.leaf_check(txn_, table_));
    if (!leaf) {
      return {};
    }
    leaf_.emplace(std::move(*leaf));
    return leaf_->check(at);
  }
  /// What LMDB returns. `to`: for MDB_SET_RANGE.
  int go(MDB_cursor_op step, std::string_view to = {}) {
    key_ = value_of(to);
    return mdb_cursor_get(cursor_.get(), &key_, &value_, step);
  }
  [[nodiscard]] std::string_view key() const { return view_of(key_); }

  /// `rc`: of the go() to the first entry. `whole`: this walk passes all entries.
  Status visit(int rc, MDB_cursor_op step, const FunctionRef<bool(std::string_view key, std::string_view value)>& visit,
               bool whole) {
    uint64_t walked = 0;
    for (; rc == 0; ++walked) {
      tables_.reads_.fetch_add(1, std::memory_order_relaxed);
      if (leaf_) {
        CAIRN_TRY(leaf_->check_given(key()));
      }
      if (!visit(key(), view_of(value_))) {
        return {};
      }
      rc = go(step);
    }
    if (rc != MDB_NOTFOUND) {
      return lmdb_status(rc, "LMDB cursor");
    }
    return whole ? tables_.check_walked(txn_, table_, counted_, walked) : Status();
  }

 private:
  const TableAccess& tables_;
  MDB_txn* const txn_;
  const Table table_;
  std::unique_ptr<MDB_cursor, decltype(&mdb_cursor_close)> cursor_{nullptr, &mdb_cursor_close};
  uint64_t counted_ = 0;  // when the walk began: the visitor may change the table
  std::optional<LeafCheck> leaf_;
  MDB_val key_ = {};
  MDB_val value_ = {};
};

Status TableAccess::walk(MDB_txn* txn, Table t, std::string_view after,
                         const FunctionRef<bool(std::string_view key, std::string_view value)>& visit) const {
  Walk walk(*this, txn, t);
  CAIRN_TRY(walk.begin(after));
  int rc = walk.go(after.empty() ? MDB_FIRST : MDB_SET_RANGE, after.substr(0, kTableKeyBytesMax));
  while (rc == 0 && !after.empty() && walk.key() <= after) {
    rc = walk.go(MDB_NEXT);
  }
  return walk.visit(rc, MDB_NEXT, visit, after.empty());
}

Status TableAccess::walk_back(MDB_txn* txn, Table t, std::string_view before,
                              const FunctionRef<bool(std::string_view key, std::string_view value)>& visit) const {
  Walk walk(*this, txn, t);
  CAIRN_TRY(walk.begin(before.empty() ? std::nullopt : std::optional(before)));
  int rc = before.empty() ? MDB_NOTFOUND : walk.go(MDB_SET_RANGE, before);
  if (rc == 0) {
    rc = walk.go(MDB_PREV);
  } else if (rc == MDB_NOTFOUND) {
    rc = walk.go(MDB_LAST);
  }
  return walk.visit(rc, MDB_PREV, visit, before.empty());
}

Result<uint64_t> TableAccess::entries(MDB_txn* txn, Table t) const {
  MDB_stat stat = {};
  const int rc = mdb_stat(txn, handles_[static_cast<size_t>(t)], &stat);
  if (rc != 0) {
    return lmdb_status(rc, "LMDB stat");
  }
  return static_cast<uint64_t>(stat.ms_entries);
}

Result<uint64_t> TableAccess::used_bytes(MDB_txn* txn) const {
  uint64_t pages = 2;
  uint64_t page_bytes = 0;
  const auto add = [&](MDB_dbi handle) {
    MDB_stat stat = {};
    const int rc = mdb_stat(txn, handle, &stat);
    pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    page_bytes = stat.ms_psize;
    return rc;
  };
  int rc = add(0);  // LMDB's free list
  if (rc == 0) {
    rc = add(kTableOfTables);
  }
  for (const Table t : kTables) {
    if (rc == 0) {
      rc = add(handles_[static_cast<size_t>(t)]);
    }
  }
  if (rc != 0) {
    return lmdb_status(rc, "LMDB stat");
  }
  return pages * page_bytes;
}

Result<uint64_t> TableAccess::meta_u64(MDB_txn* txn, std::string_view key) const {
  CAIRN_TRY_ASSIGN(const std::optional<std::string_view> payload, get(txn, Table::kMeta, key));
  const std::optional<uint64_t> v = payload.has_value() ? decode_u64(*payload) : std::nullopt;
  if (!v) {
    return Status{Code::kCorrupt, "table meta: a number is missing"};
  }
  return *v;
}

}  // namespace cairn::engine
