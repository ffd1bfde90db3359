#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include "bench/compare/log_structured.h"

namespace cairn::bench {
namespace {

struct LevelDb {
  static constexpr const char* kName = "leveldb";
  using Db = leveldb::DB;
  using Batch = leveldb::WriteBatch;
  using WriteOptions = leveldb::WriteOptions;
  static leveldb::Status open(const std::string& directory, Db** db) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.compression = leveldb::kNoCompression;
    return leveldb::DB::Open(options, directory, db);
  }
};

}  // namespace

void add_leveldb(std::vector<Contender>& to) { add_log_structured<LevelDb>(to); }

}  // namespace cairn::bench
