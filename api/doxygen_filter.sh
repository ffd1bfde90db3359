#!/bin/sh
# The headers as Doxygen reads them: the comment that a file begins with is the file's, and one that stands behind a
# member is the member's. "Errors: ..." becomes a paragraph with a heading.
exec sed -E \
  -e '1s#^//#/// @file\n///#' \
  -e '1,/^#/s#^//($| )#///\1#' \
  -e '1s#^/\* #/** @file\n * #' \
  -e 's#([,;]) +/\* #\1 /**< #' \
  -e 's#([,;]) +// #\1 ///< #' \
  -e 's#^( *[A-Z_0-9]+ = [0-9]+) +/\* #\1 /**< #' \
  -e 's#^( *)(///|/\*\*| \*) (Durable|Errors|Lifetime|Threads|Cost): +#\1\2 @par \3\n\1\2 #;s#\n( *)/\*\* #\n\1 * #' \
  "$1"
