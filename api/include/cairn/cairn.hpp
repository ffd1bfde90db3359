// The C++ API of Cairn, header-only over the C ABI. C++17. Without exceptions it is all but task.h, runtime.h and the
// reading of typed values (conversion.h): see error.h.
#ifndef CAIRN_CAIRN_HPP
#define CAIRN_CAIRN_HPP

#include "cairn/cell.h"
#include "cairn/context.h"
#include "cairn/error.h"
#include "cairn/json.h"
#include "cairn/key.h"
#include "cairn/metadata.h"
#include "cairn/options.h"
#include "cairn/run.h"
#include "cairn/store.h"
#include "cairn/sync.h"
#include "cairn/time.h"
#include "cairn/transaction.h"
#include "cairn/value.h"
#if defined(__cpp_exceptions)
#include "cairn/runtime.h"
#include "cairn/task.h"
#endif
#include "cairn/watch.h"
#if defined(__cpp_impl_coroutine)
#include "cairn/coroutine.h"
#endif

#endif  // CAIRN_CAIRN_HPP
