#include "tests/support/forged_run.h"

#include <gtest/gtest.h>
#include <lmdb.h>

#include "engine/tables/format.h"

namespace cairn::tests {

void forge_run_record(const std::string& directory, std::string id, const std::string& payload) {
  MDB_env* env = nullptr;
  ASSERT_EQ(mdb_env_create(&env), 0);
  mdb_env_set_maxdbs(env, 16);
  ASSERT_EQ(mdb_env_open(env, (directory + "/data").c_str(), MDB_NOTLS, 0600), 0);
  MDB_txn* txn = nullptr;
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
  MDB_dbi runs = 0;
  ASSERT_EQ(mdb_dbi_open(txn, engine::table_name(engine::Table::kRuns), 0, &runs), 0);
  std::string value = engine::sealed_value(engine::Table::kRuns, id, payload);
  MDB_val k{id.size(), id.data()};
  MDB_val v{value.size(), value.data()};
  ASSERT_EQ(mdb_put(txn, runs, &k, &v, 0), 0);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
}

}  // namespace cairn::tests
