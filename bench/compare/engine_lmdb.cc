#include <lmdb.h>

#include <cstring>

#include "bench/compare/contenders.h"

namespace cairn::bench {
namespace {

void check(int rc, const char* what) {
  if (rc != MDB_SUCCESS) {
    give_up(std::string("lmdb: ") + what + ": " + mdb_strerror(rc));
  }
}

class LmdbSession : public Session {
 public:
  LmdbSession(MDB_env* env, MDB_dbi dbi, const Shape& shape)
      : env_(env), dbi_(dbi), shape_(shape), value_(shape.document) {
    for (int i = 0; i < shape.runs; ++i) {
      keys_.push_back(run_name(i) + "/progress");
    }
  }
  void update(int run, uint64_t number) override { update_batch(run, number, 1); }
  void update_batch(int run, uint64_t number, int count) override {
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn), "begin");
    for (int i = 0; i < count; ++i) {
      const std::string& bytes = value_.of(number + static_cast<uint64_t>(i));
      MDB_val key = key_of((run + i) % shape_.runs);
      MDB_val value{bytes.size(), const_cast<char*>(bytes.data())};
      check(mdb_put(txn, dbi_, &key, &value, 0), "put");
    }
    check(mdb_txn_commit(txn), "commit");
  }
  uint64_t read(int run) override {
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn), "begin");
    MDB_val key = key_of(run);
    MDB_val value;
    const int rc = mdb_get(txn, dbi_, &key, &value);
    const uint64_t number =
        rc == MDB_NOTFOUND ? 0 : ValueBytes::number_in(static_cast<const char*>(value.mv_data), value.mv_size);
    mdb_txn_abort(txn);
    return number;
  }

 private:
  MDB_val key_of(int run) {
    std::string& key = keys_[static_cast<size_t>(run)];
    return {key.size(), key.data()};
  }

  MDB_env* env_;
  MDB_dbi dbi_;
  Shape shape_;
  ValueBytes value_;
  std::vector<std::string> keys_;
};

class Lmdb : public Engine {
 public:
  Lmdb(const std::string& directory, const Shape& shape, unsigned flags) : shape_(shape) {
    check(mdb_env_create(&env_), "create");
    check(mdb_env_set_mapsize(env_, size_t{256} << 20), "map size");
    check(mdb_env_open(env_, directory.c_str(), flags, 0644), "open");
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn), "begin");
    check(mdb_dbi_open(txn, nullptr, 0, &dbi_), "open");
    check(mdb_txn_commit(txn), "commit");
  }
  ~Lmdb() override { mdb_env_close(env_); }
  Lmdb(const Lmdb&) = delete;
  Lmdb& operator=(const Lmdb&) = delete;
  std::unique_ptr<Session> session() override { return std::make_unique<LmdbSession>(env_, dbi_, shape_); }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
  Shape shape_;
};

Contender lmdb(const char* name, const char* settings, Survives survives, unsigned flags) {
  Contender c;
  c.name = name;
  c.settings = settings;
  c.survives = survives;
  c.open = [flags](const std::string& directory, const Shape& shape) {
    return std::make_unique<Lmdb>(directory, shape, flags);
  };
  return c;
}

}  // namespace

void add_lmdb(std::vector<Contender>& to) {
  to.push_back(lmdb("lmdb nosync writemap", "MDB_NOSYNC|MDB_WRITEMAP; a power cut may lose the whole database",
                    Survives::kProcess, MDB_NOSYNC | MDB_WRITEMAP));
  to.push_back(
      lmdb("lmdb nosync", "MDB_NOSYNC; a power cut may lose the whole database", Survives::kProcess, MDB_NOSYNC));
  to.push_back(lmdb("lmdb sync", "default flags", Survives::kPower, 0));
}

}  // namespace cairn::bench
