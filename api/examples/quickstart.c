#include <cairn/cairn.h>
#include <stdio.h>

int main(void) {
  cairn_store* store = NULL;
  cairn_run* run = NULL;
  if (cairn_store_open("metadata", NULL, &store) != CAIRN_OK || cairn_run_start(store, NULL, &run) != CAIRN_OK) {
    cairn_error error = {0};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  cairn_run_set_string(run, CAIRN_STR("phase"), CAIRN_STR("training"));
  cairn_run_set_double(run, CAIRN_STR("progress"), 0.42);
  cairn_run_increment_int64(run, CAIRN_STR("steps"), 1);
  char text[4097];
  size_t bytes;
  cairn_run_current_json(run, text, sizeof text, &bytes, NULL);
  puts(text);
  cairn_run_finish(run, CAIRN_RUN_COMPLETED);
  cairn_run_close(run);
  return CAIRN_FAILED(cairn_store_close(store, 1000)) ? 1 : 0;
}
