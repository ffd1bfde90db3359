/* A host that brings everything itself: a small scheduler with a clock of its own, the log, the file functions (here
 * bound by a quota), and the memory: malloc is replaced for the process, which covers the library, LMDB and the C++
 * library alike. */
#define _GNU_SOURCE
#include <cairn/cairn.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------------------------- memory */

/* The blocks come from glibc here; a heap of the host's own would stand in its place. One thread, so no atomics. */
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* block);

static uint64_t blocks_taken, blocks_given_back;
static int refuse; /* the host has no memory to give */

static void* taken(void* block) {
  blocks_taken += block != NULL;
  return block;
}
static int refused(void) {
  if (refuse) {
    errno = ENOMEM;
  }
  return refuse;
}
void* malloc(size_t bytes) { return refused() ? NULL : taken(__libc_malloc(bytes)); }
void* calloc(size_t count, size_t bytes) { return refused() ? NULL : taken(__libc_calloc(count, bytes)); }
void* realloc(void* old, size_t bytes) {
  void* const block = refused() ? NULL : __libc_realloc(old, bytes);
  if (old == NULL) {
    taken(block);
  }
  return block;
}
void* memalign(size_t alignment, size_t bytes) { return refused() ? NULL : taken(__libc_memalign(alignment, bytes)); }
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** into, size_t alignment, size_t bytes) {
  void* const block = memalign(alignment, bytes);
  if (block == NULL) {
    return ENOMEM;
  }
  *into = block;
  return 0;
}
void free(void* block) {
  blocks_given_back += block != NULL;
  __libc_free(block);
}

/* --------------------------------------------------------------------------------------------- clock, log, randomness
 */

struct runtime {
  int64_t now_ms; /* moved by the scheduler alone */
  int logged;
  uint64_t random;
  int directory;
  uint64_t bytes_written;
  int files_open;
};

static int64_t wall_us(void* context) { return 1700000000000000 + ((const struct runtime*)context)->now_ms * 1000; }
static int64_t monotonic_ms(void* context) { return ((const struct runtime*)context)->now_ms; }
static void log_event(void* context, int32_t level, cairn_status code, const char* message) {
  (void)code;
  ++((struct runtime*)context)->logged;
  printf("log %d: %.40s...\n", level, message);
}
/* Random enough for an example; a host takes real ones: they name the store. */
static void random_bytes(void* context, void* out, size_t bytes) {
  struct runtime* const r = context;
  for (size_t i = 0; i < bytes; ++i) {
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    ((unsigned char*)out)[i] = (unsigned char)(r->random >> 56);
  }
}

/* ----------------------------------------------------------------------------------------------------------- files */

static cairn_status from_errno(void) {
  switch (errno) {
    case ENOENT:
      return CAIRN_NOT_FOUND;
    case EEXIST:
      return CAIRN_EXISTS;
    case ENOSPC:
    case EDQUOT:
      return CAIRN_NO_SPACE;
    case ENOMEM:
      return CAIRN_NO_MEMORY;
    default:
      return CAIRN_IO;
  }
}
static cairn_status outcome(int result) { return result == 0 ? CAIRN_OK : from_errno(); }
static int at(void* context) { return ((const struct runtime*)context)->directory; }
static const char* here(const char* name) { return *name == '\0' ? "." : name; }
static int fd_of(void* file) { return (int)(intptr_t)file - 1; } /* a descriptor, and never null */

static cairn_status file_open(void* context, const char* name, int32_t mode, void** file) {
  static const int flags[] = {O_RDONLY, O_RDWR, O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_CREAT | O_TRUNC};
  const int fd = openat(at(context), name, flags[mode] | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return from_errno();
  }
  ++((struct runtime*)context)->files_open;
  *file = (void*)(intptr_t)(fd + 1);
  return CAIRN_OK;
}
static void file_close(void* context, void* file) {
  --((struct runtime*)context)->files_open;
  close(fd_of(file));
}
static cairn_status file_read(void* context, void* file, uint64_t offset, void* into, size_t bytes, size_t* got) {
  (void)context;
  for (*got = 0; *got < bytes;) {
    const ssize_t n = pread(fd_of(file), (char*)into + *got, bytes - *got, (off_t)(offset + *got));
    if (n < 0 && errno != EINTR) {
      return from_errno();
    }
    if (n == 0) {
      break;
    }
    *got += n > 0 ? (size_t)n : 0;
  }
  return CAIRN_OK;
}
static cairn_status file_write(void* context, void* file, uint64_t offset, const void* from, size_t bytes) {
  ((struct runtime*)context)->bytes_written += bytes;
  for (size_t done = 0; done < bytes;) {
    const ssize_t n = pwrite(fd_of(file), (const char*)from + done, bytes - done, (off_t)(offset + done));
    if (n < 0 && errno != EINTR) {
      return from_errno();
    }
    done += n > 0 ? (size_t)n : 0;
  }
  return CAIRN_OK;
}
static cairn_status file_sync(void* context, void* file) {
  (void)context;
  return outcome(fdatasync(fd_of(file)));
}
static cairn_status file_resize(void* context, void* file, uint64_t bytes) {
  (void)context;
  return outcome(ftruncate(fd_of(file), (off_t)bytes));
}
static cairn_status file_info(void* context, void* file, cairn_file_info* info) {
  struct stat s;
  (void)context;
  if (fstat(fd_of(file), &s) != 0) {
    return from_errno();
  }
  info->inode = s.st_ino;
  info->birth_ns = 0;
  info->bytes = (uint64_t)s.st_size;
  return CAIRN_OK;
}
static cairn_status file_map(void* context, void* file, size_t bytes, void** into) {
  (void)context;
  *into = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_of(file), 0);
  if (*into == MAP_FAILED) {
    return from_errno();
  }
  return outcome(madvise(*into, bytes, MADV_DONTFORK));
}
static void file_unmap(void* context, void* file, void* mapped, size_t bytes) {
  (void)context;
  (void)file;
  munmap(mapped, bytes);
}
static cairn_status file_rename(void* context, const char* from, const char* to) {
  return outcome(renameat(at(context), from, at(context), to));
}
static cairn_status file_remove(void* context, const char* name) { return outcome(unlinkat(at(context), name, 0)); }
static cairn_status file_make_directory(void* context, const char* name) {
  return mkdirat(at(context), name, 0700) == 0 || errno == EEXIST ? CAIRN_OK : from_errno();
}
static cairn_status file_list(void* context, const char* name, void (*add)(void* list, const char* name), void* list) {
  const int fd = openat(at(context), here(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return errno == ENOENT ? CAIRN_OK : from_errno();
  }
  DIR* const dir = fdopendir(fd);
  if (dir == NULL) {
    const cairn_status why = from_errno();
    close(fd);
    return why;
  }
  for (const struct dirent* e; (e = readdir(dir)) != NULL;) {
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
      add(list, e->d_name);
    }
  }
  closedir(dir);
  return CAIRN_OK;
}
static cairn_status file_sync_directory(void* context, const char* name) {
  const int fd = openat(at(context), here(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const cairn_status s = fd < 0 ? from_errno() : outcome(fsync(fd));
  if (fd >= 0) {
    close(fd);
  }
  return s;
}
static cairn_status file_free_bytes(void* context, uint64_t* bytes) {
  struct statvfs s;
  if (fstatvfs(at(context), &s) != 0) {
    return from_errno();
  }
  *bytes = (uint64_t)s.f_bavail * s.f_frsize;
  return CAIRN_OK;
}

/* ------------------------------------------------------------------------------------------------------- scheduler */

static cairn_status must(cairn_status status) {
  if (CAIRN_FAILED(status)) {
    cairn_error error = {0};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    fprintf(stderr, "%s: %s\n", cairn_status_text(status), error.message);
    exit(1);
  }
  return status;
}

/* Two tasks that are due at times of the runtime's own clock; the store is a third. No thread, no sleep. */
struct task {
  const char* name;
  int64_t every_ms, due_ms, ticks;
};

static void run_until(struct runtime* r, cairn_store* store, cairn_run* run, struct task* tasks, int count,
                      int64_t end) {
  int64_t store_due_in = 0;
  while (r->now_ms < end) {
    must(cairn_store_next_deadline_ms(store, &store_due_in));
    int64_t next = r->now_ms + store_due_in < end ? r->now_ms + store_due_in : end;
    for (int i = 0; i < count; ++i) {
      next = tasks[i].due_ms < next ? tasks[i].due_ms : next;
    }
    r->now_ms = next;
    for (int i = 0; i < count; ++i) {
      if (tasks[i].due_ms == r->now_ms) {
        tasks[i].due_ms += tasks[i].every_ms;
        must(cairn_run_set_int64(run, tasks[i].name, strlen(tasks[i].name), ++tasks[i].ticks));
      }
    }
    must(cairn_store_step(store, 0));
  }
}

int main(void) {
  static char output[1 << 16]; /* stdout would take its buffer from malloc while that refuses */
  setvbuf(stdout, output, _IOFBF, sizeof output);
  struct runtime r = {0};
  r.random = (uint64_t)getpid();
  if (mkdir("metadata", 0700) != 0 || (r.directory = open("metadata", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
    perror("metadata");
    return 1;
  }
  const cairn_files files = {sizeof files,
                             0,
                             &r,
                             file_open,
                             file_close,
                             file_read,
                             file_write,
                             file_sync,
                             file_resize,
                             file_info,
                             file_map,
                             file_unmap,
                             file_rename,
                             file_remove,
                             file_make_directory,
                             file_list,
                             file_sync_directory,
                             file_free_bytes};
  const cairn_hooks hooks = {.struct_bytes = sizeof hooks,
                             .context = &r,
                             .log = log_event,
                             .wall_us = wall_us,
                             .monotonic_ms = monotonic_ms,
                             .random = random_bytes,
                             .files = &files};
  cairn_options options;
  cairn_options_init(&options);
  options.hooks = &hooks;

  cairn_store* store;
  cairn_run* run;
  const uint64_t blocks_before = blocks_taken;
  must(cairn_store_open("metadata", &options, &store));
  must(cairn_run_start(store, NULL, &run));

  struct task tasks[] = {{"sensor", 10, 10, 0}, {"report", 250, 250, 0}};
  run_until(&r, store, run, tasks, 2, 5000);
  uint64_t durable;
  must(cairn_store_durable_epoch(store, &durable));
  printf("5 s of the runtime's clock: flushed %s\n", durable >= 5 ? "every second" : "TOO SELDOM");

  /* No memory: the call says so and changes nothing; with memory it works again. */
  refuse = 1;
  const cairn_status without = cairn_run_set_json(run, "note", 4, "{\"a\":[1,2,3]}", 13);
  refuse = 0;
  printf("without memory: %s\n", cairn_status_text(without));
  must(cairn_run_set_json(run, "note", 4, "{\"a\":[1,2,3]}", 13));

  char text[4097];
  size_t bytes;
  must(cairn_run_current_json(run, text, sizeof text, &bytes, NULL));
  printf("%s\n", text);
  must(cairn_run_finish(run, CAIRN_RUN_COMPLETED));
  must(cairn_run_close(run));
  must(cairn_store_close(store, 1000));
  printf("memory: %s\n",
         blocks_taken > blocks_before + 100 && blocks_given_back > 100 ? "from the host" : "NOT FROM THE HOST");
  printf("files: %s, %d left open\n", r.bytes_written > 0 ? "through the host" : "NOT THROUGH THE HOST", r.files_open);
  close(r.directory);
  return 0;
}
