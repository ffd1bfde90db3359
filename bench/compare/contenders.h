// Who takes part, with which settings.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/compare/engine.h"

namespace cairn::bench {

/// What an acknowledged update survives.
enum class Survives { kNothing, kProcess, kPower };

struct Contender {
  std::string name;      // "leveldb sync"
  std::string settings;  // exactly, for the report
  Survives survives = Survives::kProcess;
  bool is_cairn = false;
  bool one_writer = false;      // its threads take turns: a connection or lock for all
  bool own_process = false;     // updates are made in a server, which dies with it
  bool only_documents = false;  // measures documents alone
  bool only_points = false;     // the same for points
  bool only_w1 = false;         // one run and key
  std::function<std::unique_ptr<Engine>(const std::string& directory, const Shape& shape)> open;
};

std::vector<Contender> all_contenders();

/// One per file; each adds those whose library was there when this was built.
void add_cairn(std::vector<Contender>& to);
void add_lmdb(std::vector<Contender>& to);
void add_leveldb(std::vector<Contender>& to);
void add_rocksdb(std::vector<Contender>& to);
void add_sqlite(std::vector<Contender>& to);
void add_redis(std::vector<Contender>& to);
void add_memory(std::vector<Contender>& to);

/// Names and versions of all engines, and those that are left out with the reason.
std::vector<std::string> engine_versions();

}  // namespace cairn::bench
