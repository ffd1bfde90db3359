/* Opens a store with an upstream that nobody answers for. Prints that it is told, and no error. */
#include <cairn/upstream.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  cairn_store* store;
  cairn_run* run;
  cairn_upstream* upstream;
  cairn_upstream_options options = {0};
  options.struct_bytes = sizeof options;
  options.url = "unix:/nobody/listens";
  options.background = 1;
  if (argc != 2 || cairn_store_open(argv[1], NULL, &store) != CAIRN_OK ||
      cairn_upstream_open(store, &options, &upstream) != CAIRN_OK || cairn_run_start(store, NULL, &run) != CAIRN_OK) {
    return 1;
  }
  const cairn_status flushed = cairn_upstream_flush(upstream, 1);
  (void)cairn_upstream_close(upstream);
  (void)cairn_run_close(run);
  (void)cairn_store_close(store, -1);
  printf("%s\n", flushed == CAIRN_TIMEOUT ? "kept for later" : cairn_status_text(flushed));
  return 0;
}
