// The C++ API of Cairn, header-only over the C ABI. C++17. Without exceptions it is all but task.h, runtime.h and the
// reading of typed values (conversion.h): see error.h. A file that only updates and reads a run can include light.hpp
// instead, which compiles in a fraction of the time.
#ifndef CAIRN_CAIRN_HPP
#define CAIRN_CAIRN_HPP

#include "cairn/json.h"
#include "cairn/json_conversion.h"
#include "cairn/light.hpp"
#include "cairn/options.h"
#include "cairn/store.h"
#include "cairn/sync.h"
#if defined(__cpp_exceptions)
#include "cairn/runtime.h"
#include "cairn/task.h"
#endif
#include "cairn/watch.h"

#endif  // CAIRN_CAIRN_HPP
