/* Cairn: an embedded engine for run metadata. This is the C ABI, the one binary interface; it is C11 and C++17.
 *
 * A store is a directory that one process owns. It holds runs; each run has one small JSON object, its metadata, that
 * changes while the run works. Updates cost tens of nanoseconds and survive the death of the process.
 *
 *     cairn_store* store;
 *     cairn_run* run;
 *     if (cairn_store_open("metadata", NULL, &store) == CAIRN_OK && cairn_run_start(store, NULL, &run) == CAIRN_OK) {
 *       cairn_run_set_double(run, CAIRN_STR("progress"), 0.42);
 *       cairn_run_finish(run, CAIRN_RUN_COMPLETED);
 *       cairn_run_close(run);
 *     }
 *     cairn_store_close(store, 1000);
 *
 * Rules that hold for every call; what is said at a function comes on top.
 *
 * Outcome.  int32 status: CAIRN_OK, an answer below 16 (the call worked and this is what it found), or an error, which
 *           is 16 or more; CAIRN_FAILED(status) tests for an error. An update that failed changed nothing, even with
 *           NO_MEMORY, unless the function says otherwise. cairn_last_error() describes the thread's last error. No
 *           exception leaves the library.
 * Errors.   Any call: INVALID_ARGUMENT (a null handle or pointer), FORKED, NO_MEMORY, INTERNAL. Any call on a store,
 *           run, cell or transaction whose store was closed: CLOSED. Any call that does not only read, on a store that
 *           was opened with CAIRN_OPEN_READ_ONLY or on its runs: READ_ONLY. They are not repeated below.
 * Strings.  Keys and values are pointer and length in bytes, UTF-8, and are copied. A null pointer with length 0 is the
 *           empty text. A length over its limit is TOO_LARGE before a byte is read: 4,096 bytes for a key or an error
 *           text, the store's largest metadata for a string, 64 MiB for JSON, msgpack, operations and messages. No
 *           length means "use strlen": CAIRN_STR("text") passes pointer and length of a literal. Names (directories,
 *           ids, tasks, tags) end with NUL. Nothing that is handed out points into the library: texts are copied into
 *           buffers of the caller, so there is nothing to free. A buffer call sets *needed to the bytes of the text,
 *           and copies it if `capacity` is enough (with a NUL after it if that fits too); else it returns TOO_LARGE
 *           and copies nothing. A null buffer only asks for the size, and returns OK.
 * Handles.  A run, cell or transaction keeps what it needs alive, whatever is closed first: after the run was finished
 *           its updates return FINISHED, after the store was closed all its calls return CLOSED. Each handle is closed
 *           once, by its own close function, even after the store was closed.
 * Threads.  Any thread, at the same time, on the same handle; but a handle's close excludes other calls on that handle,
 *           and a transaction belongs to one thread at a time. Updates of different runs do not wait for each other.
 * Forks.    In a forked child every call on a handle of the parent returns FORKED and touches nothing; so do the close
 *           functions. The child may open another store.
 * Signals.  No handler is installed, except with CAIRN_OPEN_GUARD_SIGBUS; no call may be made from a signal handler.
 * Memory.   From malloc and operator new of the process, as LMDB and the C++ library take theirs. A host with an
 *           allocator of its own replaces malloc for the process (glibc manual, "Replacing malloc"), which covers all
 *           of that; api/examples/custom_runtime.c does. There is no allocator hook at open: memory passes between
 *           Cairn and those libraries, so a hook could only cover some of it, and a replaced operator new in the static
 *           library would be the host's too.
 * Structs.  `struct_bytes` comes first and is sizeof the struct as the caller knows it. In structs that the library
 *           reads, zero means the default, bytes that it does not know must be zero (else INVALID_ARGUMENT). In structs
 *           that it fills, it fills no more than struct_bytes. So callers and libraries of different versions work
 *           together.
 *           Input structs start as `T t = {0}; t.struct_bytes = sizeof t;`.
 */
#ifndef CAIRN_CAIRN_H
#define CAIRN_CAIRN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
#define CAIRN_NOEXCEPT noexcept
extern "C" {
#else
#define CAIRN_NOEXCEPT
#endif

#define CAIRN_API __attribute__((visibility("default")))

/** Pointer and length of a literal, as two arguments: cairn_run_set_double(run, CAIRN_STR("loss"), 0.5). */
#define CAIRN_STR(literal) ("" literal), (sizeof("" literal) - 1)

#define CAIRN_VERSION_MAJOR 0
#define CAIRN_VERSION_MINOR 1
#define CAIRN_VERSION_PATCH 0
/** One number that grows with the version. */
#define CAIRN_VERSION (CAIRN_VERSION_MAJOR * 1000000 + CAIRN_VERSION_MINOR * 1000 + CAIRN_VERSION_PATCH)

/** CAIRN_VERSION of the library that is linked, which may be newer than this header. */
CAIRN_API int32_t cairn_version(void) CAIRN_NOEXCEPT;

/* ---------------------------------------------------------------------------------------------------- status codes */

/** The values are never reused. */
typedef int32_t cairn_status;
enum {
  CAIRN_OK = 0,

  /* Answers. */
  CAIRN_UNCHANGED = 1, /* valid, and there was nothing to change */
  CAIRN_NOT_FOUND = 2, /* no such key */
  CAIRN_ACCEPTED = 3,  /* recorded for a run that is owned elsewhere */

  /* The caller's input. */
  CAIRN_INVALID_ARGUMENT = 16,
  CAIRN_UNAPPLIED = 17,    /* the operation does not fit the value there; last error: reason */
  CAIRN_TOO_LARGE = 18,    /* over a limit, nothing changed; last error: key, needed, limit */
  CAIRN_INVALID_UTF8 = 19, /* bytes that are not UTF-8, or a lone surrogate */
  CAIRN_INVALID_JSON = 20,
  CAIRN_INVALID_MSGPACK = 21,
  CAIRN_TOO_DEEP = 22,      /* the metadata would be nested deeper than 128 levels; nothing changed */
  CAIRN_NOT_FINITE = 23,    /* NaN or an infinity */
  CAIRN_TYPE_MISMATCH = 24, /* a typed read found another type; or the top level of metadata is not an object */
  CAIRN_KEY_REFUSED = 25,   /* __proto__, or a path through __proto__, constructor or prototype */

  /* The run. */
  CAIRN_EXISTS = 32,   /* start: the store has a run of this id that is finished, that an earlier process left (resume
                          it), or that another store owns; the message says which */
  CAIRN_RUNNING = 33,  /* start: a run of this id is running in this process */
  CAIRN_FINISHED = 34, /* the run was finished; nothing changed */
  CAIRN_NO_SUCH_RUN = 35,
  CAIRN_ERASED = 36, /* the run was erased while this handle was open */

  /* The handle and the store. */
  CAIRN_CLOSED = 48,
  CAIRN_FORKED = 49,
  CAIRN_BUSY = 50,    /* another process, or another handle in this one, owns the store; last error: owner_pid,
                         owner_alive */
  CAIRN_AGAIN = 51,   /* try later */
  CAIRN_TIMEOUT = 52, /* the time is over; what was acknowledged is safe on disk */
  CAIRN_READ_ONLY = 53,
  CAIRN_UNSAFE = 54,        /* the promises do not cover this file system, these permissions or this owner */
  CAIRN_NOT_A_STORE = 55,   /* no store there, or files that are not Cairn's */
  CAIRN_NEWER_VERSION = 56, /* written by a newer version; nothing was touched */
  CAIRN_BACKLOG = 57,       /* too much is queued. An update: for the owner of that run. A start: for the upstream
                               (cairn_sync_options) */

  /* The machine. */
  CAIRN_NO_SPACE = 64, /* nothing changed; works again when space returns */
  CAIRN_IO = 65,
  CAIRN_LATCHED = 66,       /* a sync failed: nothing is acknowledged until the store is opened again */
  CAIRN_INDETERMINATE = 67, /* the sync that covers this call failed: it may or may not survive, whole or not at all */
  CAIRN_CORRUPT = 68,       /* damaged bytes of data that was durable; reported, never dropped */
  CAIRN_NO_MEMORY = 69,

  CAIRN_INTERNAL = 80 /* a bug in Cairn */
};

#define CAIRN_FAILED(status) ((status) >= 16)

/** A literal such as "no such run"; never null. */
CAIRN_API const char* cairn_status_text(cairn_status status) CAIRN_NOEXCEPT;

/** Why an operation was unapplied. */
enum {
  CAIRN_REASON_NONE = 0,
  CAIRN_REASON_MISSING_KEY = 1,     /* remove: no such key */
  CAIRN_REASON_NOT_AN_ARRAY = 2,    /* remove: the value is not an array */
  CAIRN_REASON_MISSING_PARENT = 3,  /* path: no such parent */
  CAIRN_REASON_NOT_A_CONTAINER = 4, /* path: leads through a string, number, bool or null */
  CAIRN_REASON_NO_SUCH_INDEX = 5,   /* path: a name on an array */
  CAIRN_REASON_EMPTY_PATH = 6,      /* "$." or "$.." */
  CAIRN_REASON_NO_MATCH = 7,        /* path: * or a slice matched nothing */
  CAIRN_REASON_OVERFLOW = 8         /* increment: the result would not be finite */
};
/** A literal; never null. */
CAIRN_API const char* cairn_reason_text(int32_t reason) CAIRN_NOEXCEPT;

/** Describes the last call of this thread that failed. Texts that are too long end at a whole character. */
typedef struct cairn_error {
  uint32_t struct_bytes;
  int32_t code;        /* 0: no call of this thread has failed */
  int32_t os_errno;    /* errno, or LMDB's code below zero; 0 if neither */
  int32_t reason;      /* UNAPPLIED: CAIRN_REASON_* */
  uint64_t needed;     /* TOO_LARGE: bytes */
  uint64_t limit;      /* TOO_LARGE: bytes */
  uint64_t index;      /* apply, eval, commit: position of the operation that failed */
  uint64_t owner_pid;  /* BUSY: the owner of the store; 0 if unknown, or in another pid namespace (container) */
  int32_t owner_alive; /* BUSY: 0 when that process is gone and an inherited descriptor holds the lock */
  uint32_t key_bytes;  /* of the whole key, of which `key` may hold the first part only */
  char key[256];       /* of the operation, or the path of the value; ends with NUL */
  char message[512];   /* one sentence for people; ends with NUL. Of an update: run "ID", key "KEY": ... */
  char run[68];        /* the run's id if an update, start, resume, open or erase failed; else "". Ends with NUL */
  int32_t told;        /* not 0: cairn_hooks.on_error was called for this error */
} cairn_error;

/** Fills *error. Calls that succeed do not change the thread's last error.
 * Errors:   INVALID_ARGUMENT.
 * Cost:     a copy of 1 KiB. */
CAIRN_API cairn_status cairn_last_error(cairn_error* error) CAIRN_NOEXCEPT;

/** Makes *error the thread's last error, and returns its code: for bindings that check values themselves. `key`,
 * `message` and `run` end with NUL within their arrays.
 * Errors:   INVALID_ARGUMENT, also for a code below 16.
 * Cost:     a copy of 1 KiB. */
CAIRN_API cairn_status cairn_set_last_error(const cairn_error* error) CAIRN_NOEXCEPT;

/* --------------------------------------------------------------------------------------------------------- options */

/** What a call that returned OK survives. */
enum {
  CAIRN_DURABILITY_DEFAULT = 0, /* the class of the store (cairn_options); for the store itself: PROCESS */
  CAIRN_DURABILITY_PROCESS = 1, /* kill -9, abort, out of memory. Power loss may take what came after the last flush */
  CAIRN_DURABILITY_POWER = 2,   /* also power loss and a kernel crash: the call waits for one fdatasync, shared with all
                                   callers that wait, about 100 us */
  CAIRN_DURABILITY_UPSTREAM = 3 /* also the loss of this machine: the call also waits until the upstream has
                                   acknowledged it; another thread must carry the messages meanwhile. TIMEOUT after
                                   upstream_timeout_ms, or at once if nothing can be sent: then it is durable here as
                                   with POWER and is sent later. INVALID_ARGUMENT without an upstream */
};

/* Bits of cairn_options.flags. */
enum {
  CAIRN_OPEN_BACKGROUND = 1,         /* one thread of the store runs cairn_store_step */
  CAIRN_OPEN_NO_CREATE = 2,          /* NOT_A_STORE instead of a new store */
  CAIRN_OPEN_NO_CRASH_MARKS = 4,     /* never mark orphaned runs CRASHED */
  CAIRN_OPEN_UNSAFE_FILE_SYSTEM = 8, /* open even on a network file system, where the promises do not hold */
  CAIRN_OPEN_NO_STAGING = 16,        /* no mapped files: each update is appended to the log, about 1 us */
  CAIRN_OPEN_READ_ONLY = 32,         /* read a store that another process may own; see cairn_store_open */
  CAIRN_OPEN_GUARD_SIGBUS = 64       /* survive staging files that are truncated or whose disk fails; see below */
};

/** A value for flush_interval_ms: flush without a pause. An update is durable within two syncs of the disk. While
 * something changes, every flush writes at least 512 bytes, thousands of times a second; while nothing changes, nothing
 * is written. */
#define CAIRN_FLUSH_CONTINUOUSLY UINT32_MAX

enum { CAIRN_LOG_DEBUG = 0, CAIRN_LOG_INFO = 1, CAIRN_LOG_WARNING = 2, CAIRN_LOG_ERROR = 3 };

/* Modes of cairn_files.open. */
enum {
  CAIRN_FILE_READ = 0,
  CAIRN_FILE_WRITE = 1,  /* read and write a file that is there */
  CAIRN_FILE_CREATE = 2, /* EXISTS if it is there */
  CAIRN_FILE_CREATE_OR_TRUNCATE = 3
};

typedef struct cairn_file_info {
  uint64_t inode;
  uint64_t birth_ns; /* 0 where the file system has none */
  uint64_t bytes;
} cairn_file_info;

/** The host's own file functions: a simulated disk in tests, an encrypted or quota-bound one elsewhere. All are
 * required. They carry the log, staging and identity files. LMDB's files and the LOCK do not pass through here: they
 * are opened below the store's directory by the operating system. Names are relative to the store's directory, with
 * '/', e.g. "wal/0000000000000001.wal"; "" is the directory itself. Each returns CAIRN_OK or CAIRN_NOT_FOUND,
 * CAIRN_EXISTS, CAIRN_NO_SPACE, CAIRN_NO_MEMORY, CAIRN_IO, and may leave errno for the message. They are called from
 * any thread that uses the store, must not call the store, and must not throw. */
typedef struct cairn_files {
  uint32_t struct_bytes;
  uint32_t reserved;
  void* context;
  cairn_status (*open)(void* context, const char* name, int32_t mode, void** file);
  void (*close)(void* context, void* file);
  /** Reads until `bytes` are there or the file ends; *got says how many. */
  cairn_status (*read_at)(void* context, void* file, uint64_t offset, void* into, size_t bytes, size_t* got);
  /** Writes all or fails. */
  cairn_status (*write_at)(void* context, void* file, uint64_t offset, const void* from, size_t bytes);
  /** As fdatasync: what was written survives power loss once it returns OK. */
  cairn_status (*sync)(void* context, void* file);
  cairn_status (*resize)(void* context, void* file, uint64_t bytes);
  cairn_status (*info)(void* context, void* file, cairn_file_info* info);
  /** A shared, writable mapping of the first `bytes` bytes, prefaulted and not inherited by forked children. */
  cairn_status (*map)(void* context, void* file, size_t bytes, void** at);
  /** Called before close for each map. */
  void (*unmap)(void* context, void* file, void* at, size_t bytes);
  cairn_status (*rename)(void* context, const char* from, const char* to);
  cairn_status (*remove)(void* context, const char* name);
  /** OK if it is there. */
  cairn_status (*make_directory)(void* context, const char* name);
  /** Calls add(list, name) for each entry but "." and "..", in any order; none if the directory is absent. */
  cairn_status (*list)(void* context, const char* directory, void (*add)(void* list, const char* name), void* list);
  cairn_status (*sync_directory)(void* context, const char* directory);
  cairn_status (*free_bytes)(void* context, uint64_t* bytes);
} cairn_files;

/** What the store takes from its host instead of the operating system. Copied at open; `context` and what stands behind
 *  `files` must live until the store and all its handles are closed. */
typedef struct cairn_hooks {
  uint32_t struct_bytes;
  uint32_t reserved;
  void* context;
  /** Logs one event, on the thread on which it happened; must not call the store. Null: nothing is logged. Nothing ever
   * goes to
   * stdout or stderr. */
  void (*log)(void* context, int32_t level, cairn_status code, const char* message);
  /** Wall clock in microseconds since 1970. It is stored as data; only retain_finished_ms and unsynced_ms_max are
   * decided by it. Called on every update: keep it cheap. */
  int64_t (*wall_us)(void* context);
  /** Milliseconds of a clock that never goes back, and that counts while the machine sleeps. */
  int64_t (*monotonic_ms)(void* context);
  /** Fills `out` with random bytes. */
  void (*random)(void* context, void* out, size_t bytes);
  const cairn_files* files;
  /** An update call failed. The call still returns its code; this is one place to count and log what a program does not
   * have to stop for. Called for set, delete, append, remove, increment, decrement, replace and apply of runs and
   * cells, for finish, fail, set_status and set_tags, for cairn_run_parent and _root, for each update that is added to
   * a transaction, and for its commit. The error names the run, and the key if there is one (a commit of several runs:
   * only if one of them is at fault). Called even after the store was closed. Not called for reads, null handles or in
   * forked children. cairn_stats.refused_updates counts the same calls, with and without this hook.
   *
   * It runs on the thread that made the call, with no lock held: it may use the store, its runs and other handles, but
   * must not close the store or the handle of the call. *error lives until it returns. An update that fails inside the
   * hook is counted but does not call it again, and cairn_last_error is restored when the hook returns. Several threads
   * may run it at once. It must not throw. Updates that succeed pay nothing for it. */
  void (*on_error)(void* context, const cairn_error* error);
  /** Called once, when the store and the last of its handles are closed; `context` is not used after that. An open that
   * failed does not call it. */
  void (*release)(void* context);
} cairn_hooks;

typedef struct cairn_options {
  uint32_t struct_bytes;
  uint32_t flags;               /* CAIRN_OPEN_* */
  int32_t durability;           /* CAIRN_DURABILITY_* of calls that do not choose */
  uint32_t flush_interval_ms;   /* bounds what class process loses to a power cut; 0: 1,000;
                                   CAIRN_FLUSH_CONTINUOUSLY: each flush begins when the one before is on the disk */
  uint32_t metadata_bytes_max;  /* of the JSON text of a run's metadata, at least 2, at most a quarter of the largest
                                   record (1 MiB, or half a segment if that is less). 0: environment variable
                                   TASK_RUN_METADATA_MAXIMUM_SIZE, or 4,096 without it */
  uint32_t segment_bytes;       /* of the log, a power of two from 256 KiB to 64 MiB; 0: 4 MiB */
  uint64_t disk_bytes_max;      /* budget of the whole store, at least two segments and 4 MiB; 0: none */
  uint32_t crash_grace_ms;      /* an orphaned run that is not resumed within this time after the open is marked
                                   CRASHED; 0: 10,000 */
  uint32_t upstream_timeout_ms; /* of calls of CAIRN_DURABILITY_UPSTREAM; 0: 30,000 */
  const cairn_hooks* hooks;     /* null: the operating system's */
  const char* staging_dir;      /* where the staging files are, outside the store; null: inside. See below */
  uint64_t retain_finished_ms;  /* runs are erased this long after they finished, by the wall clock; 0: never. See
                                   below */
  uint64_t retain_finished_max; /* at most so many finished runs stay, the oldest are erased; 0: no bound */
  uint32_t history_interval_ms; /* at most one point of each number of a run in this time; 0: no history. See
                                   cairn_run_history */
  uint32_t history_points;      /* of one run, 1 to 65,536; 0: 600 */
} cairn_options;

/* staging_dir.   Updates of class process are staged in mapped files, which the kernel writes to their disk every 30 s
 * or so. In a staging_dir on tmpfs, for example /dev/shm, they never reach a disk. The price: what a killed process had
 * staged is there only as long as that directory is. If a container restart discards it, class process loses all that
 * came after the last flush, as in a power loss. Each store has a directory of its own in there (mode 0700; made at
 * open, removed by a clean close), so stores may share one staging_dir. It is made if it is absent; it must belong to
 * you or root, and be writable for others only with the sticky bit (else UNSAFE). The file STAGING in the store names
 * it. So readers find it, and the next open finds it and takes over what was staged, even with another staging_dir or
 * none. If it is gone by then, that open works, logs a warning and sets CAIRN_STATS_STAGING_LOST; the commands refuse
 * (exit code 75), because they may merely run where it is not visible. A copy of a store never looks into the staging
 * of its original. staging_dir is always a directory of the operating system, even with cairn_files.
 *
 * CAIRN_OPEN_GUARD_SIGBUS.   Writing to a mapped file that was truncated, or whose disk fails, raises SIGBUS, which
 * ends the process. With this flag, the open installs a SIGBUS handler for the process; it is off by default because
 * signal handlers belong to the host. A fault in a staging file is then survived: the next update or step writes all
 * that is pending from memory to the log, each later update is appended to the log (about 1 us) until the next open,
 * and an error is logged (CAIRN_STATS_STAGING_FAILED). Nothing acknowledged is lost while the process lives. Every
 * other SIGBUS goes to the handler that was there before, or to the default action. When the last guarded store and its
 * handles are closed, that handler is put back. Install your own before the open, or let it call the one that it
 * replaces. LMDB's map is not covered. */

/* retain_finished_*.   cairn_store_step erases finished runs that are over either bound, oldest first, in parts within
 * its budget, as cairn_run_erase does; cairn_store_next_deadline_ms and cairn_store_wait_fd tell when. It never erases
 * an unfinished run (a CRASHED run is unfinished: it can be resumed). A run that has a handle, or that is not durable
 * yet, is erased later; until then newer finished runs are erased in its place if there are more than
 * retain_finished_max. With retain_finished_max the open counts the finished runs, about 100 ms per million. */

/** Sets all fields to their defaults. Inline, so that it uses the struct's size as the caller knows it. */
static inline void cairn_options_init(cairn_options* options) CAIRN_NOEXCEPT {
  const cairn_options zero = {sizeof(cairn_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  *options = zero;
}

/* ----------------------------------------------------------------------------------------------------------- store */

typedef struct cairn_store cairn_store;
typedef struct cairn_run cairn_run;
typedef struct cairn_cell cairn_cell;
typedef struct cairn_transaction cairn_transaction;
typedef struct cairn_watch cairn_watch;

/** Opens the store in `directory` for writing, makes it if there is none, and recovers it after a crash. `options` may
 * be null.
 *
 * Errors:   BUSY, CORRUPT, NEWER_VERSION, NOT_A_STORE, UNSAFE, NO_SPACE, IO, READ_ONLY; INVALID_ARGUMENT also for an
 *           option out of range, or a TASK_RUN_METADATA_MAXIMUM_SIZE that is not a whole number of bytes in range: the
 *           message names it. *store is null then.
 *
 * Lifetime: the handle is the caller's, for cairn_store_close. Copies directory and options.
 *
 * Cost:     a new store about 20 ms and 6 MiB of disk; else about 1 s per 64 MiB of log to replay.
 *
 * With CAIRN_OPEN_READ_ONLY the store is only read. That works while another process owns it, after that process was
 * killed, and on a read-only mount. The only option used is hooks. The handle outlives the owner, and sees what its
 * next owner writes. cairn_run_open, get and current in all forms, get_info, list, query, watches without a callback,
 * backup, id, directory and stats (log positions only) work on it; all other calls return READ_ONLY. Each reading call
 * looks at the files again, newest layer first, and so sees at least what was acknowledged before it began. Two calls
 * may see two different moments; cairn_run_current_json gives all keys as of one moment.
 *
 * Errors:   never BUSY; NOT_A_STORE, NEWER_VERSION, CORRUPT, IO; UNSAFE while the owner lives in another pid namespace
 *           (another container). Each reading call: the same, and AGAIN if the owner wrote so fast that no moment was
 *           found in 100 ms.
 *
 * Cost:     open about 200 us; each reading call 1 to 3 ms (it reads the staging files, and the log from the last
 *           checkpoint to the end of its newest segment, 4 MiB). Reading calls of one handle run one after the other.
 *
 * In the process that owns the store, open it for writing first: an open for writing is BUSY while this process has a
 * read-only handle of the same store. */
CAIRN_API cairn_status cairn_store_open(const char* directory, const cairn_options* options,
                                        cairn_store** store) CAIRN_NOEXCEPT;

/** For several processes of a host: opens a store of this process's own under `directory`, one of the slots
 * directory/slot-000 to slot-255, each of which is a store as cairn_store_open makes it. Takes the lowest slot that
 * holds the run `run_id` (may be null), else the lowest that no process has open, else makes one. `directory` is made
 * if it is absent. A free slot may hold unfinished runs of a process that is gone: they are now the caller's, to resume
 * or to be marked CRASHED, as with cairn_store_open. cairn_store_directory says which slot it is.
 *
 * To take a run over, name it: all that its process had acknowledged before it was killed is there, even what was only
 * staged. A run never leaves its slot, so after OK either cairn_run_resume works, or no slot holds the run and it can
 * be started. Two processes that ask for a run that no slot holds each get a slot, and each could start it: the host
 * must see to it that only one process at a time works on a run.
 *
 * A relay of the directory (`cairn sync --relay`) opens slots that no process has, for moments, to send what they hold.
 * Such a slot is waited for if it holds the run, or if no other slot is free or can be made: as long as the relay has
 * it, at most 60 s, or 10 s if the relay runs in another container.
 *
 * Errors:   those of cairn_store_open, and: BUSY when the run's slot has an owner (last error: owner_pid, owner_alive),
 *           or when all 256 have one (owner_pid 0); AGAIN, UNSAFE, CORRUPT, ... when a slot that may hold the run
 *           cannot be read and no other slot holds it; NOT_A_STORE with CAIRN_OPEN_NO_CREATE when there is no slot;
 *           INVALID_ARGUMENT for a malformed run_id, for a directory that is a store itself, for CAIRN_OPEN_READ_ONLY
 *           (open a slot by cairn_store_open to read it) and for cairn_files. Without run_id, a slot that is damaged or
 *           of a newer version is skipped, with a warning to the log.
 *
 * Lifetime: as cairn_store_open. The options, disk_bytes_max among them, are those of the one slot.
 *
 * Cost:     as cairn_store_open, and about 100 us for each slot that another process has. With run_id also 1 to 3 ms
 *           for each slot that is searched. Those without an owner come first; one whose owner writes takes up to
 *           100 ms. The wait for a relay: mostly below 2 s. */
CAIRN_API cairn_status cairn_store_open_slot(const char* directory, const char* run_id, const cairn_options* options,
                                             cairn_store** store) CAIRN_NOEXCEPT;

/** The directory of the store, as cairn_store_open was given it, or as cairn_store_open_slot chose it. Copied into
 * `buffer`, see Strings.
 * Errors:   TOO_LARGE. */
CAIRN_API cairn_status cairn_store_directory(cairn_store* store, char* buffer, size_t capacity,
                                             size_t* needed) CAIRN_NOEXCEPT;

/** Closes the store: further calls are refused, then it flushes, syncs, checkpoints and unlocks the directory. The
 * handle is gone whatever is returned; null is OK.
 * Durable:  all that was acknowledged, also against power loss, when OK is returned.
 * Errors:   TIMEOUT (over `timeout_ms`; below 0: no limit): all is in the log and synced, the checkpoint is left to the
 *           next open. NO_SPACE, IO, LATCHED: what was acknowledged is on disk as its class says.
 * Threads:  excludes other calls on the store's handle. Runs, cells, transactions and watches may be used meanwhile.
 * Cost:     a flush and a checkpoint; it waits for a sync that is under way. */
CAIRN_API cairn_status cairn_store_close(cairn_store* store, int64_t timeout_ms) CAIRN_NOEXCEPT;

/** Does what is due: flush, checkpoint, preallocation of log files, crash marks, retention, history points, watch
 * callbacks. Stops between parts once budget_us is used up (0: no limit). Without CAIRN_OPEN_BACKGROUND the host calls
 * this when cairn_store_wait_fd is readable, or after cairn_store_next_deadline_ms.
 * Durable:  what a flush that was due covers, against power loss, when OK is returned.
 * Errors:   NO_SPACE, IO, LATCHED, CORRUPT.
 * Cost:     about 100 us and one fdatasync if anything changed since the last flush; nothing if nothing is due. */
CAIRN_API cairn_status cairn_store_step(cairn_store* store, int64_t budget_us) CAIRN_NOEXCEPT;

/** Sets *in_ms to the milliseconds until the next step is due, 0 if it is due now: a time-out for poll or epoll_wait.
 * Cost:     a few loads and a reading of the clock; waits while another thread is in cairn_store_step. */
CAIRN_API cairn_status cairn_store_next_deadline_ms(cairn_store* store, int64_t* in_ms) CAIRN_NOEXCEPT;

/** A descriptor that is readable when a step is due; cairn_store_step re-arms it. It belongs to the store and lives as
 * long as it: poll it, do not read or close it.
 * Errors:   IO (no descriptor to be had). */
CAIRN_API cairn_status cairn_store_wait_fd(cairn_store* store, int* fd) CAIRN_NOEXCEPT;

/** Makes all updates that returned before this call durable, of all runs.
 * Durable:  against power loss, once it returns OK.
 * Errors:   NO_SPACE, IO, LATCHED, INDETERMINATE.
 * Cost:     about 100 us; nothing if all is durable. */
CAIRN_API cairn_status cairn_store_barrier(cairn_store* store) CAIRN_NOEXCEPT;

/** The number of the flush that will make every update that returned before this call durable: for
 * cairn_store_wait_durable.
 * Cost:     one load. */
CAIRN_API cairn_status cairn_store_epoch(cairn_store* store, uint64_t* epoch) CAIRN_NOEXCEPT;

/** The last epoch that is durable.
 * Cost:     one load. */
CAIRN_API cairn_status cairn_store_durable_epoch(cairn_store* store, uint64_t* epoch) CAIRN_NOEXCEPT;

/** Waits until the updates covered by `epoch` are durable. Flushes if no other thread does.
 * Durable:  against power loss, once it returns OK.
 * Errors:   TIMEOUT (over `timeout_ms`; below 0: no limit; nothing is lost), INVALID_ARGUMENT for an epoch that no
 *           update has yet, NO_SPACE, IO, LATCHED, INDETERMINATE.
 * Cost:     one load if it is durable; else as barrier. A sync of another thread is waited for no longer than the
 *           timeout, one that this call makes as long as it takes. */
CAIRN_API cairn_status cairn_store_wait_durable(cairn_store* store, uint64_t epoch, int64_t timeout_ms) CAIRN_NOEXCEPT;

/** Moves the durable part of the log into the tables and recycles the log's files. Step and close do it by themselves.
 * Errors:   NO_SPACE, IO, LATCHED, CORRUPT.
 * Cost:     about 10 us for each changed run of 300 bytes. */
CAIRN_API cairn_status cairn_store_checkpoint(cairn_store* store) CAIRN_NOEXCEPT;

/** The store's own 16-byte id. */
CAIRN_API cairn_status cairn_store_id(cairn_store* store, uint8_t id[16]) CAIRN_NOEXCEPT;

typedef struct cairn_stats {
  uint32_t struct_bytes;
  uint32_t flags;      /* CAIRN_STATS_* */
  uint64_t runs_hot;   /* in memory */
  uint64_t runs_dirty; /* with changes that no flush has sealed yet */
  uint64_t written_lsn, durable_lsn, applied_lsn;
  uint64_t epoch, durable_epoch;
  uint64_t flushes, checkpoints, transactions;
  uint64_t overflow_appends; /* updates that found no staging slot and went to the log */
  uint64_t disk_bytes, wal_bytes, staging_bytes, tables_bytes;
  uint64_t wal_appends, wal_records, wal_syncs;
  /* What the open found. */
  uint64_t recovered_runs, recovered_diffs; /* that a killed process had staged */
  uint64_t ignored_staged;                  /* staged diffs that did not continue the run's sequence */
  uint64_t dropped_records;                 /* valid records after a torn tail, never promised */
  uint64_t refused_updates;                 /* update calls that failed since the open: see cairn_hooks.on_error */
} cairn_stats;
enum {
  CAIRN_STATS_TORN_TAIL = 1, /* the open found the incomplete last write of a crash */
  CAIRN_STATS_COPIED = 2,    /* the store was copied or restored from a backup */
  CAIRN_STATS_STAGING_ON = 4,
  CAIRN_STATS_STAGING_LOST = 8,   /* a killed process had a staging_dir that is gone: updates of class process since its
                                     last flush are lost */
  CAIRN_STATS_STAGING_FAILED = 16 /* CAIRN_OPEN_GUARD_SIGBUS met a fault */
};
/** Counters since the open, and sizes.
 * Cost:     some microseconds. */
CAIRN_API cairn_status cairn_store_stats(cairn_store* store, cairn_stats* stats) CAIRN_NOEXCEPT;

/** Copies all runs, as of one moment, into `directory`, which must not exist: a store of its own, with a new id, to be
 * opened like any other. Updates go on meanwhile. The runs keep their sequences, times and status; unfinished ones are
 * orphaned in the copy. `directory` appears whole, or not at all; a kill may leave a directory
 * `directory`.backup-XXXXXX. `progress` may be null; else it is called with the number of runs copied so far, and any
 * result but 0 stops the backup. Works with CAIRN_OPEN_READ_ONLY too. The copy is written by the operating system's
 * file functions, even with cairn_files.
 * Durable:  the copy, against power loss, when OK is returned. It makes nothing of the original durable.
 * Errors:   EXISTS (`directory` is there; it stays as it is), INVALID_ARGUMENT also for a directory in the store
 *           itself, TIMEOUT (`progress` stopped it), AGAIN (updates came so fast that no moment was found in 2 s),
 *           CORRUPT, NO_SPACE, IO, READ_ONLY, UNSAFE (`directory` is on a network file system: copy it there from a
 *           local one). Nothing is left of the copy then.
 * Cost:     some 20 ms and 10 us a run; at least 5 MiB of disk. */
CAIRN_API cairn_status cairn_store_backup(cairn_store* store, const char* directory,
                                          int32_t (*progress)(void* context, uint64_t runs),
                                          void* context) CAIRN_NOEXCEPT;

/* ------------------------------------------------------------------------------------------------------------ runs */

/** Values of a run's status; never renumbered. */
enum {
  CAIRN_RUN_PENDING_VERSION = 0,
  CAIRN_RUN_QUEUED = 1,
  CAIRN_RUN_DEQUEUED = 2,
  CAIRN_RUN_EXECUTING = 3,
  CAIRN_RUN_WAITING = 4,
  CAIRN_RUN_COMPLETED = 5,
  CAIRN_RUN_CANCELED = 6,
  CAIRN_RUN_FAILED = 7,
  CAIRN_RUN_CRASHED = 8, /* can be resumed */
  CAIRN_RUN_SYSTEM_FAILURE = 9,
  CAIRN_RUN_DELAYED = 10,
  CAIRN_RUN_EXPIRED = 11,
  CAIRN_RUN_TIMED_OUT = 12
};
/** "COMPLETED"; null for a number that is no status. */
CAIRN_API const char* cairn_run_status_name(int32_t status) CAIRN_NOEXCEPT;
/** The number of "COMPLETED", "completed", and so on. Errors: INVALID_ARGUMENT if no status has this name. */
CAIRN_API cairn_status cairn_run_status_from_name(const char* name, int32_t* status) CAIRN_NOEXCEPT;

typedef struct cairn_start_options {
  uint32_t struct_bytes;
  int32_t durability; /* of the start and of the handle, as of cairn_run_with_durability */
  const char* id;     /* 1 to 64 of A-Z a-z 0-9 _ - . : and not . or : first; null: one is made, "run_" and 26
                         characters that sort by time */
  const char* task;   /* may be null, as the rest */
  const char* parent; /* id of the run that started this one */
  const char* root;
  const char* const* tags;
  size_t tag_count;
  const char* metadata;  /* JSON text of an object: what the run starts from; null: nothing */
  size_t metadata_bytes; /* of that text, not 0 */
  const char* payload;   /* what the run was given, kept with it: at most 256 KiB of UTF-8; null: it is not kept */
  size_t payload_bytes;
  const char* payload_type; /* what the payload is; null: "application/json" */
} cairn_start_options;

/** Starts a run, status EXECUTING. `options` may be null. A run that was updated here before, as a parent or root that
 * is owned elsewhere, becomes this store's own, and its handles stay valid: the updates that waited for its owner are
 * applied on top of `metadata`. Those that were sent before belong to others at the upstream, and come back with
 * cairn_run_refresh.
 * Durable:  as updates are; it is a log record, so it survives kill -9 once it returns.
 * Errors:   EXISTS, RUNNING, BACKLOG, TOO_LARGE, INVALID_JSON, INVALID_UTF8, TYPE_MISMATCH (metadata is not an
 *           object), KEY_REFUSED, NO_SPACE, LATCHED; INVALID_ARGUMENT also for a run that names itself as its parent or
 *           root, or whose parent descends from it, and for `metadata` with `metadata_bytes` 0.
 * Lifetime: the handle is the caller's, for cairn_run_close.
 * Cost:     some microseconds. A run that was updated here before: a sync of the log and a checkpoint. */
CAIRN_API cairn_status cairn_run_start(cairn_store* store, const cairn_start_options* options,
                                       cairn_run** run) CAIRN_NOEXCEPT;

/** Resumes an unfinished or CRASHED run, for example one of a process that died: status EXECUTING. Its updates have
 * the store's durability class.
 * Durable:  as updates are; it is a log record.
 * Errors:   NO_SUCH_RUN, FINISHED, INVALID_ARGUMENT (the run is owned elsewhere), NO_SPACE, LATCHED.
 * Lifetime, cost: as start. */
CAIRN_API cairn_status cairn_run_resume(cairn_store* store, const char* id, cairn_run** run) CAIRN_NOEXCEPT;

/** What a worker calls first: gives it the run `options->id`. If the store has it unfinished or CRASHED, it is resumed
 * as by cairn_run_resume (in the process that already runs it this makes another handle). If the store does not have
 * it, it is started as by cairn_run_start. `durability` applies to both; task, parent, root, tags and metadata are used
 * only for a start: a resumed run keeps its own.
 * Durable:  as start and resume.
 * Errors:   INVALID_ARGUMENT without an id; FINISHED for a finished run: use another id, or erase it; EXISTS for a run
 *           that is owned elsewhere, except one that cairn_run_start would make this store's own; else those of start
 *           and resume.
 * Lifetime, cost: as start. */
CAIRN_API cairn_status cairn_run_start_or_resume(cairn_store* store, const cairn_start_options* options,
                                                 cairn_run** run) CAIRN_NOEXCEPT;

/** A handle of any run of the store: to read it, and to update it if it is not finished.
 * Errors:   NO_SUCH_RUN.
 * Lifetime: as start.
 * Cost:     a lookup; a run that is not in memory is read from the tables. */
CAIRN_API cairn_status cairn_run_open(cairn_store* store, const char* id, cairn_run** run) CAIRN_NOEXCEPT;

/** Another handle of the same run whose updates have this durability class. The class belongs to the handle and is not
 * a parameter, so that hot calls keep their arguments in registers, and a piece of code has one class.
 * Errors:   INVALID_ARGUMENT if `durability` is not one of CAIRN_DURABILITY_*.
 * Lifetime: as start. */
CAIRN_API cairn_status cairn_run_with_durability(cairn_run* run, int32_t durability, cairn_run** other) CAIRN_NOEXCEPT;

/** Another handle of the same run, with the same durability class: for a second owner of the handle.
 * Lifetime: as start. */
CAIRN_API cairn_status cairn_run_share(cairn_run* run, cairn_run** other) CAIRN_NOEXCEPT;

/** A handle of the run that this one names as its parent, or as its root, with the same durability class; a handle of
 * the run itself if it names none. A named run that is not in this store is owned elsewhere: its updates return
 * ACCEPTED and wait in the store for its owner, reads give NOT_FOUND, and only its owner can change its status and
 * tags. A start of that id makes it this store's own (cairn_run_start). To update a run and its parent together, put
 * both into one transaction, or see cairn_run_apply_atomic.
 * Durable:  the first call for a run owned elsewhere writes one record to the log; each update of it is one, at once.
 * Errors:   ERASED, NO_SPACE, LATCHED; read-only: NO_SUCH_RUN. Updates of a run owned elsewhere also: BACKLOG,
 *           INVALID_ARGUMENT (a path that does not begin with the name of a key). TOO_DEEP as for a run of this store;
 *           an item to remove is measured like one to append.
 * Bounds:   what waits for the owner of one run is at most four times the metadata's limit (cairn_options:
 *           metadata_bytes_max), and at most 64 operations of one key that cannot be folded into one: beyond either,
 *           BACKLOG. A value is at most the metadata's limit (TOO_LARGE). Increments always fit: fractions of one path
 *           are kept one by one, up to 4,096 and while they fit; beyond that they become one sum, so the last bits of
 *           the result may differ from those of adding them one by one.
 * Lifetime, threads: as start.
 * Cost:     a lookup; a run that is not in memory is read from the tables. */
CAIRN_API cairn_status cairn_run_parent(cairn_run* run, cairn_run** parent) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_root(cairn_run* run, cairn_run** root) CAIRN_NOEXCEPT;

/** Trigger.dev's `metadata.flush()`: makes all updates that returned before this call durable, of all runs of the
 * store, as cairn_store_barrier does.
 * Durable, errors, cost: as cairn_store_barrier. */
CAIRN_API cairn_status cairn_run_flush(cairn_run* run) CAIRN_NOEXCEPT;
/** Trigger.dev's `metadata.refresh()`: one of the next messages (cairn_sync_next) asks the upstream for the run. What
 * others did to it there is then merged into the metadata of a run of this store; the metadata of a run that is owned
 * elsewhere can then be read. The call does not wait for that. An answer that is older than what is here changes
 * nothing. Without an upstream it does nothing. */
CAIRN_API cairn_status cairn_run_refresh(cairn_run* run) CAIRN_NOEXCEPT;

/** Closes the handle; the run goes on. Null is OK. */
CAIRN_API cairn_status cairn_run_close(cairn_run* run) CAIRN_NOEXCEPT;

/** Ends the run with COMPLETED, CANCELED, FAILED, SYSTEM_FAILURE, EXPIRED or TIMED_OUT. Reads still work.
 * Durable:  as updates are.
 * Errors:   FINISHED, ERASED, INVALID_ARGUMENT for another status, NO_SPACE, LATCHED.
 * Cost:     one write to the log, about 1 us. */
CAIRN_API cairn_status cairn_run_finish(cairn_run* run, int32_t status) CAIRN_NOEXCEPT;

/** The same, and says why in at most 4,096 bytes of UTF-8 (status FAILED, SYSTEM_FAILURE, ...).
 * Durable, cost: as finish.
 * Errors:   as finish, TOO_LARGE, INVALID_UTF8. */
CAIRN_API cairn_status cairn_run_fail(cairn_run* run, int32_t status, const char* error,
                                      size_t error_bytes) CAIRN_NOEXCEPT;

/** Gives an unfinished run another status; one that ends a run finishes it.
 * Durable, errors, cost: as finish. */
CAIRN_API cairn_status cairn_run_set_status(cairn_run* run, int32_t status) CAIRN_NOEXCEPT;

/** Keeps what the run gave: at most 256 KiB of UTF-8, and what that is (null: "application/json"). To be called before
 * the run finishes. It is in `GET /api/v3/runs/:id` of `cairn serve`, in realtime and in `cairn export`, and goes to the
 * upstream once.
 * Durable:  as finish.
 * Errors:   FINISHED, ERASED, TOO_LARGE, INVALID_UTF8, INVALID_ARGUMENT (the run is owned elsewhere), NO_SPACE, LATCHED.
 * Cost:     one write of it to the log. */
CAIRN_API cairn_status cairn_run_set_output(cairn_run* run, const char* type, const char* output,
                                            size_t output_bytes) CAIRN_NOEXCEPT;

/** Replaces the tags.
 * Durable, cost: as finish.
 * Errors:   FINISHED, ERASED, INVALID_UTF8, NO_SPACE, LATCHED. */
CAIRN_API cairn_status cairn_run_set_tags(cairn_run* run, const char* const* tags, size_t count) CAIRN_NOEXCEPT;

/** Removes the run with its metadata. Calls on its handles return ERASED.
 * Durable:  as the store's class says (cairn_options.durability); it is a log record, so it survives kill -9 once the
 *           call returns.
 * Errors:   NO_SUCH_RUN, NO_SPACE, LATCHED.
 * Cost:     a lookup and one write to the log, some microseconds. */
CAIRN_API cairn_status cairn_run_erase(cairn_store* store, const char* id) CAIRN_NOEXCEPT;

typedef struct cairn_run_info {
  uint32_t struct_bytes;
  int32_t status;
  uint32_t flags; /* CAIRN_RUN_INFO_* */
  uint32_t tag_count;
  uint64_t sequence;    /* grows with every change of the run */
  uint64_t created_lsn; /* tells a run from an erased one that had the same id */
  int64_t created_us;   /* wall clock, microseconds since 1970, UTC */
  int64_t updated_us;
  int64_t finished_us; /* 0: not finished */
  const char* id;
  const char* task; /* "" if none, as the rest */
  const char* parent;
  const char* root;
  const char* const* tags;
  const char* error; /* why it failed, as cairn_run_fail says */
} cairn_run_info;
enum {
  CAIRN_RUN_INFO_ORPHANED = 1, /* unfinished, and started or resumed by a process that is gone */
  CAIRN_RUN_INFO_FOREIGN = 2   /* owned elsewhere: no metadata here, and `status` says nothing */
};

/** Fills *info. Its strings are copied into `buffer`, as with getpwnam_r; 512 bytes are usually enough.
 * Errors:   TOO_LARGE (*needed says how many bytes; the strings are null), ERASED. */
CAIRN_API cairn_status cairn_run_get_info(cairn_run* run, cairn_run_info* info, void* buffer, size_t capacity,
                                          size_t* needed) CAIRN_NOEXCEPT;

/** Calls visit(context, info) for every run in the order of ids, until it returns something else than 0. The strings
 * live until visit returns. visit must not call this store. `info->struct_bytes` says how much the library filled.
 * Errors:   CORRUPT, IO.
 * Cost:     reads every run of the store. For a page of them, cairn_store_query. */
CAIRN_API cairn_status cairn_store_list(cairn_store* store, int32_t (*visit)(void* context, const cairn_run_info* info),
                                        void* context) CAIRN_NOEXCEPT;

/** A page of a listing. A field that is null, empty or 0 does not filter; a run must match all the others. */
typedef struct cairn_query {
  uint32_t struct_bytes;
  uint32_t flags;    /* CAIRN_QUERY_* */
  uint32_t statuses; /* CAIRN_STATUS_BIT of each status to list */
  int32_t order;     /* CAIRN_ORDER_* */
  const char* task;
  const char* const* tags; /* the run has all of them */
  size_t tag_count;
  const char* parent;      /* its children */
  const char* root;        /* all runs that descend from it */
  int64_t updated_from_us; /* at or after */
  int64_t updated_to_us;   /* before */
  const char* text;        /* is in the id, the task, a tag or the JSON text of the metadata; A-Z equals a-z */
  uint32_t limit;          /* runs of the page, at most 10,000; 0: 100 */
  uint32_t reserved;
  const char* cursor; /* of the page before; null or "": the first page */
} cairn_query;
#define CAIRN_STATUS_BIT(status) (UINT32_C(1) << (status))
enum { CAIRN_QUERY_METADATA = 1 /* give the metadata too */ };
enum {
  CAIRN_ORDER_NEWEST = 0, /* by the time of the last update, latest first, then by id, greatest first */
  CAIRN_ORDER_ID = 1,
  CAIRN_ORDER_OLDEST = 2 /* CAIRN_ORDER_NEWEST from its end */
};
/** Size of a buffer for a cursor with its NUL. */
#define CAIRN_CURSOR_BYTES 192

/** Calls visit(context, info, metadata, metadata_bytes) for each run of the page in its order, until it returns
 * something else than 0; info and metadata live until it returns. metadata is JSON text, null unless asked for. visit
 * may call this store. `next` (may be null) gets the cursor of the next page, which begins after the last run that
 * visit got; "" if there is no next page. A cursor holds only characters of A-Z a-z 0-9 _ - and stays valid for ever,
 * in every process: the next page begins after its run, or after the place where that run was. It is valid for the same
 * filters and order; limit and time range may change.
 *
 * While runs change: a run that does not change is neither left out nor shown twice. A run that changes moves in the
 * orders by time: it may be left out of the later pages of CAIRN_ORDER_NEWEST, and be shown again in those of
 * CAIRN_ORDER_OLDEST. In the owner each run is shown as of the moment it is read; with CAIRN_OPEN_READ_ONLY a page is
 * as of one moment.
 *
 * Errors:   INVALID_ARGUMENT (also a cursor that is damaged or of another listing), CORRUPT, IO. If a page of the
 *           tables is damaged, the call returns CORRUPT and does not silently leave out runs. One case goes unnoticed:
 *           where the disk kept an older state of a whole page, a page of a listing and a listing by parent or task can
 *           miss its runs; `cairn verify` finds that.
 * Cost:     one filter is looked up in an index: parent, else task, else status, else the time. In an order by time, a
 *           query by parent or task looks at all runs of that parent or task; the others stop when the page is full. In
 *           the order of ids, a query by parent or task stops when the page is full, and the others go through the runs
 *           by id. The other filters are applied to the runs that are looked at: 1 to 2 us each, and with `text` about
 *           4 us per KiB of metadata, so seconds per million runs. The owner adds about 1 us for each run in memory, a
 *           read-only store the cost of a reading call. */
CAIRN_API cairn_status cairn_store_query(cairn_store* store, const cairn_query* query,
                                         int32_t (*visit)(void* context, const cairn_run_info* info,
                                                          const char* metadata, size_t metadata_bytes),
                                         void* context, char next[CAIRN_CURSOR_BYTES]) CAIRN_NOEXCEPT;

/* --------------------------------------------------------------------------------------------------------- updates */

/* A key that starts with "$." is a path, dots between its segments: "$.phases.2.done". Any other key is a name at the
 * top level, even "a.b", "$" and "". A key has at most 4,096 bytes.
 *
 * Metadata is nested at most 128 levels deep; its own braces are the first level. A value set at the top level has at
 * most 63 levels, one less for each further name on the path, and one less if it is appended. More is TOO_DEEP, for a
 * parent or root too.
 *
 * Durable:  kill -9 of this process once the call returns; see CAIRN_DURABILITY_* for power loss.
 * Errors:   UNAPPLIED, TOO_LARGE (JSON text of the result over metadata_bytes_max), INVALID_UTF8, NOT_FINITE,
 *           KEY_REFUSED, TOO_DEEP, FINISHED, ERASED, NO_SPACE, LATCHED; of class POWER and UPSTREAM also INDETERMINATE,
 *           of class UPSTREAM also TIMEOUT; _json also INVALID_JSON, _msgpack also INVALID_MSGPACK.
 * Threads:  any; updates of one run wait for each other.
 * Cost:     class PROCESS, set and increment of a number or bool at the top level: tens of nanoseconds
 *           (hot_calls_bench), no system call, no allocation once the key exists; it does not grow with the document.
 *           Strings the same if the new one is no longer than one before; else one allocation. Other updates: some
 *           hundred nanoseconds and allocations. Class POWER adds a sync, about 100 us; UPSTREAM also the network. */

/** Sets `key` to the value. A new key comes last in the object; an existing one keeps its place. */
CAIRN_API cairn_status cairn_run_set_double(cairn_run* run, const char* key, size_t key_bytes,
                                            double value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_set_int64(cairn_run* run, const char* key, size_t key_bytes,
                                           int64_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_set_uint64(cairn_run* run, const char* key, size_t key_bytes,
                                            uint64_t value) CAIRN_NOEXCEPT;
/** Any value but 0 is true. */
CAIRN_API cairn_status cairn_run_set_bool(cairn_run* run, const char* key, size_t key_bytes,
                                          int32_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_set_null(cairn_run* run, const char* key, size_t key_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_set_string(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                            size_t value_bytes) CAIRN_NOEXCEPT;
/** One JSON value of any type. */
CAIRN_API cairn_status cairn_run_set_json(cairn_run* run, const char* key, size_t key_bytes, const char* json,
                                          size_t json_bytes) CAIRN_NOEXCEPT;
/** One msgpack value without ext and bin; keys of maps are strings. */
CAIRN_API cairn_status cairn_run_set_msgpack(cairn_run* run, const char* key, size_t key_bytes, const void* msgpack,
                                             size_t msgpack_bytes) CAIRN_NOEXCEPT;

/** Removes `key`. UNCHANGED if it is not there. */
CAIRN_API cairn_status cairn_run_delete(cairn_run* run, const char* key, size_t key_bytes) CAIRN_NOEXCEPT;

/** Appends to the array at `key`. A missing key becomes an array of the one item; a value that is not an array becomes
 * the first item of a new array. */
CAIRN_API cairn_status cairn_run_append_double(cairn_run* run, const char* key, size_t key_bytes,
                                               double value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_append_int64(cairn_run* run, const char* key, size_t key_bytes,
                                              int64_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_append_string(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                               size_t value_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_append_json(cairn_run* run, const char* key, size_t key_bytes, const char* json,
                                             size_t json_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_append_msgpack(cairn_run* run, const char* key, size_t key_bytes, const void* msgpack,
                                                size_t msgpack_bytes) CAIRN_NOEXCEPT;

/** Removes all items that equal the value from the array at `key`: UNCHANGED if there is no such item, UNAPPLIED if
 * there is no array. */
CAIRN_API cairn_status cairn_run_remove_double(cairn_run* run, const char* key, size_t key_bytes,
                                               double value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_remove_int64(cairn_run* run, const char* key, size_t key_bytes,
                                              int64_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_remove_string(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                               size_t value_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_remove_json(cairn_run* run, const char* key, size_t key_bytes, const char* json,
                                             size_t json_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_remove_msgpack(cairn_run* run, const char* key, size_t key_bytes, const void* msgpack,
                                                size_t msgpack_bytes) CAIRN_NOEXCEPT;

/** Adds to the number at `key`; a missing key, or a value that is not a number, counts as 0. Integers stay exact; a
 * result that does not fit in 64 bits becomes a double. */
CAIRN_API cairn_status cairn_run_increment_int64(cairn_run* run, const char* key, size_t key_bytes,
                                                 int64_t by) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_increment_double(cairn_run* run, const char* key, size_t key_bytes,
                                                  double by) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_decrement_int64(cairn_run* run, const char* key, size_t key_bytes,
                                                 int64_t by) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_decrement_double(cairn_run* run, const char* key, size_t key_bytes,
                                                  double by) CAIRN_NOEXCEPT;

/** Replaces the whole metadata by an object; TYPE_MISMATCH if the value is not an object. Metadata of a run that is
 * owned elsewhere is replaced when this update reaches its owner, whatever it is by then. */
CAIRN_API cairn_status cairn_run_replace_json(cairn_run* run, const char* json, size_t json_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_replace_msgpack(cairn_run* run, const void* msgpack,
                                                 size_t msgpack_bytes) CAIRN_NOEXCEPT;

/** What became of one operation. */
typedef struct cairn_outcome {
  int32_t code;   /* OK, UNCHANGED, UNAPPLIED, or the error at which cairn_run_apply stopped */
  int32_t reason; /* UNAPPLIED: CAIRN_REASON_* */
} cairn_outcome;

/** Applies a JSON array of operations in order, one by one: {"type":"set","key":K,"value":J}, "delete" (no value),
 * "append", "remove", "increment" (a number), "update" (no key, an object: replaces the whole metadata). An operation
 * that is unapplied does not stop the others. Any other error stops the call and is returned; the operations before it
 * stay applied. `outcomes` (may be null) gets the first `capacity` outcomes, *count (may be null) how many operations
 * were tried.
 * Errors:   those of updates; INVALID_JSON, INVALID_ARGUMENT for anything but an array of operations (last error:
 *           index): nothing changed. */
CAIRN_API cairn_status cairn_run_apply(cairn_run* run, const char* operations, size_t operations_bytes,
                                       cairn_outcome* outcomes, size_t capacity, size_t* count) CAIRN_NOEXCEPT;

/** The same, all or none: an unapplied operation or an error fails the whole call (last error: index). Only the size of
 * the result is compared with metadata_bytes_max. Also takes an object with operations on the run, its parent and its
 * root, which take effect together: {"operations":[...],"parentOperations":[...],"rootOperations":[...]}, each optional
 * (the index counts through them in this order); "metadata":{...} in place of "operations" replaces the whole
 * metadata. */
CAIRN_API cairn_status cairn_run_apply_atomic(cairn_run* run, const char* operations,
                                              size_t operations_bytes) CAIRN_NOEXCEPT;

/* --------------------------------------------------------------------------------------------------------- reading */

/* Reads see every update that returned before, and never wait for the disk. They work on finished runs too. Read-only
 * stores: see cairn_store_open for errors and cost.
 * Errors:   NOT_FOUND (an answer), TYPE_MISMATCH (the message names the path, what was expected and what was
 *           found), KEY_REFUSED, ERASED. */

/** A number as double; integers beyond 2^53 are rounded.
 * Cost:     tens of nanoseconds. */
CAIRN_API cairn_status cairn_run_get_double(cairn_run* run, const char* key, size_t key_bytes,
                                            double* value) CAIRN_NOEXCEPT;
/** An integer, or a double that is a whole number. TYPE_MISMATCH if it does not fit.
 * Cost:     tens of nanoseconds. */
CAIRN_API cairn_status cairn_run_get_int64(cairn_run* run, const char* key, size_t key_bytes,
                                           int64_t* value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_get_uint64(cairn_run* run, const char* key, size_t key_bytes,
                                            uint64_t* value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_get_bool(cairn_run* run, const char* key, size_t key_bytes,
                                          int32_t* value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_get_string(cairn_run* run, const char* key, size_t key_bytes, char* buffer,
                                            size_t capacity, size_t* needed) CAIRN_NOEXCEPT;
/** Compact JSON text of the value. */
CAIRN_API cairn_status cairn_run_get_json(cairn_run* run, const char* key, size_t key_bytes, char* buffer,
                                          size_t capacity, size_t* needed) CAIRN_NOEXCEPT;
/** The value as msgpack: keeps doubles and integers apart, which JSON text (1.0 is "1") does not. No NUL is added. */
CAIRN_API cairn_status cairn_run_get_msgpack(cairn_run* run, const char* key, size_t key_bytes, void* buffer,
                                             size_t capacity, size_t* needed) CAIRN_NOEXCEPT;

/** The whole metadata, in the order of insertion. `sequence` (may be null) gets the run's sequence at that moment. */
CAIRN_API cairn_status cairn_run_current_json(cairn_run* run, char* buffer, size_t capacity, size_t* needed,
                                              uint64_t* sequence) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_run_current_msgpack(cairn_run* run, void* buffer, size_t capacity, size_t* needed,
                                                 uint64_t* sequence) CAIRN_NOEXCEPT;

/* ----------------------------------------------------------------------------------------------------------- cells */

/** Makes a cell: a run and a key, bound for hot loops. A cell finds its key again after the document changed its
 * layout, and creates it like set. It has the durability class of the handle. It may outlive the run's handle and the
 * store.
 * Errors:   INVALID_ARGUMENT (a path), KEY_REFUSED, INVALID_UTF8, TOO_LARGE.
 * Lifetime: the caller's, for cairn_cell_close. */
CAIRN_API cairn_status cairn_run_bind(cairn_run* run, const char* key, size_t key_bytes,
                                      cairn_cell** cell) CAIRN_NOEXCEPT;
/** Null is OK. */
CAIRN_API cairn_status cairn_cell_close(cairn_cell* cell) CAIRN_NOEXCEPT;

/** As cairn_run_set_*, increment_* and get_* of its key, without the search for the key. */
CAIRN_API cairn_status cairn_cell_set_double(cairn_cell* cell, double value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_set_int64(cairn_cell* cell, int64_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_set_uint64(cairn_cell* cell, uint64_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_set_bool(cairn_cell* cell, int32_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_set_string(cairn_cell* cell, const char* value, size_t value_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_increment_int64(cairn_cell* cell, int64_t by) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_increment_double(cairn_cell* cell, double by) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_get_double(cairn_cell* cell, double* value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_get_int64(cairn_cell* cell, int64_t* value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_get_uint64(cairn_cell* cell, uint64_t* value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_get_bool(cairn_cell* cell, int32_t* value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_cell_get_string(cairn_cell* cell, char* buffer, size_t capacity,
                                             size_t* needed) CAIRN_NOEXCEPT;

/* ---------------------------------------------------------------------------------------------------- transactions */

/** Collects updates of any runs of the store, which take effect together at commit: all or none, whatever crashes.
 * Nothing is locked before the commit.
 * Lifetime: the caller's, for cairn_transaction_close. */
CAIRN_API cairn_status cairn_transaction_begin(cairn_store* store, cairn_transaction** transaction) CAIRN_NOEXCEPT;

/** Each adds one update. The value is checked here, its effect at commit. `run` may be closed before the commit.
 * Errors:   INVALID_ARGUMENT also for a run of another store; NOT_FINITE, KEY_REFUSED, INVALID_*: nothing was
 *           added. */
CAIRN_API cairn_status cairn_transaction_set_double(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                    size_t key_bytes, double value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_set_int64(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                   size_t key_bytes, int64_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_set_bool(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                  size_t key_bytes, int32_t value) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_set_string(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                    size_t key_bytes, const char* value,
                                                    size_t value_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_set_json(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                  size_t key_bytes, const char* json, size_t json_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_set_msgpack(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                     size_t key_bytes, const void* msgpack,
                                                     size_t msgpack_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_delete(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                size_t key_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_append_json(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                     size_t key_bytes, const char* json,
                                                     size_t json_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_append_msgpack(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                        size_t key_bytes, const void* msgpack,
                                                        size_t msgpack_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_remove_json(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                     size_t key_bytes, const char* json,
                                                     size_t json_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_remove_msgpack(cairn_transaction* transaction, cairn_run* run, const char* key,
                                                        size_t key_bytes, const void* msgpack,
                                                        size_t msgpack_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_increment_int64(cairn_transaction* transaction, cairn_run* run,
                                                         const char* key, size_t key_bytes, int64_t by) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_increment_double(cairn_transaction* transaction, cairn_run* run,
                                                          const char* key, size_t key_bytes, double by) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_replace_json(cairn_transaction* transaction, cairn_run* run, const char* json,
                                                      size_t json_bytes) CAIRN_NOEXCEPT;
CAIRN_API cairn_status cairn_transaction_replace_msgpack(cairn_transaction* transaction, cairn_run* run,
                                                         const void* msgpack, size_t msgpack_bytes) CAIRN_NOEXCEPT;
/** Adds a JSON array of operations, as cairn_run_apply takes them.
 * Errors:   INVALID_JSON and INVALID_ARGUMENT too: nothing was added. */
CAIRN_API cairn_status cairn_transaction_add(cairn_transaction* transaction, cairn_run* run, const char* operations,
                                             size_t operations_bytes) CAIRN_NOEXCEPT;

/** Applies all or none. After OK the transaction is empty and can be used again; after an error nothing changed, and
 * it keeps its updates.
 * Durable:  as `durability` says (CAIRN_DURABILITY_*).
 * Errors:   those of updates; last error: index is the position of the update that failed. UNAPPLIED fails the whole
 *           too. Only the size of each run's result is compared with metadata_bytes_max.
 * Cost:     one run: as its updates; several: one write to the log, some microseconds. */
CAIRN_API cairn_status cairn_transaction_commit(cairn_transaction* transaction, int32_t durability) CAIRN_NOEXCEPT;

/** Drops what was added; the transaction can be used again. */
CAIRN_API cairn_status cairn_transaction_rollback(cairn_transaction* transaction) CAIRN_NOEXCEPT;

/** Drops what was not committed, and the handle. Null is OK. */
CAIRN_API cairn_status cairn_transaction_close(cairn_transaction* transaction) CAIRN_NOEXCEPT;

/* -------------------------------------------------------------------------------------------------------- watching */

/** A watch reports which runs changed. Each event gives the state that a run has now, so a slow watcher has no backlog:
 * however often a run changed since its last event, there is one event with the newest state. Watching costs the
 * writers nothing: the watch looks at the runs when it is asked.
 *
 * From its start to its erasure (created_lsn) a run's versions only rise. A watch begins with the present state: one
 * event for each run that it watches, unless CAIRN_WATCH_FROM_NOW is set or a token is given. A run that does not exist
 * yet has no event until it starts. In a store that is only read (CAIRN_OPEN_READ_ONLY) watches see what another
 * process writes, even across a restart of it. */
enum {
  CAIRN_WATCH_CHANGED = 1,  /* started, or anything of it changed: metadata, status, tags */
  CAIRN_WATCH_FINISHED = 2, /* the same, and the run is finished now */
  CAIRN_WATCH_ERASED = 3,   /* erased; if there is a new run of that id, its event follows */
  CAIRN_WATCH_RESET = 4,    /* drop what you hold: the store went back (power loss, a copy or backup, a staging_dir that
                               is gone), or cannot tell what changed since an old token of all runs. All runs that exist
                               follow, with versions that may be lower */
  CAIRN_WATCH_ORPHANED = 5  /* unfinished, and the process that owned the store ended without closing it: no process
                               works on the run until it is resumed, which is CHANGED. Reported once, only in a store
                               that is only read, for runs that this store owns; the version may be the one of the event
                               before */
};

#define CAIRN_WATCH_TOKEN_BYTES 128

typedef struct cairn_watch_event {
  uint32_t struct_bytes;
  int32_t kind;                        /* CAIRN_WATCH_* */
  uint64_t version;                    /* the run's sequence; ERASED: higher than any before; RESET: 0 */
  char run[72];                        /* id, ends with NUL; "" with a RESET of all runs */
  char token[CAIRN_WATCH_TOKEN_BYTES]; /* where the watcher stands after this event: printable, ends with NUL */
} cairn_watch_event;

/* Bits of cairn_watch_options.flags. */
enum {
  CAIRN_WATCH_METADATA = 1, /* keep the metadata of each event for cairn_watch_current_json and the callback */
  CAIRN_WATCH_FROM_NOW = 2  /* without a token: report only what changes from now on */
};

typedef struct cairn_watch_options {
  uint32_t struct_bytes;
  uint32_t flags;       /* CAIRN_WATCH_* above */
  uint32_t interval_ms; /* of the descriptor and of callbacks, at least 20; 0: 100 */
  uint32_t reserved;
  /** If set, cairn_store_step (or the background thread) hands out the events, and cairn_watch_next returns
   * INVALID_ARGUMENT. Called at most every interval_ms, for up to 10,000 events in a row, while no lock is held: it may
   * use the store, its runs and cairn_watch_close of this watch, but not cairn_store_close. `run` (null with ERASED and
   * RESET) and `metadata` (null without CAIRN_WATCH_METADATA) live until it returns. Any result but 0 ends the
   * callbacks. Not possible in a store that is only read. */
  int32_t (*changed)(void* context, const cairn_watch_event* event, const cairn_run_info* run, const char* metadata,
                     size_t metadata_bytes);
  void* context;
} cairn_watch_options;

/** Watches the run of this id, or all runs if it is null. With a `token` (may be null, as `options`) it continues where
 * the watch that gave the token was, even after the store was closed and opened again. A token of one run continues
 * with exactly what was not reported yet. With a token of all runs, a run may be reported again with the same version;
 * after a restart of the owner, or if the log that the token needs is gone, a RESET comes first.
 * Errors:   INVALID_ARGUMENT also for a token of another store, run or version, and for options out of range. READ_ONLY
 *           for a callback in a store that is only read.
 * Lifetime: the handle is the caller's, for cairn_watch_close. A token stays valid for ever.
 * Cost:     about 150 bytes of memory for each run that was reported and is not erased. Nothing for the writers, and no
 *           thread. With a callback an idle store does not wake; a descriptor wakes its owner every interval_ms. */
CAIRN_API cairn_status cairn_watch_open(cairn_store* store, const char* run, const char* token,
                                        const cairn_watch_options* options, cairn_watch** watch) CAIRN_NOEXCEPT;

/** The next event; UNCHANGED if there is none now. The calls up to an UNCHANGED are one round. A round begins with a
 * look at the runs, and reports all that had changed before its first call; what changes meanwhile may be left to the
 * next round, so that a round ends even while writers are busy. `info` (may be null, and `buffer` and `needed` with it)
 * is filled as by cairn_run_get_info, and all zero with ERASED and RESET.
 * Errors:   TOO_LARGE, also for a null buffer (*needed says how many bytes; call again for the same event); CORRUPT;
 *           IO; in a store that is only read also AGAIN, as its other reading calls, and NOT_A_STORE once the store was
 *           removed, or replaced by another.
 * Threads:  any, one at a time.
 * Cost:     without events about 1 us in an idle store, 50 ns for each run in memory in a busy one; about 1 us an
 *           event. In a store that is only read 1 to 3 ms for each look at the runs, which a round shares. */
CAIRN_API cairn_status cairn_watch_next(cairn_watch* watch, cairn_watch_event* event, cairn_run_info* info,
                                        void* buffer, size_t capacity, size_t* needed) CAIRN_NOEXCEPT;

/** The metadata of the run of the last event, as of that event. NOT_FOUND if it has none (ERASED, RESET).
 * Errors:   INVALID_ARGUMENT without CAIRN_WATCH_METADATA. */
CAIRN_API cairn_status cairn_watch_current_json(cairn_watch* watch, char* buffer, size_t capacity,
                                                size_t* needed) CAIRN_NOEXCEPT;

/** A descriptor for poll or epoll. It is readable when it is time to call cairn_watch_next until it returns UNCHANGED;
 * that makes it unreadable for interval_ms. It belongs to the watch: do not read or close it.
 * Errors:   IO; INVALID_ARGUMENT for a watch with a callback. */
CAIRN_API cairn_status cairn_watch_fd(cairn_watch* watch, int* fd) CAIRN_NOEXCEPT;

/** Ends the watch; no callback runs once it returns (except the one that it is called from). Null is OK. */
CAIRN_API cairn_status cairn_watch_close(cairn_watch* watch) CAIRN_NOEXCEPT;

/** Calls visit(context, time_us, value) for each kept point of a number at the top level of the run's metadata, oldest
 * first, until it returns something else than 0. A point is the value that cairn_store_step (or the background thread)
 * found there: at most one in history_interval_ms, and none if the number did not change. Nothing is kept across an
 * open. visit must not call this store. It works on finished runs too; a path has no history.
 * Errors:   INVALID_ARGUMENT if the history is off (history_interval_ms is 0), ERASED.
 * Cost:     24 bytes a point. history_points bounds the points of all keys of a run together; the oldest are dropped.
 *           All runs together have at most 32 MiB of points; beyond that the run that changed longest ago loses its
 *           history. At most 64 keys a run, with names of up to 256 bytes. Updates pay nothing, except that a step
 *           holds the run's lock for a microsecond every interval. */
CAIRN_API cairn_status cairn_run_history(cairn_run* run, const char* key, size_t key_bytes,
                                         int32_t (*visit)(void* context, int64_t time_us, double value),
                                         void* context) CAIRN_NOEXCEPT;

/* -------------------------------------------------------------------------------------------------------- upstream */

/* A store can have one upstream: another store that in the end has all that this one has, whatever is lost, cut, sent
 * twice or killed on the way (engine/sync/PROTOCOL.md). Changes are folded per run until they are sent: after weeks
 * without a network, what is sent depends on how much is different, not on how often it changed. These calls do not use
 * the network themselves: they give the host the bytes to deliver, and take the answer. Only what is durable here is
 * sent; updates do not wait for it, except those of class UPSTREAM.
 *
 *   cairn_sync_attach(store, "site relay", NULL);                       once; it is kept in the store
 *   cairn_sync_next(store, deliver, context, &in_ms);                   deliver() gets the bytes, if there are any
 *   cairn_sync_feed(store, answer, answer_bytes);                       or cairn_sync_failed: they are given again
 *
 * and at the other end: cairn_sync_receive(store, bytes, count, reply, context). */

/* A field that is 0 keeps the value that an earlier attach since the open has set, or the default if there was none. So
 * opening an upstream (upstream.h) without bounds does not remove those that are set. cairn_sync_detach sets all back
 * to their defaults. */
typedef struct cairn_sync_options {
  uint32_t struct_bytes;
  uint32_t batch_runs_max;  /* default: 1,000 */
  uint32_t batch_bytes_max; /* default: 262,144; a single run may take more */
  uint32_t interval_ms;     /* from the making of one batch to the next, while less than a full one waits; 0: 1,000 */
  uint64_t bytes_per_s;     /* default, and UINT64_MAX: no bound */
  uint64_t requests_per_s;  /* likewise */
  /* What may wait for the upstream. Beyond either bound new runs are refused (BACKLOG); existing runs go on, and their
   * changes are folded into what waits. Checked at checkpoints and when an answer arrives. */
  uint64_t unsynced_runs_max; /* default, and UINT64_MAX: no bound */
  uint64_t unsynced_ms_max;   /* age of the change that has waited longest, by the wall clock; likewise */
  uint32_t drop_finished;     /* not 0: beyond the bounds retain_finished_* also erases runs that the upstream lacks */
  uint32_t poll_interval_ms;  /* how often the upstream is asked whether others changed the unfinished runs of this
                                 store, while there is nothing to send; 0: 5,000; UINT32_MAX: never. See below.
                                 The upstream shows unfinished runs of a worker as not heard of after a minute, and
                                 four of these intervals, without a message; so UINT32_MAX where messages are carried
                                 seldom */
} cairn_sync_options;

/** Attaches the store to an upstream: from now on changes are kept for it; first all runs are sent to it. `name` is for
 * people; URLs in it lose their user, password and query. The store stays attached: the next open continues by itself,
 * with the default options. Attach again to set other options, or with null to keep them. With another name, which may
 * mean another upstream, all runs are sent once more.
 * What others change upstream in runs of this store is taken over by itself: the upstream names those runs in its
 * replies, and where nothing is sent it is asked every poll_interval_ms. A watch and every read see it as any change; a
 * change that was made here and is not yet sent stays on top. A store without unfinished runs asks nothing.
 * Durable:  the attachment survives kill -9 of this process once the call returns, and power loss after the next
 *           checkpoint.
 * Errors:   INVALID_ARGUMENT, NO_SPACE, IO, LATCHED.
 * Cost:     the first time a checkpoint. While attached, each checkpoint also writes what waits, about 100 bytes a
 *           run. */
CAIRN_API cairn_status cairn_sync_attach(cairn_store* store, const char* name,
                                         const cairn_sync_options* options) CAIRN_NOEXCEPT;
/** Detaches the store: nothing is sent until it is attached again; then it continues where it was. Meanwhile changes
 * are kept, folded into one diff for each run and one entry for each erased run; retention (retain_finished_*) keeps
 * what the upstream lacks. A message that was on its way may have arrived; it is not applied twice. OK if there is no
 * upstream.
 * Durable:  as cairn_sync_attach.
 * Errors:   INVALID_ARGUMENT while the store waits for CAIRN_SYNC_MOVED or CAIRN_SYNC_COPIED; IO, NO_SPACE, LATCHED. */
CAIRN_API cairn_status cairn_sync_detach(cairn_store* store) CAIRN_NOEXCEPT;

/** Calls give(context, bytes, count) with the next message for the upstream, if there is one now; the bytes live until
 * it returns. A message has at most 8 MiB. After a failure or a crash the same message is given again, byte for byte.
 *
 * *in_ms (may be null) is the number of milliseconds after which to call again; 0: at once. -1: there is no such time,
 * call again when something happens. It is -1 after a message was given, until cairn_sync_feed or cairn_sync_failed;
 * while the store is paused, until CAIRN_SYNC_RESUME; and while it waits for CAIRN_SYNC_MOVED or CAIRN_SYNC_COPIED.
 * CAIRN_SYNC_HURRY and cairn_run_refresh make the time shorter: call again after them too.
 *
 * Errors:   INVALID_ARGUMENT without an upstream, CORRUPT, IO, NO_SPACE; nothing is lost.
 * Threads:  any, one at a time; give may call the store.
 * Cost:     without a message about a microsecond; with one a checkpoint of what the log holds, and one or two
 *           syncs. */
CAIRN_API cairn_status cairn_sync_next(cairn_store* store, void (*give)(void* context, const void* bytes, size_t count),
                                       void* context, int64_t* in_ms) CAIRN_NOEXCEPT;
/** Takes the upstream's answer to that message. Bytes that are not an answer count as a failure of the message, and OK
 * is returned.
 * Errors:   as cairn_sync_next; the same message is given again.
 * Threads:  as cairn_sync_next. */
CAIRN_API cairn_status cairn_sync_feed(cairn_store* store, const void* answer, size_t answer_bytes) CAIRN_NOEXCEPT;

enum {
  CAIRN_SYNC_TRANSIENT = 0, /* no answer, refused, busy: tried again, after a random 0.2 to 60 s */
  CAIRN_SYNC_TOO_LARGE = 1, /* the other side takes less at once: tried again in halves; a single run three times */
  CAIRN_SYNC_DENIED = 2,    /* not allowed: tried again after 5 s, then twice that, up to 300 s; at once after
                               CAIRN_SYNC_RESUME */
  CAIRN_SYNC_PROTOCOL = 3   /* what answers is not a Cairn receiver */
};
/** Says that the message got no answer. `text` (may be null) is the reason, for cairn_sync_get_state; bytes in it that
 * are not UTF-8 become "?", and URLs lose their user and query. `retry_after_ms`: the other side asked for this pause;
 * 0 if it did not. Without a message in flight the call does nothing, with one exception: while a denial is waited out,
 * DENIED replaces its text (for example: the token was replaced by one that cannot be used).
 * Errors, threads: as cairn_sync_next. */
CAIRN_API cairn_status cairn_sync_failed(cairn_store* store, int32_t why, const char* text,
                                         int64_t retry_after_ms) CAIRN_NOEXCEPT;

/** Takes a message of another store and calls reply(context, bytes, count) with the answer, which goes back to that
 * store. Received runs belong to their sender: here their metadata can be changed, but not their status.
 * Durable:  what the message says is applied, against power loss, before reply is called; exactly once, however often
 *           the message arrives.
 * Errors:   CORRUPT or NEWER_VERSION for bytes that are not a message, or what failed in this store. Even then reply is
 *           called, and the answer must go back, except if the arguments of the call are wrong.
 * Lifetime: the bytes of the answer live until reply returns.
 * Threads:  any; callers share a sync.
 * Cost:     about 10 us a run, and one sync. */
CAIRN_API cairn_status cairn_sync_receive(cairn_store* store, const void* message, size_t message_bytes,
                                          void (*reply)(void* context, const void* bytes, size_t count),
                                          void* context) CAIRN_NOEXCEPT;

enum {
  CAIRN_SYNC_HURRY = 0,  /* the next message need not wait for the interval */
  CAIRN_SYNC_PAUSE = 1,  /* cairn_sync_next gives no message until CAIRN_SYNC_RESUME or the next open */
  CAIRN_SYNC_RESUME = 2, /* ends a pause and the wait after a failure: the next message may go at once */
  CAIRN_SYNC_MOVED = 3,  /* the store was moved here: it continues. First it sends what was on its way, then it asks the
                            upstream for what is newer there, because the files may be an older copy, restored */
  CAIRN_SYNC_COPIED = 4  /* it is a copy: it becomes a store of its own. Updates that wait here for runs of other owners
                            are dropped: the store that it was copied from sends them */
};
/** Controls when messages are made. MOVED and COPIED are the decisions that CAIRN_SYNC_STATE_COPIED and _FORKED ask
 * for.
 * Durable:  MOVED and COPIED as cairn_sync_attach; the others are forgotten when the store is closed.
 * Errors:   INVALID_ARGUMENT without an upstream, or if there is nothing to decide. */
CAIRN_API cairn_status cairn_sync_control(cairn_store* store, int32_t what) CAIRN_NOEXCEPT;

typedef struct cairn_sync_state {
  uint32_t struct_bytes;
  uint32_t flags;          /* CAIRN_SYNC_STATE_* */
  uint64_t acknowledged;   /* of one run: the upstream has it up to this sequence */
  uint64_t sequence;       /* of one run: now */
  uint64_t waiting_runs;   /* runs to be sent or in flight, each counted once; held runs if they changed since */
  uint64_t held_runs;      /* runs with a change that the upstream refused: dead letters */
  uint64_t unsent_records; /* of the log, not in any message yet; each run changed since the last flush counts 1 */
  uint64_t in_flight_runs;
  uint64_t in_flight_bytes;
  int64_t oldest_us;     /* wall clock of the change that has waited longest; 0: none */
  int64_t next_try_ms;   /* from now; -1: no such time, as *in_ms of cairn_sync_next */
  uint64_t failures;     /* since the store was opened */
  uint64_t batches;      /* acknowledged since the upstream was attached */
  uint64_t lost_deltas;  /* changes of other owners' runs that the upstream acknowledged and then lost */
  char last_error[256];  /* "" after a success; UTF-8, ends with NUL */
  uint64_t dropped_runs; /* finished runs erased before the upstream had all of them (drop_finished), since the open */
} cairn_sync_state;
enum {
  CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED = 1, /* the upstream has all of the run, or of the store, as of this call */
  CAIRN_SYNC_STATE_ATTACHED = 2,
  CAIRN_SYNC_STATE_PAUSED = 4,
  CAIRN_SYNC_STATE_COPIED = 8,  /* the directory is a copy, or was moved: nothing is sent until cairn_sync_control is
                                   called with CAIRN_SYNC_MOVED or CAIRN_SYNC_COPIED */
  CAIRN_SYNC_STATE_FORKED = 16, /* another store sends under this one's name: decide as with COPIED */
  CAIRN_SYNC_STATE_FORMS = 32,  /* of one run: others write it upstream, too */
  CAIRN_SYNC_STATE_BACKLOG = 64 /* more waits than cairn_sync_options allows: no new runs */
};
/** How much of the store, or of `run` (null: all), the upstream has, and why it lacks the rest. Exact as of the last
 * flush, even without a network; unsent_records says how much is newer.
 * Errors:   NO_SUCH_RUN, CORRUPT. Without an upstream it is OK, CAIRN_SYNC_STATE_ATTACHED is not set, and the rest
 *           says nothing.
 * Cost:     a checkpoint of what the log holds; then microseconds, however many runs there are: what is in flight is
 *           looked through. */
CAIRN_API cairn_status cairn_sync_get_state(cairn_store* store, const char* run,
                                            cairn_sync_state* state) CAIRN_NOEXCEPT;

/** Waits until the upstream has acknowledged everything that was updated before the call. Another thread must carry the
 * messages meanwhile.
 * Durable:  here against power loss and at the upstream, when OK is returned.
 * Errors:   TIMEOUT (over `timeout_ms`; below 0: no limit), INVALID_ARGUMENT without an upstream, those of the
 *           barrier. */
CAIRN_API cairn_status cairn_sync_wait(cairn_store* store, int64_t timeout_ms) CAIRN_NOEXCEPT;

enum {
  CAIRN_SYNC_RETRY = 0,  /* the same change is sent again */
  CAIRN_SYNC_SKIP = 1,   /* the refused change is given up; what came after it is sent. If the store retries the change
                            by itself, later changes are already part of it: then all of that is given up */
  CAIRN_SYNC_REPLACE = 2 /* all of the run is sent, as it is now; it overwrites what others wrote there */
};
/** Ends the hold of a run whose change the upstream refused (a dead letter): its changes are sent again.
 * Durable:  as cairn_sync_attach.
 * Errors:   NOT_FOUND if the run has none, AGAIN (its change is in flight: decide when the upstream has answered),
 *           INVALID_ARGUMENT (REPLACE of a run owned elsewhere), CORRUPT. */
CAIRN_API cairn_status cairn_sync_release(cairn_store* store, const char* run, int32_t how) CAIRN_NOEXCEPT;
/** Calls visit(context, run, reason, since_us) for each dead letter, in the order of ids, until it returns something
 * else than 0. visit may call the store. Works without an upstream too.
 * Errors:   CORRUPT.
 * Lifetime: the strings live until visit returns. */
CAIRN_API cairn_status cairn_sync_dead_letters(cairn_store* store,
                                               int32_t (*visit)(void* context, const char* run, const char* reason,
                                                                int64_t since_us),
                                               void* context) CAIRN_NOEXCEPT;

/* ------------------------------------------------------------------------------------------------------------ eval */

/** Applies operations (as cairn_run_apply takes them) to a JSON object, without a store, by the same code. The buffer
 * gets {"metadata":{...},"bytes":N,"outcomes":["applied","unchanged","unapplied(REASON)",...]}, where N is the size of
 * the metadata. `metadata_bytes_max` 0: 4,096; only the size of the result is compared with it.
 * Errors:   those of cairn_run_apply, TOO_LARGE also if the buffer is too small (then *needed is over capacity,
 *           else it is 0). */
CAIRN_API cairn_status cairn_eval(const char* metadata, size_t metadata_bytes, const char* operations,
                                  size_t operations_bytes, uint64_t metadata_bytes_max, char* buffer, size_t capacity,
                                  size_t* needed) CAIRN_NOEXCEPT;

#if defined(__cplusplus)
} /* extern "C" */
#endif

#endif /* CAIRN_CAIRN_H */
