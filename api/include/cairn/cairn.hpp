// The C++ API of Cairn, header-only over the C ABI. C++17.
#ifndef CAIRN_CAIRN_HPP
#define CAIRN_CAIRN_HPP

#include "cairn/cell.h"
#include "cairn/context.h"
#include "cairn/error.h"
#include "cairn/key.h"
#include "cairn/metadata.h"
#include "cairn/options.h"
#include "cairn/run.h"
#include "cairn/runtime.h"
#include "cairn/store.h"
#include "cairn/task.h"
#include "cairn/time.h"
#include "cairn/transaction.h"
#include "cairn/value.h"
#if defined(__cpp_impl_coroutine)
#include "cairn/coroutine.h"
#endif

#endif  // CAIRN_CAIRN_HPP
