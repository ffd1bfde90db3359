/* The upstream over HTTP: carries a store's messages (cairn.h, "upstream") to a `cairn serve` by itself.
 *
 * A separate library, libcairn_upstream.a (CMake: cairn::upstream; pkg-config: cairn-upstream), on top of libcurl and
 * zstd, which libcairn.so does not need. It uses nothing but the calls of cairn.h. This header includes no header of
 * libcurl or zstd.
 *
 *     cairn_upstream_options options = {0};
 *     options.struct_bytes = sizeof options;
 *     options.url = "https://runs.example:4020";
 *     options.token_file = "/etc/cairn/token";
 *     options.background = 1;
 *     cairn_upstream* upstream;
 *     if (cairn_upstream_open(store, &options, &upstream) == CAIRN_OK) {
 *       ...                                             updates; they never wait for the network
 *       cairn_upstream_flush(upstream, 5000);           if the upstream must have all before the program goes on
 *       cairn_upstream_close(upstream);
 *     }
 *     cairn_store_close(store, 1000);
 *
 * The rules of cairn.h hold here, too: outcome, errors, strings, forks, signals, structs. In addition:
 *
 * Order.    Close the upstream before its store: a background thread would still use the handle of the closed store.
 *           Runs may be closed before or after.
 * Threads.  Any thread, at the same time, on the same handle; close excludes other calls on it. The background thread
 *           holds no lock while it waits for the network, and blocks all signals.
 * Forks.    In a forked child every call returns FORKED and touches nothing, close too. The parent is not affected.
 * Secrets.  The token is in no text, name, error or state. It is sent in the header Authorization only, and over
 *           http:// only to this machine.
 * Network.  One request at a time, on one kept connection. A message may arrive twice; the receiver applies it once.
 *           Proxies come from the environment (https_proxy, no_proxy), except for connections within this machine. */
#ifndef CAIRN_UPSTREAM_H
#define CAIRN_UPSTREAM_H

#include "cairn/cairn.h"

#if defined(__cplusplus)
extern "C" {
#endif

typedef struct cairn_upstream cairn_upstream;

typedef struct cairn_upstream_options {
  uint32_t struct_bytes;
  uint32_t background;            /* not 0: a thread of the library carries messages; 0: call cairn_upstream_step */
  const char* url;                /* http://HOST[:PORT][/PREFIX], https://..., unix:/PATH; no user, no query */
  const char* name;               /* what cairn_sync_attach is given; null: the url */
  const char* token_file;         /* null: none. Only its owner may have access to it. After the token was denied
                                     the file is read once a second: another token is tried at once. If the file cannot
                                     be used, cairn_sync_get_state: last_error says why */
  const char* token_environment;  /* name of the variable that holds the token, read at open; null: none */
  const char* ca_file;            /* PEM, of https; null: the certificates of the system */
  int64_t timeout_ms;             /* of a whole request; 0: 30,000; at most a day */
  const cairn_sync_options* sync; /* for cairn_sync_attach; null: keeps what the store is attached with */
} cairn_upstream_options;

/** Attaches the store (cairn_sync_attach) and carries its messages from now on. The call itself does not connect: an
 * upstream that does not answer is not an error, but is seen in cairn_sync_get_state (last_error, failures,
 * next_try_ms).
 * Durable:  the attachment, as cairn_sync_attach.
 * Errors:   INVALID_ARGUMENT (url, a variable that is not set, a token with bytes outside 0x21 to 0x7e, both a
 *           token_file and a token_environment, timeout_ms), UNSAFE (http:// to another machine; a token file that
 *           others can write or replace, or another user's but root's), IO (a file that cannot be read), TYPE_MISMATCH (a
 *           ca_file without a certificate), TOO_LARGE (the token), those of cairn_sync_attach. *upstream is null then.
 *           AGAIN: no thread could be started; the store stays attached.
 * Lifetime: the handle is the caller's, for cairn_upstream_close, before the store's. Copies the options.
 * Threads:  with token_environment it calls getenv: no other thread may change the environment meanwhile. At most one
 *           upstream of a store at a time, else they take each other's answers.
 * Cost:     that of cairn_sync_attach, and about 100 us. */
CAIRN_API cairn_status cairn_upstream_open(cairn_store* store, const cairn_upstream_options* options,
                                           cairn_upstream** upstream) CAIRN_NOEXCEPT;

/** For hosts without a background thread. Sends the next message if it is due and none is in flight; receives the
 * answer
 * of the one in flight, and waits for it at most wait_ms (0: does not wait). *in_ms (may be null) is the number of
 * milliseconds after which to call again; 0: at once, -1: there is no such time (see cairn_sync_next).
 * Failures of the network are not errors of this call: they are reported to the store, which tries again.
 * Durable:  what an answer acknowledges, as cairn_sync_feed.
 * Errors:   those of cairn_sync_next, _feed and _failed; INVALID_ARGUMENT with a background thread; AGAIN at once if
 *           another thread is in this call.
 * Threads:  any, one at a time.
 * Cost:     without a message a microsecond; with one that of cairn_sync_next and _feed (a checkpoint and syncs), which
 *           wait_ms does not bound. */
CAIRN_API cairn_status cairn_upstream_step(cairn_upstream* upstream, int64_t wait_ms, int64_t* in_ms) CAIRN_NOEXCEPT;

/** Returns once the upstream has acknowledged everything that was updated before the call. It does not wait for the
 * interval between batches, but does wait for the pause after a failure. Without a background thread it steps by
 * itself, and then it also waits for what other threads update meanwhile.
 * Durable:  at the upstream, and here.
 * Errors:   TIMEOUT (the rest stays here and is sent later), those of cairn_store_barrier and cairn_upstream_step.
 * Cost:     a sync here, the requests, and a sync there each. */
CAIRN_API cairn_status cairn_upstream_flush(cairn_upstream* upstream, int64_t timeout_ms) CAIRN_NOEXCEPT;

typedef struct cairn_upstream_state {
  uint32_t struct_bytes;
  int32_t status;          /* of the last step: 0, or the store's error; failures of the network are in
                              cairn_sync_get_state */
  uint64_t messages;       /* given to the network; one that is sent again is counted again */
  uint64_t answers;        /* received and taken by the store */
  uint64_t bytes_sent;     /* heads and bodies on the wire, without TLS */
  uint64_t bytes_received; /* likewise */
  char error[256];         /* the text of `status`; "" if that is 0 */
} cairn_upstream_state;
/** Fills *state with what was carried since the open.
 * Cost:     less than a microsecond; waits for nothing. */
CAIRN_API cairn_status cairn_upstream_get_state(cairn_upstream* upstream, cairn_upstream_state* state) CAIRN_NOEXCEPT;

/** Ends the thread and forgets the message in flight; it may have arrived, and the store sends it again later. The
 * store
 * stays open and attached. Null is OK.
 * Errors:   only FORKED.
 * Cost:     does not wait for the network; waits up to 100 ms for the thread, and for what it is writing to the store's
 *           disk. */
CAIRN_API cairn_status cairn_upstream_close(cairn_upstream* upstream) CAIRN_NOEXCEPT;

#if defined(__cplusplus)
} /* extern "C" */
#endif

#endif /* CAIRN_UPSTREAM_H */
