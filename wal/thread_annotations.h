// clang's thread-safety attributes: -Wthread-safety checks them, other compilers see nothing. tools/check_locks.sh runs
// that check over all of the product. https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#if defined(__clang__)
#define CAIRN_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define CAIRN_THREAD_ATTRIBUTE(x)
#endif

// Of a class: a lock; an object that holds one from its constructor to its destructor.
#define CAIRN_CAPABILITY(name) CAIRN_THREAD_ATTRIBUTE(capability(name))
#define CAIRN_SCOPED_CAPABILITY CAIRN_THREAD_ATTRIBUTE(scoped_lockable)

// Of a member: read and written with that lock held; the same of what a pointer points to.
#define CAIRN_GUARDED_BY(lock) CAIRN_THREAD_ATTRIBUTE(guarded_by(lock))
#define CAIRN_PT_GUARDED_BY(lock) CAIRN_THREAD_ATTRIBUTE(pt_guarded_by(lock))

// Of a function: called with these locks held; called with none of them held.
#define CAIRN_REQUIRES(...) CAIRN_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define CAIRN_EXCLUDES(...) CAIRN_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
// It takes the lock, gives it back, or takes it if it returns `result`; it returns a reference to that lock.
#define CAIRN_ACQUIRE(...) CAIRN_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define CAIRN_RELEASE(...) CAIRN_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define CAIRN_TRY_ACQUIRE(result, ...) CAIRN_THREAD_ATTRIBUTE(try_acquire_capability(result, ##__VA_ARGS__))
#define CAIRN_RETURN_CAPABILITY(lock) CAIRN_THREAD_ATTRIBUTE(lock_returned(lock))
// From the call on the lock counts as held.
#define CAIRN_ASSERT_CAPABILITY(...) CAIRN_THREAD_ATTRIBUTE(assert_capability(__VA_ARGS__))

// The function is not looked at. At most ten in all of the product (tools/check_layout.sh), each with its reason.
#define CAIRN_NO_THREAD_SAFETY_ANALYSIS CAIRN_THREAD_ATTRIBUTE(no_thread_safety_analysis)
