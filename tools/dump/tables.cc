#include "engine/tables/tables.h"

#include <cstdio>

#include "engine/base/error_detail.h"
#include "tools/dump/dump.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"

namespace cairn::tools {

namespace {

using engine::Object;
using engine::Value;

void print_run(const Globals& globals, const engine::RunRecord& r) {
  const size_t bytes = r.document.to_json().size();
  if (!globals.json) {
    std::printf("  %s  %s  sequence %llu  created at LSN %llu  session %s  %zu bytes of metadata  %s\n", r.id.c_str(),
                engine::status_name(r.status), static_cast<unsigned long long>(r.sequence),
                static_cast<unsigned long long>(r.created_lsn), session_text(r.session).c_str(), bytes,
                iso_time(r.updated_us).c_str());
    return;
  }
  Object o;
  o.push_back({"kind", Value("run")});
  o.push_back({"id", Value(r.id)});
  o.push_back({"status", Value(engine::status_name(r.status))});
  o.push_back({"sequence", Value(r.sequence)});
  o.push_back({"created_lsn", Value(r.created_lsn)});
  o.push_back({"session", Value(session_text(r.session))});
  o.push_back({"updated_at", Value(iso_time(r.updated_us))});
  o.push_back({"metadata", Value(r.document.to_object())});
  print_json(std::move(o));
}

}  // namespace

Status dump_tables(const Globals& globals, const std::string& directory, const engine::Identity& identity) {
  if (!globals.json) {
    std::printf("tables\n");
  }
  engine::Tables::Options options;
  options.directory = directory;
  options.store_id.assign(reinterpret_cast<const char*>(identity.store_id.data()), identity.store_id.size());
  options.read_only = true;
  auto tables = engine::Tables::open(options);
  if (tables.code() == Code::kNotFound) {
    return engine::fail(Code::kCorrupt, engine::kNoTables);
  }
  if (!tables.ok()) {
    return engine::fail(tables.status(), std::string("the tables cannot be read: ") + tables.status().what);
  }
  const engine::TableStats stats = (*tables)->stats();
  if (!globals.json) {
    std::printf("  %s, applied up to LSN %llu, %s used of a map of %s\n", counted(stats.runs, "run").c_str(),
                static_cast<unsigned long long>(stats.applied_lsn), size_text(stats.used_bytes).c_str(),
                size_text(stats.map_bytes).c_str());
  } else {
    Object o;
    o.push_back({"kind", Value("tables")});
    o.push_back({"runs", Value(stats.runs)});
    o.push_back({"applied_lsn", Value(stats.applied_lsn)});
    o.push_back({"session", Value(session_text((*tables)->session()))});
    o.push_back({"used_bytes", Value(stats.used_bytes)});
    o.push_back({"map_bytes", Value(stats.map_bytes)});
    print_json(std::move(o));
  }
  const Status s = (*tables)->each("", [&](const engine::RunRecord& r) {
    print_run(globals, r);
    return !interrupted();
  });
  return s.ok() ? s : engine::fail(s, std::string("the tables cannot be read any further: ") + s.what);
}

}  // namespace cairn::tools
