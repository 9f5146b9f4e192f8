/* permessage-deflate's transformation of messages, RFC 7692 7.2.  The only file that includes zlib.
 */
#ifndef WSC_CORE_DEFLATE_H
#define WSC_CORE_DEFLATE_H

#include "buf.h"
#include "extension.h"

typedef struct wsc_deflate wsc_deflate; /* both directions; zlib's states are made at first use */

/* `params` as agreed; `server` tells which side we are.  NULL: no memory. */
wsc_deflate *wsc_deflate_new(const wsc_platform *platform, const wsc_deflate_params *params,
                             const wsc_deflate_tuning *tuning, bool server);
void wsc_deflate_free(wsc_deflate *deflate); /* NULL is fine */

/* Empty room for a compressed message on its way to the queue; owned by the object.  NULL: no
 * memory. */
wsc_buf *wsc_deflate_scratch(wsc_deflate *deflate);
void wsc_deflate_drop_scratch(wsc_deflate *deflate); /* until it is needed again */

/* Is a whole message of this size and content worth compressing?  The threshold, and a look at a
 * sample of the bytes: decided before compressing, since compressed output once made may not be
 * thrown away (the windows would part). */
bool wsc_deflate_worth(const wsc_deflate *deflate, const uint8_t *data, size_t size);

/* What `size` bytes come to at the most once they are compressed: where a buffer has that much
 * room, wsc_deflate_compress cannot fail.  0: no memory for zlib's state, which is made here. */
size_t wsc_deflate_bound(wsc_deflate *deflate, size_t size);

/* Appends the compressed form of the next piece of a message.  A piece that is not the last is
 * flushed, so that the peer can inflate all of it.  `fin`: the piece ends it, the tail 00 00 ff ff
 * is left out (an empty message is the one byte 00) and, without context takeover, the window is
 * forgotten.  WSC_OK or WSC_ERR_MEMORY: nothing was read or appended, and the same call may be made
 * again. */
int wsc_deflate_compress(wsc_deflate *deflate, wsc_buf *out, const uint8_t *data, size_t size,
                         bool fin);

/* How many bytes a buffer is to hold that a message is inflated into. */
typedef struct wsc_inflate_room {
  size_t most;  /* with them it is full: the rest is for another time */
  size_t limit; /* with more than these the message is too big */
} wsc_inflate_room;

/* Appends what *size more bytes of a compressed message inflate to.  Never more than limit -
 * wsc_buf_size(out) + 1 bytes are produced: when the message passes `limit` bytes, out holds limit
 * + 1.  `fin`: the message's last bytes; the tail is supplied, unless the message ends with a
 * BFINAL block.  BFINAL blocks go on with the window kept, 64 of them in a message at the most.  A
 * message without a single byte is empty: some senders make their empty ones so.
 * Returns WSC_OK: *size is 0; WSC_AGAIN: `out` is full, and what is left of the bytes, *size of
 * them and none perhaps, is to be given again with an emptied one; WSC_ERR_TOO_BIG,
 * WSC_ERR_DEFLATE (corrupt, unfinished at `fin`, too many BFINAL;
 * *sentence says which) or WSC_ERR_MEMORY.  On each of them what was inflated before the fault
 * stands in `out`: the caller checks its text first, so that cutting the input elsewhere cannot
 * change which fault is reported. */
int wsc_deflate_inflate(wsc_deflate *deflate, wsc_buf *out, const uint8_t *data, size_t *size,
                        bool fin, const wsc_inflate_room *room, const char **sentence);

/* Was WSC_AGAIN its latest answer?  Then there may be more without another byte. */
bool wsc_deflate_holds(const wsc_deflate *deflate); /* NULL is fine */

#endif
