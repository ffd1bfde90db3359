/* Shows a run of another process while it works, and after that process was killed: a store that is opened read-only
 * sees every update that was acknowledged before the look. */
#define _GNU_SOURCE
#include <cairn/cairn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(cairn_status status) {
  if (CAIRN_FAILED(status)) {
    cairn_error error = {0};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    fprintf(stderr, "%s: %s\n", cairn_status_text(status), error.message);
    exit(1);
  }
}

/* The other process: it owns the store. It says so after each quarter of its work, and waits to be looked at. */
static void work(int say, int hear) {
  cairn_store* store;
  cairn_run* run;
  cairn_start_options start = {0};
  start.struct_bytes = sizeof start;
  start.id = "job-1";
  must(cairn_store_open("metadata", NULL, &store));
  must(cairn_run_start(store, &start, &run));
  char byte = 0;
  for (int quarter = 1; quarter <= 4; ++quarter) {
    must(cairn_run_set_double(run, CAIRN_STR("progress"), quarter / 4.0));
    if (write(say, &byte, 1) != 1 || read(hear, &byte, 1) != 1) {
      exit(1);
    }
  }
  pause(); /* until it is killed */
  exit(1);
}

static void show(cairn_run* run) {
  char text[4097];
  char texts[512];
  size_t bytes;
  cairn_run_info info = {0};
  info.struct_bytes = sizeof info;
  must(cairn_run_current_json(run, text, sizeof text, &bytes, NULL));
  must(cairn_run_get_info(run, &info, texts, sizeof texts, &bytes));
  printf("%s %s%s\n", cairn_run_status_name(info.status), text,
         (info.flags & CAIRN_RUN_INFO_ORPHANED) != 0 ? " (its process is gone)" : "");
}

int main(void) {
  int said[2];
  int heard[2];
  if (pipe(said) != 0 || pipe(heard) != 0) {
    return 1;
  }
  const pid_t worker = fork(); /* before anything of Cairn is open: handles do not pass a fork */
  if (worker == 0) {
    work(said[1], heard[0]);
  }

  cairn_options options;
  cairn_options_init(&options);
  options.flags = CAIRN_OPEN_READ_ONLY;
  cairn_store* store = NULL;
  cairn_run* run = NULL;
  char byte = 0;
  for (int look = 0; look < 4; ++look) {
    if (read(said[0], &byte, 1) != 1) {
      return 1;
    }
    if (store == NULL) {
      must(cairn_store_open("metadata", &options, &store));
      must(cairn_run_open(store, "job-1", &run));
    }
    show(run);
    if (cairn_run_set_double(run, CAIRN_STR("progress"), 0) != CAIRN_READ_ONLY || write(heard[1], &byte, 1) != 1) {
      return 1;
    }
  }
  kill(worker, SIGKILL);
  waitpid(worker, NULL, 0);
  show(run);
  must(cairn_run_close(run));
  must(cairn_store_close(store, 0));
  return 0;
}
