/* upstream.h as C11, with every warning an error. */
#include "cairn/upstream.h"

cairn_status use_upstream(cairn_store* store);
cairn_status use_upstream(cairn_store* store) {
  cairn_upstream_options options = {0};
  options.struct_bytes = sizeof options;
  options.url = "https://runs.example:4020";
  cairn_upstream* upstream;
  const cairn_status status = cairn_upstream_open(store, &options, &upstream);
  return status == CAIRN_OK ? cairn_upstream_close(upstream) : status;
}
