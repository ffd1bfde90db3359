#include "tools/commands/commands.h"

namespace cairn::tools {

void add_all(CommandLine& line) {
  add_start(line);
  add_resume(line);
  add_set(line);
  add_append(line);
  add_remove(line);
  add_increment(line);
  add_del(line);
  add_apply(line);
  add_get(line);
  add_show(line);
  add_ls(line);
  add_finish(line);
  add_erase(line);
  add_backup(line);
  add_export(line);
  add_import(line);
  add_dump(line);
  add_verify(line);
  add_repair(line);
  add_watch(line);
  add_stats(line);
  add_slots(line);
  add_bench(line);
#ifdef CAIRN_TOOLS_NETWORK
  add_sync(line);
  add_serve(line);
#endif
  add_why(line);
  add_sim(line);
  add_eval(line);
  add_help(line);
}

}  // namespace cairn::tools
