#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "bench/compare/log_structured.h"

namespace cairn::bench {
namespace {

struct RocksDb {
  static constexpr const char* kName = "rocksdb";
  using Db = rocksdb::DB;
  using Batch = rocksdb::WriteBatch;
  using WriteOptions = rocksdb::WriteOptions;
  static rocksdb::Status open(const std::string& directory, Db** db) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.info_log_level = rocksdb::InfoLogLevel::FATAL_LEVEL;
    return rocksdb::DB::Open(options, directory, db);
  }
};

}  // namespace

void add_rocksdb(std::vector<Contender>& to) { add_log_structured<RocksDb>(to); }

}  // namespace cairn::bench
