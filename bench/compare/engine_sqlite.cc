// SQLite in WAL mode: one table, one prepared upsert. With locking_mode exclusive there is one connection, which the
// threads share by turns; without, each thread has its own.
#include <sqlite3.h>

#include <mutex>

#include "bench/compare/contenders.h"

namespace cairn::bench {
namespace {

struct Connection {
  sqlite3* db = nullptr;
  sqlite3_stmt* begin = nullptr;
  sqlite3_stmt* commit = nullptr;
  sqlite3_stmt* put = nullptr;
  sqlite3_stmt* get = nullptr;
  std::mutex mutex;

  Connection(const std::string& directory, const std::string& pragmas) {
    check(sqlite3_open((directory + "/store.sqlite").c_str(), &db), "open");
    check(sqlite3_busy_timeout(db, 60'000), "busy timeout");
    run(pragmas + "CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;");
    begin = prepare("BEGIN IMMEDIATE");
    commit = prepare("COMMIT");
    put = prepare("INSERT INTO runs VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET value = ?2");
    get = prepare("SELECT value FROM runs WHERE id = ?1");
  }
  ~Connection() {
    for (sqlite3_stmt* s : {begin, commit, put, get}) {
      sqlite3_finalize(s);
    }
    sqlite3_close(db);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void check(int rc, const char* what) const {
    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) {
      give_up(std::string("sqlite: ") + what + ": " + sqlite3_errmsg(db));
    }
  }
  void run(const std::string& sql) const { check(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), "exec"); }
  void step(sqlite3_stmt* s) const {
    check(sqlite3_step(s), "step");
    check(sqlite3_reset(s), "reset");
  }
  void put_one(const std::string& key, const std::string& value) const {
    check(sqlite3_bind_text(put, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC), "bind");
    check(sqlite3_bind_blob(put, 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC), "bind");
    step(put);
  }

 private:
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* s = nullptr;
    check(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, nullptr), "prepare");
    return s;
  }
};

class SqliteSession : public Session {
 public:
  SqliteSession(std::shared_ptr<Connection> connection, const Shape& shape)
      : connection_(std::move(connection)), shape_(shape), value_(shape.document) {
    for (int i = 0; i < shape.runs; ++i) {
      keys_.push_back(run_name(i));
    }
  }
  void update(int run, uint64_t number) override {
    const std::lock_guard guard(connection_->mutex);
    connection_->put_one(keys_[static_cast<size_t>(run)], value_.of(number));
  }
  void update_batch(int run, uint64_t number, int count) override {
    const std::lock_guard guard(connection_->mutex);
    connection_->step(connection_->begin);
    for (int i = 0; i < count; ++i) {
      connection_->put_one(keys_[static_cast<size_t>((run + i) % shape_.runs)],
                           value_.of(number + static_cast<uint64_t>(i)));
    }
    connection_->step(connection_->commit);
  }
  uint64_t read(int run) override {
    const std::lock_guard guard(connection_->mutex);
    const std::string& key = keys_[static_cast<size_t>(run)];
    sqlite3_stmt* get = connection_->get;
    connection_->check(sqlite3_bind_text(get, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC), "bind");
    const int rc = sqlite3_step(get);
    connection_->check(rc, "step");
    const uint64_t number = rc == SQLITE_ROW
                                ? ValueBytes::number_in(static_cast<const char*>(sqlite3_column_blob(get, 0)),
                                                        static_cast<size_t>(sqlite3_column_bytes(get, 0)))
                                : 0;
    connection_->check(sqlite3_reset(get), "reset");
    return number;
  }

 private:
  std::shared_ptr<Connection> connection_;
  Shape shape_;
  ValueBytes value_;
  std::vector<std::string> keys_;
};

class Sqlite : public Engine {
 public:
  Sqlite(std::string directory, const Shape& shape, std::string pragmas, bool exclusive)
      : directory_(std::move(directory)), pragmas_(std::move(pragmas)), shape_(shape), exclusive_(exclusive) {
    first_ = std::make_shared<Connection>(directory_, pragmas_);
  }
  std::unique_ptr<Session> session() override {
    return std::make_unique<SqliteSession>(exclusive_ ? first_ : std::make_shared<Connection>(directory_, pragmas_),
                                           shape_);
  }

 private:
  std::string directory_;
  std::string pragmas_;
  Shape shape_;
  bool exclusive_;
  std::shared_ptr<Connection> first_;
};

Contender sqlite(const std::string& synchronous, bool exclusive, Survives survives) {
  Contender c;
  c.name = "sqlite " + synchronous + (exclusive ? " exclusive" : "");
  const std::string pragmas = std::string(exclusive ? "PRAGMA locking_mode=EXCLUSIVE;" : "") +
                              "PRAGMA journal_mode=WAL;PRAGMA synchronous=" + synchronous + ";";
  c.settings = pragmas + " prepared upsert";
  c.survives = survives;
  c.one_writer = exclusive;
  c.open = [pragmas, exclusive](const std::string& directory, const Shape& shape) {
    return std::make_unique<Sqlite>(directory, shape, pragmas, exclusive);
  };
  return c;
}

}  // namespace

void add_sqlite(std::vector<Contender>& to) {
  for (const bool exclusive : {true, false}) {
    to.push_back(sqlite("off", exclusive, Survives::kProcess));
    to.push_back(sqlite("normal", exclusive, Survives::kProcess));
    to.push_back(sqlite("full", exclusive, Survives::kPower));
  }
}

}  // namespace cairn::bench
