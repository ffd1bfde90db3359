/* A store inside an event loop: no thread but this one. The store's descriptor is readable when something is due, and
 * cairn_store_step does it. */
#define _GNU_SOURCE
#include <cairn/cairn.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void must(cairn_status status) {
  if (CAIRN_FAILED(status)) {
    cairn_error error = {0};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    fprintf(stderr, "%s: %s\n", cairn_status_text(status), error.message);
    exit(1);
  }
}

static int count_threads(void) {
  int count = 0;
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == NULL) {
    return -1;
  }
  for (const struct dirent* e; (e = readdir(tasks)) != NULL;) {
    count += e->d_name[0] != '.';
  }
  closedir(tasks);
  return count;
}

int main(void) {
  cairn_options options;
  cairn_options_init(&options);
  options.flush_interval_ms = 50;
  cairn_store* store;
  cairn_run* run;
  must(cairn_store_open("metadata", &options, &store));
  must(cairn_run_start(store, NULL, &run));

  /* The work of this program: 20 ticks, one every 10 ms. */
  const int work = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const struct itimerspec every = {{0, 10000000}, {0, 10000000}};
  int due;
  must(cairn_store_wait_fd(store, &due));
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event on_work = {.events = EPOLLIN, .data = {.fd = work}};
  struct epoll_event on_due = {.events = EPOLLIN, .data = {.fd = due}};
  if (work < 0 || loop < 0 || timerfd_settime(work, 0, &every, NULL) != 0 ||
      epoll_ctl(loop, EPOLL_CTL_ADD, work, &on_work) != 0 || epoll_ctl(loop, EPOLL_CTL_ADD, due, &on_due) != 0) {
    perror("event loop");
    return 1;
  }

  int steps = 0;
  for (int64_t ticks = 0; ticks < 20;) {
    struct epoll_event event;
    if (epoll_wait(loop, &event, 1, -1) != 1) {
      continue;
    }
    if (event.data.fd == due) {
      must(cairn_store_step(store, 0)); /* flushes; about 100 us of this thread's time */
      ++steps;
    } else {
      uint64_t times;
      if (read(work, &times, sizeof times) == sizeof times) {
        ticks += (int64_t)times;
        must(cairn_run_set_int64(run, "ticks", 5, ticks < 20 ? ticks : 20));
      }
    }
  }

  char text[4097];
  size_t bytes;
  must(cairn_run_current_json(run, text, sizeof text, &bytes, NULL));
  printf("%s\n%s\nthreads: %d\n", text, steps > 0 ? "flushed on the way" : "never flushed", count_threads());
  must(cairn_run_finish(run, CAIRN_RUN_COMPLETED));
  must(cairn_run_close(run));
  must(cairn_store_close(store, 1000));
  close(loop);
  close(work);
  return 0;
}
