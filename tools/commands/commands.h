// The subcommands: each file of this folder says what one takes and does.
#pragma once

#include "tools/input/command_line.h"

namespace cairn::tools {

/// Adds every command there is.
void add_all(CommandLine& line);

// Each in the file of its name.
void add_start(CommandLine& line);
void add_resume(CommandLine& line);
void add_set(CommandLine& line);
void add_append(CommandLine& line);
void add_remove(CommandLine& line);
void add_increment(CommandLine& line);
void add_del(CommandLine& line);
void add_apply(CommandLine& line);
void add_get(CommandLine& line);
void add_show(CommandLine& line);
void add_ls(CommandLine& line);
void add_finish(CommandLine& line);
void add_erase(CommandLine& line);
void add_backup(CommandLine& line);
void add_export(CommandLine& line);
void add_import(CommandLine& line);
void add_dump(CommandLine& line);
void add_verify(CommandLine& line);
void add_repair(CommandLine& line);
void add_stats(CommandLine& line);
void add_slots(CommandLine& line);
void add_bench(CommandLine& line);
void add_watch(CommandLine& line);
void add_sync(CommandLine& line);
void add_serve(CommandLine& line);
void add_why(CommandLine& line);
void add_sim(CommandLine& line);
void add_eval(CommandLine& line);
void add_help(CommandLine& line);

}  // namespace cairn::tools
