/* C11 over the C ABI. Prints what it read back. */
#include <cairn/cairn.h>
#include <stdio.h>

int main(int argc, char** argv) {
  cairn_store* store = NULL;
  cairn_run* run = NULL;
  if (argc != 2 || cairn_store_open(argv[1], NULL, &store) != CAIRN_OK ||
      cairn_run_start(store, NULL, &run) != CAIRN_OK) {
    return 1;
  }
  cairn_run_set_double(run, "progress", 8, 0.5);
  cairn_run_set_string(run, "phase", 5, "training", 8);
  char text[256];
  size_t bytes = 0;
  if (cairn_run_current_json(run, text, sizeof text, &bytes, NULL) != CAIRN_OK) {
    return 1;
  }
  puts(text);
  cairn_run_finish(run, CAIRN_RUN_COMPLETED);
  cairn_run_close(run);
  return CAIRN_FAILED(cairn_store_close(store, 1000)) ? 1 : 0;
}
