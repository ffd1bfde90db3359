// The part of cairn.hpp that compiles without nlohmann/json.hpp: Run, Cell, Transaction, the run of a thread
// (cairn::metadata, Context, RunScope, CoroutineScope) and errors. It is for files that update and read the runs they
// are given, by numbers, bools, strings and time points. Stores, tasks, json, types with a to_json and Run::info need
// cairn.hpp: nearly all calls that do say so when they are compiled. Files with either header go into one program.
#ifndef CAIRN_LIGHT_HPP
#define CAIRN_LIGHT_HPP

#include "cairn/cell.h"
#include "cairn/context.h"
#include "cairn/error.h"
#include "cairn/key.h"
#include "cairn/metadata.h"
#include "cairn/run.h"
#include "cairn/run_status.h"
#include "cairn/time.h"
#include "cairn/transaction.h"
#include "cairn/value.h"
#if defined(__cpp_impl_coroutine)
#include "cairn/coroutine.h"
#endif

#endif  // CAIRN_LIGHT_HPP
