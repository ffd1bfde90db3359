#include "bench/compare/contenders.h"

#include <cairn/cairn.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#if CAIRN_BENCH_LMDB
#include <lmdb.h>
#endif
#if CAIRN_BENCH_LEVELDB
#include <leveldb/db.h>
#endif
#if CAIRN_BENCH_ROCKSDB
#include <rocksdb/version.h>
#endif
#if CAIRN_BENCH_SQLITE
#include <sqlite3.h>
#endif

namespace cairn::bench {
namespace {

bool redis_is_installed() {
  const char* const variable = std::getenv("PATH");
  const std::string path = variable == nullptr ? "" : variable;
  for (size_t begin = 0; begin < path.size();) {
    size_t end = path.find(':', begin);
    end = end == std::string::npos ? path.size() : end;
    if (access((path.substr(begin, end - begin) + "/redis-server").c_str(), X_OK) == 0) {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

}  // namespace

std::vector<Contender> all_contenders() {
  std::vector<Contender> all;
  add_cairn(all);
#if CAIRN_BENCH_LMDB
  add_lmdb(all);
#endif
#if CAIRN_BENCH_LEVELDB
  add_leveldb(all);
#endif
#if CAIRN_BENCH_ROCKSDB
  add_rocksdb(all);
#endif
#if CAIRN_BENCH_SQLITE
  add_sqlite(all);
#endif
#if CAIRN_BENCH_REDIS
  if (redis_is_installed()) {
    add_redis(all);
  }
#endif
  add_memory(all);
  return all;
}

std::vector<std::string> engine_versions() {
  std::vector<std::string> all;
  all.push_back("Cairn " + std::to_string(CAIRN_VERSION_MAJOR) + "." + std::to_string(CAIRN_VERSION_MINOR) + "." +
                std::to_string(CAIRN_VERSION_PATCH));
#if CAIRN_BENCH_LMDB
  all.push_back(mdb_version(nullptr, nullptr, nullptr));
#else
  all.push_back("LMDB: left out, its headers were not found");
#endif
#if CAIRN_BENCH_LEVELDB
  all.push_back("LevelDB " + std::to_string(leveldb::kMajorVersion) + "." + std::to_string(leveldb::kMinorVersion));
#else
  all.push_back("LevelDB: left out, its headers were not found");
#endif
#if CAIRN_BENCH_ROCKSDB
  all.push_back("RocksDB " + std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." +
                std::to_string(ROCKSDB_PATCH));
#else
  all.push_back("RocksDB: left out, its headers were not found");
#endif
#if CAIRN_BENCH_SQLITE
  all.push_back(std::string("SQLite ") + sqlite3_libversion());
#else
  all.push_back("SQLite: left out, its headers were not found");
#endif
#if CAIRN_BENCH_REDIS
  all.push_back(redis_is_installed() ? "Redis, the redis-server of PATH"
                                     : "Redis: left out, there is no redis-server in PATH");
#else
  all.push_back("Redis: left out, hiredis was not found");
#endif
  return all;
}

}  // namespace cairn::bench
