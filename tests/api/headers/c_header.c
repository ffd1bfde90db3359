/* cairn.h as C11, with every warning an error. */
#include "cairn/cairn.h"

cairn_status use_cairn(void);
cairn_status use_cairn(void) {
  cairn_options options;
  cairn_options_init(&options);
  cairn_start_options start = {0};
  start.struct_bytes = sizeof start;
  cairn_error error = {0};
  error.struct_bytes = sizeof error;
  return cairn_last_error(&error);
}
