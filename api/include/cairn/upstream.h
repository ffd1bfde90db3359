/* The upstream over HTTP: carries a store's messages (cairn.h, "upstream") to a `cairn serve` by itself.
 *
 * A library of its own, libcairn_upstream.a (CMake: cairn::upstream; pkg-config: cairn-upstream), on top of libcurl and
 * zstd, which libcairn.so does without. It uses nothing but the calls of cairn.h. Its header needs no header of those.
 *
 *     cairn_upstream_options options = {0};
 *     options.struct_bytes = sizeof options;
 *     options.url = "https://runs.example:4020";
 *     options.token_file = "/etc/cairn/token";
 *     options.background = 1;
 *     cairn_upstream* upstream;
 *     if (cairn_upstream_open(store, &options, &upstream) == CAIRN_OK) {
 *       ...                                             updates; they never wait for the network
 *       cairn_upstream_flush(upstream, 5000);           if something must be there before the program goes on
 *       cairn_upstream_close(upstream);
 *     }
 *     cairn_store_close(store, 1000);
 *
 * The rules of cairn.h hold here, too: outcome, errors, strings, forks, signals, structs. On top:
 *
 * Order.    The upstream is closed before its store: the handle of a closed store is gone, and a background thread
 *           would still use it. Runs may be closed before or after.
 * Threads.  Any thread, at the same time, on the same handle; close excludes other calls on it. The background thread
 *           holds no lock while it waits for the network, and blocks all signals.
 * Forks.    In a forked child every call returns FORKED and touches nothing, also close; the parent goes on.
 * Secrets.  The token is in no text, name, error or state. It is sent in the header Authorization only, and by http://
 *           only to this machine.
 * Network.  One request at a time, on one kept connection. A message may arrive twice; the receiver takes it once.
 *           Proxies come from the environment (https_proxy, no_proxy), but for what stays on this machine. */
#ifndef CAIRN_UPSTREAM_H
#define CAIRN_UPSTREAM_H

#include "cairn/cairn.h"

#if defined(__cplusplus)
extern "C" {
#endif

typedef struct cairn_upstream cairn_upstream;

typedef struct cairn_upstream_options {
  uint32_t struct_bytes;
  uint32_t background;            /* not 0: a thread of its own carries messages; 0: call cairn_upstream_step */
  const char* url;                /* http://HOST[:PORT][/PREFIX], https://..., unix:/PATH; no user, no query */
  const char* name;               /* what cairn_sync_attach is given; null: the url */
  const char* token_file;         /* null: none. Nobody but its owner may have a right to it. Read again
                                     when the token is denied, then once a second: another one is tried at once, and
                                     why none is taken stands in cairn_sync_get_state: last_error */
  const char* token_environment;  /* name of the variable that holds the token, read at open; null: none */
  const char* ca_file;            /* PEM, of https; null: the certificates of the system */
  int64_t timeout_ms;             /* of a whole request; 0: 30,000; at most a day */
  const cairn_sync_options* sync; /* for cairn_sync_attach; null: keeps what the store is attached with */
} cairn_upstream_options;

/** Attaches the store (cairn_sync_attach) and carries its messages from now on. It connects to nothing yet: that nobody
 * answers there is no error, but a state (cairn_sync_get_state: last_error, failures, next_try_ms).
 * Durable:  that the store is attached, as cairn_sync_attach.
 * Errors:   INVALID_ARGUMENT (url, a variable that is not set, a token with bytes outside 0x21 to 0x7e, both a
 *           token_file and a token_environment, timeout_ms), UNSAFE (http:// to another machine; a token file that is a
 *           link, another user's, or that others have a right to), IO (a file that cannot be read), TYPE_MISMATCH (a
 *           ca_file without a certificate), TOO_LARGE (the token), those of cairn_sync_attach. *upstream is null then.
 *           AGAIN: there is no thread to be had; the store stays attached.
 * Lifetime: the handle is the caller's, for cairn_upstream_close, before the store's. Copies the options.
 * Threads:  as getenv. At most one upstream of a store at a time, else they take each other's answers.
 * Cost:     that of cairn_sync_attach, and about 100 us. */
CAIRN_API cairn_status cairn_upstream_open(cairn_store* store, const cairn_upstream_options* options,
                                           cairn_upstream** upstream) CAIRN_NOEXCEPT;

/** For hosts that step themselves: sends the next message if it is time and none is in flight; takes what has come of
 * the one in flight, and waits for that at most wait_ms (0: does not wait). *in_ms (may be null) says when to call
 * again: 0 at once, -1 when something changes or is decided.
 * Failures of the network are no errors of this call: they are told to the store, which tries again.
 * Durable:  what an answer acknowledges, as cairn_sync_feed.
 * Errors:   those of cairn_sync_next, _feed and _failed; INVALID_ARGUMENT with a background thread; AGAIN at once if
 *           another thread is in this call.
 * Threads:  any, one at a time.
 * Cost:     without a message a microsecond; with one that of cairn_sync_next and _feed (a checkpoint and syncs), which
 *           wait_ms does not bound. */
CAIRN_API cairn_status cairn_upstream_step(cairn_upstream* upstream, int64_t wait_ms, int64_t* in_ms) CAIRN_NOEXCEPT;

/** Returns once the upstream has acknowledged everything that was updated before the call. Does not wait for the
 * interval, but for what cairn_sync_failed asked for. Without a background thread it steps, and waits also for what
 * other threads update meanwhile.
 * Durable:  at the upstream, and here.
 * Errors:   TIMEOUT (the rest stays here and is sent later), those of cairn_store_barrier and cairn_upstream_step.
 * Cost:     a sync here, the requests, and a sync there each. */
CAIRN_API cairn_status cairn_upstream_flush(cairn_upstream* upstream, int64_t timeout_ms) CAIRN_NOEXCEPT;

typedef struct cairn_upstream_state {
  uint32_t struct_bytes;
  int32_t status;          /* of the last step: 0, or what the store failed with; the network's failures are in
                              cairn_sync_get_state */
  uint64_t messages;       /* given to the network; again where they were sent again */
  uint64_t answers;        /* that the store took */
  uint64_t bytes_sent;     /* heads and bodies on the wire, without TLS */
  uint64_t bytes_received; /* likewise */
  char error[256];         /* of `status`; "" if that is 0 */
} cairn_upstream_state;
/** What was carried since open. Cost: less than a microsecond; waits for nothing. */
CAIRN_API cairn_status cairn_upstream_get_state(cairn_upstream* upstream, cairn_upstream_state* state) CAIRN_NOEXCEPT;

/** Ends the thread and forgets the message in flight; it may have arrived, and the store sends it again. The store
 * stays open and attached. Null is OK.
 * Errors:   none but FORKED.
 * Cost:     waits for no network: up to 100 ms of the thread, and for what it does with the store's disk. */
CAIRN_API cairn_status cairn_upstream_close(cairn_upstream* upstream) CAIRN_NOEXCEPT;

#if defined(__cplusplus)
} /* extern "C" */
#endif

#endif /* CAIRN_UPSTREAM_H */
