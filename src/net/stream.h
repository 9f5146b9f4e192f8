/* One interface for everything bytes go through; streams stack: socket, then proxy tunnel, then
 * TLS. All calls return at once.  A stream owns the one below it and frees it. */
#ifndef WSC_NET_STREAM_H
#define WSC_NET_STREAM_H

#include "core/printf_like.h"
#include "wsclose.h"

enum { WSC_WANT_READ = 1, WSC_WANT_WRITE = 2 };

/* Short enough for a deadline to be that late, long enough for the answer to a message. */
#define WSC_READ_WAIT_MS 250

typedef struct wsc_stream wsc_stream;

typedef struct wsc_stream_ops {
  /* Goes on with the set-up (connect, CONNECT/SOCKS, TLS handshake).  WSC_OK: ready; WSC_AGAIN: see
   * want; a wsc_error: failed, wsc_stream_fault has the sentence. */
  int (*open)(wsc_stream *stream);
  /* > 0: bytes; 0: the end, in order; WSC_AGAIN; a wsc_error.  size > 0. */
  int64_t (*read)(wsc_stream *stream, void *data, size_t size);
  /* As read, but waits for bytes, WSC_READ_WAIT_MS at most; a signal ends it early, with WSC_AGAIN.
   * NULL where a stream cannot wait; called only where all below can. */
  int64_t (*read_wait)(wsc_stream *stream, void *data, size_t size);
  /* >= 0: bytes taken; WSC_AGAIN; a wsc_error.  After WSC_AGAIN the same bytes come again, maybe
   * from another address and maybe more of them.  What was taken may still wait inside (ciphertext
   * that the socket would not take): want(stream, 0) then gives WSC_WANT_WRITE, and the next write
   * goes on with it, also one of size 0.  Never raises SIGPIPE. */
  int64_t (*write)(wsc_stream *stream, const void *data, size_t size);
  /* What the descriptor must be ready for so that the operation that last gave WSC_AGAIN goes on:
   * WSC_WANT_… bits. `wishes` are the caller's own (read, write); returned are the descriptor's:
   * maybe more than the wishes, see write. */
  unsigned (*want)(const wsc_stream *stream, unsigned wishes);
  /* Bytes that a read would give though the descriptor is not ready (TLS records already
   * decrypted). */
  bool (*pending)(const wsc_stream *stream);
  wsc_socket (*fd)(const wsc_stream *stream); /* WSC_NO_SOCKET: none yet */
  /* Bytes that the system has taken and not brought to the peer yet, as far as it tells; NULL where
   * a stream does not know. */
  uint32_t (*unsent)(const wsc_stream *stream);
  /* Orderly end where the protocol has one (close_notify), one try, never waits. */
  void (*shutdown)(wsc_stream *stream);
  void (*free)(wsc_stream *stream); /* with all below; NULL is not passed */
} wsc_stream_ops;

struct wsc_stream {
  const wsc_stream_ops *ops;
  const wsc_platform *platform; /* borrowed */
  wsc_stream *lower;            /* owned; NULL at the bottom */
  char *fault; /* owned: a sentence once a call failed, if there was memory for it; an open
                  connection carries no room for what it may have to say one day */
};

/* Has the whole stack a read_wait? */
bool wsc_stream_can_wait(const wsc_stream *stream);

/* What the bottom of the stack has not brought to the peer yet. */
uint32_t wsc_stream_unsent(const wsc_stream *stream);

/* Does it hold bytes that it took and could not pass on yet? */
bool wsc_stream_holds(const wsc_stream *stream);

/* Makes the sentence; 255 bytes of it are kept. */
void wsc_stream_say(wsc_stream *stream, const char *format, ...) WSC_PRINTF_LIKE(2, 3);

/* What to tell of a call that failed with `error`: the sentence, or at least the error's name. */
const char *wsc_stream_fault(const wsc_stream *stream, int error);

void wsc_stream_forget_fault(wsc_stream *stream);

#endif
