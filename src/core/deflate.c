#include "deflate.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "hidden.h"

enum {
  TAIL_SIZE = 4,         /* 00 00 ff ff, which every sync flush ends with (RFC 7692 7.2.1) */
  FINAL_BLOCKS_MAX = 64, /* BFINAL blocks of one message: no sender has a use for more than one */
  FLUSH_ROOM = 64,       /* a flush adds one block's head and end, and that tail */
  FIRST_ROOM = 256,
  SAMPLE_PARTS = 4,
  SAMPLE_PART_SIZE = 512,
  SAMPLE_SIZE = SAMPLE_PARTS * SAMPLE_PART_SIZE
};

static const uint8_t flush_tail[TAIL_SIZE] = {0x00, 0x00, 0xff, 0xff};

struct wsc_deflate {
  const wsc_platform *platform;
  wsc_deflate_tuning tuning;
  z_stream *deflater, *inflater; /* owned; made at first use, as scratch */
  wsc_buf *scratch;
  uint8_t own_bits;
  bool own_no_takeover, peer_no_takeover;
  bool inflating;    /* bytes of a message came and its end did not */
  bool held;         /* the inflater filled all the room there was: it may have more */
  bool at_final_end; /* the inflater stands behind a BFINAL block, possibly of an older message */
  uint8_t final_blocks; /* of this message */
};

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size) {
  const wsc_platform *platform = ((wsc_deflate *)opaque)->platform;
  if (size == 0 || items == 0 || items > SIZE_MAX / size) return Z_NULL;
  return platform->resize(platform->user, NULL, (size_t)items * size);
}

static void zlib_free(voidpf opaque, voidpf block) {
  wsc_release(((wsc_deflate *)opaque)->platform, block);
}

static z_stream *new_stream(wsc_deflate *codec) {
  z_stream *stream = wsc_alloc(codec->platform, 1, sizeof *stream);
  if (!stream) return NULL;
  stream->zalloc = zlib_alloc;
  stream->zfree = zlib_free;
  stream->opaque = codec;
  return stream;
}

wsc_deflate *wsc_deflate_new(const wsc_platform *platform, const wsc_deflate_params *params,
                             const wsc_deflate_tuning *tuning, bool server) {
  assert(params->client_max_window_bits >= 8 && params->client_max_window_bits <= 15);
  assert(params->server_max_window_bits >= 8 && params->server_max_window_bits <= 15);
  assert(tuning->level >= -1 && tuning->level <= 9);
  assert(tuning->mem_level >= 0 && tuning->mem_level <= 9);
  wsc_deflate *codec = wsc_alloc(platform, 1, sizeof *codec);
  if (!codec) return NULL;
  codec->platform = platform;
  codec->tuning = *tuning;
  codec->own_bits = server ? params->server_max_window_bits : params->client_max_window_bits;
  codec->own_no_takeover =
      server ? params->server_no_context_takeover : params->client_no_context_takeover;
  codec->peer_no_takeover =
      server ? params->client_no_context_takeover : params->server_no_context_takeover;
  return codec;
}

void wsc_deflate_free(wsc_deflate *codec) {
  if (!codec) return;
  if (codec->deflater) deflateEnd(codec->deflater);
  if (codec->inflater) inflateEnd(codec->inflater);
  wsc_release(codec->platform, codec->deflater);
  wsc_release(codec->platform, codec->inflater);
  wsc_deflate_drop_scratch(codec);
  wsc_release(codec->platform, codec);
}

wsc_buf *wsc_deflate_scratch(wsc_deflate *codec) {
  if (codec->scratch) {
    wsc_buf_truncate(codec->scratch, 0);
  } else {
    codec->scratch = wsc_alloc(codec->platform, 1, sizeof *codec->scratch);
    if (codec->scratch) wsc_buf_init(codec->scratch, codec->platform);
  }
  return codec->scratch;
}

void wsc_deflate_drop_scratch(wsc_deflate *codec) {
  if (!codec->scratch) return;
  wsc_buf_free(codec->scratch);
  wsc_release(codec->platform, codec->scratch);
  codec->scratch = NULL;
}

/* ---------------------------------------------------------------- worth it? */

/* Bytes that can be compressed are bytes of which some are more frequent than others.  So the pairs
 * of equal bytes in a sample are counted: of its n(n-1)/2 pairs, evenly spread bytes (compressed or
 * encrypted ones) make 1 in 256 equal, base64 4 and text or JSON 10 and more.  2 are asked for. */
typedef struct byte_sample {
  uint32_t size, pairs;
  uint16_t count[256];
} byte_sample;

static void sample_bytes(byte_sample *sample, const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; i++) sample->pairs += sample->count[data[i]]++;
  sample->size += (uint32_t)size;
}

/* Most messages are ASCII, and to see that takes an eighth of the time of counting. */
static bool is_ascii(const uint8_t *data, size_t size) {
  uint64_t seen = 0, word;
  for (; size >= sizeof word; data += sizeof word, size -= sizeof word) {
    memcpy(&word, data, sizeof word);
    seen |= word;
  }
  for (size_t i = 0; i < size; i++) seen |= data[i];
  return (seen & UINT64_C(0x8080808080808080)) == 0;
}

static bool looks_compressible(const uint8_t *data, size_t size) {
  size_t parts = size <= SAMPLE_SIZE ? 1 : SAMPLE_PARTS;
  size_t part_size = parts == 1 ? size : SAMPLE_PART_SIZE;
  size_t step = parts == 1 ? 0 : (size - part_size) / (parts - 1);
  bool ascii = true;
  for (size_t i = 0; i < parts && ascii; i++) ascii = is_ascii(data + i * step, part_size);
  if (ascii) return true; /* an eighth of each byte is empty */
  byte_sample sample = {0};
  for (size_t i = 0; i < parts; i++) sample_bytes(&sample, data + i * step, part_size);
  return sample.pairs >= sample.size * (sample.size - 1) / 256;
}

bool wsc_deflate_worth(const wsc_deflate *codec, const uint8_t *data, size_t size) {
  int64_t threshold = codec->tuning.threshold;
  if (threshold < 0) threshold = codec->own_no_takeover ? 512 : 64;
  if ((uint64_t)size < (uint64_t)threshold) return false;
  return looks_compressible(data, size);
}

/* ---------------------------------------------------------------- compressing */

/* zlib's deflate wants 9 bits at the least.  With 9 its matches reach back 512 - 262 = 250 bytes,
 * which a peer with a window of 8 bits, 256 bytes, has at hand. */
static int open_deflater(wsc_deflate *codec) {
  if (codec->deflater) return WSC_OK;
  int bits = codec->own_bits < 9 ? 9 : codec->own_bits;
  int mem_level = codec->tuning.mem_level ? codec->tuning.mem_level : 8;
  z_stream *stream = new_stream(codec);
  if (!stream) return WSC_ERR_MEMORY;
  if (deflateInit2(stream, codec->tuning.level, Z_DEFLATED, -bits, mem_level, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    wsc_release(codec->platform, stream);
    return WSC_ERR_MEMORY;
  }
  codec->deflater = stream;
  return WSC_OK;
}

static uInt clamp_size(size_t size) {
  return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

/* A block is stored as it is or written in codes of 9 bits a byte at the most (RFC 1951 3.2.6), and
 * zlib takes the shorter form.  Each block adds a head: 5 bytes to at least 250 stored ones (the
 * smallest window), 10 bits to at least 127 coded ones (the smallest memory).  The flush at the end
 * is a block too.  zlib's own sum says less about flushes and small memory, but more where
 * hardware compresses. */
size_t wsc_deflate_bound(wsc_deflate *codec, size_t size) {
  if (open_deflater(codec) != WSC_OK || size > SIZE_MAX / 4) return 0;
  size_t sum = size + size / 8 + size / 64, zlib_sum = deflateBound(codec->deflater, (uLong)size);
  return (sum > zlib_sum ? sum : zlib_sum) + FLUSH_ROOM;
}

/* Lets zlib write until it has nothing more.  A sync flush that fills its room to the last byte
 * would be written twice, which the bound leaves no occasion for. */
static void drain_deflater(z_stream *stream, wsc_buf *out, int flush) {
  do {
    size_t room = out->capacity - out->end;
    assert(room > 0);
    stream->next_out = out->block + out->end;
    uInt lent = stream->avail_out = clamp_size(room);
    int result = deflate(stream, flush);
    assert(result == Z_OK || result == Z_BUF_ERROR); /* the latter: there was nothing to do */
    (void)result;
    wsc_buf_commit(out, lent - stream->avail_out);
  } while (stream->avail_out == 0);
}

/* All that may fail comes before zlib sees the first byte. */
static int compress_bytes(wsc_deflate *codec, wsc_buf *out, const uint8_t *data, size_t size) {
  size_t bound = wsc_deflate_bound(codec, size);
  if (bound == 0 || !wsc_buf_reserve(out, bound, NULL)) return WSC_ERR_MEMORY;
  z_stream *stream = codec->deflater;
  while (size > 0) {
    uInt part = clamp_size(size);
    size -= part;
    stream->next_in = data;
    stream->avail_in = part;
    drain_deflater(stream, out, size > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH);
    data += part;
  }
  return WSC_OK;
}

/* A piece that is not the last is flushed: who writes it wants the peer to have it.
 *
 * Where no bytes are left to end a message with, the stream stands at a byte's boundary: nothing
 * came before, or it was flushed.  Then the end is the byte 00, an empty block without its tail
 * (RFC 7692 7.2.3.6); zlib is not asked for it: a flush with nothing to flush gives nothing. */
int wsc_deflate_compress(wsc_deflate *codec, wsc_buf *out, const uint8_t *data, size_t size,
                         bool fin) {
  if (size == 0) {
    if (fin && !wsc_buf_append(out, "", 1)) return WSC_ERR_MEMORY;
  } else {
    int error = compress_bytes(codec, out, data, size);
    if (error) return error;
    if (fin) wsc_buf_truncate(out, wsc_buf_size(out) - TAIL_SIZE);
  }
  if (fin && codec->own_no_takeover && codec->deflater) deflateReset(codec->deflater);
  return WSC_OK;
}

/* ---------------------------------------------------------------- inflating */

/* The window is always 15 bits, whatever was agreed.  zlib finds a distance beyond a smaller window
 * only where the bytes fell into different calls, so a broken stream would be taken or refused
 * depending on how the network cut it.  It also forgives peers that agree to 8 bits and use 9. */
static int open_inflater(wsc_deflate *codec) {
  if (codec->inflater) return WSC_OK;
  z_stream *stream = new_stream(codec);
  if (!stream) return WSC_ERR_MEMORY;
  if (inflateInit2(stream, -MAX_WBITS) != Z_OK) {
    wsc_release(codec->platform, stream);
    return WSC_ERR_MEMORY;
  }
  codec->inflater = stream;
  return WSC_OK;
}

static int deflate_fault(const char **sentence, const char *text) {
  *sentence = text;
  return WSC_ERR_DEFLATE;
}

/* Room for what comes: what is there, else by the guess that text shrinks to a quarter, by doubling
 * afterwards; never past limit + 1, nor more than makes it full. */
static uint8_t *inflate_room(wsc_buf *out, size_t left_in, const wsc_inflate_room *room,
                             uInt *size) {
  size_t held = wsc_buf_size(out);
  size_t most = room->limit - held < SIZE_MAX ? room->limit - held + 1 : SIZE_MAX;
  if (most > room->most - held) most = room->most - held;
  size_t there = out->capacity - out->end;
  if (there == 0) {
    size_t wanted = left_in < SIZE_MAX / 4 ? left_in * 4 : SIZE_MAX;
    if (wanted < held) wanted = held;
    if (wanted < FIRST_ROOM) wanted = FIRST_ROOM;
    if (wanted > most) wanted = most;
    if (!wsc_buf_reserve_exact(out, wanted)) return NULL;
    there = out->capacity - out->end;
  }
  *size = clamp_size(there < most ? there : most);
  return out->block + out->end;
}

/* One call of zlib.  The limit is checked before zlib's result: where the bytes are cut decides
 * whether zlib has already seen a fault that lies behind the limit. */
static int inflate_once(wsc_deflate *codec, wsc_buf *out, const wsc_inflate_room *room,
                        const char **sentence) {
  z_stream *stream = codec->inflater;
  stream->next_out = inflate_room(out, stream->avail_in, room, &stream->avail_out);
  if (!stream->next_out) return WSC_ERR_MEMORY;
  uInt before = stream->avail_out;
  int result = inflate(stream, Z_SYNC_FLUSH);
  wsc_buf_commit(out, before - stream->avail_out);
  if (wsc_buf_size(out) > room->limit) return WSC_ERR_TOO_BIG;
  switch (result) {
  case Z_OK:
  case Z_BUF_ERROR: /* nothing to read: the output had just been filled by the last call */
    return WSC_OK;
  case Z_STREAM_END:
    codec->at_final_end = true;
    if (++codec->final_blocks > FINAL_BLOCKS_MAX)
      return deflate_fault(sentence, "a compressed message holds more than 64 final blocks");
    return WSC_OK;
  case Z_MEM_ERROR:
    return WSC_ERR_MEMORY;
  default:
    return deflate_fault(sentence, "a compressed message is corrupt");
  }
}

/* zlib stops where the input ends, the output is full or a BFINAL block ended.  The latter ends the
 * stream for zlib; for RFC 7692 (7.2.3.4) the next block follows, with the same window.  Among
 * zlib's documented functions only a copy of the window there and back would keep it: 64 KiB moved
 * for two bytes of a message. */
static int inflate_part(wsc_deflate *codec, wsc_buf *out, const wsc_inflate_room *room,
                        const char **sentence) {
  z_stream *stream = codec->inflater;
  while (stream->avail_in > 0 || codec->held) {
    if (wsc_buf_size(out) == room->most) return WSC_AGAIN;
    if (codec->at_final_end) inflateResetKeep(stream);
    codec->at_final_end = false;
    int error = inflate_once(codec, out, room, sentence);
    if (error) return error;
    codec->held = stream->avail_out == 0 && !codec->at_final_end;
  }
  return WSC_OK;
}

static int inflate_bytes(wsc_deflate *codec, wsc_buf *out, const uint8_t *data, size_t *size,
                         const wsc_inflate_room *room, const char **sentence) {
  int error = WSC_OK;
  while ((*size > 0 || codec->held) && !error) {
    uInt part = clamp_size(*size);
    codec->inflater->next_in = data;
    codec->inflater->avail_in = part;
    error = inflate_part(codec, out, room, sentence);
    part -= codec->inflater->avail_in;
    data += part;
    *size -= part;
  }
  return error;
}

/* RFC 7692 7.2.2: the message goes on with 00 00 ff ff, which must end an empty stored block that
 * the message began.  If the tail yields a byte, or zlib wants more, or stands elsewhere than
 * before a block, then a block was cut short.  A message may also end with its BFINAL block. */
static int inflate_end(wsc_deflate *codec, const char **sentence) {
  z_stream *stream = codec->inflater;
  if (!codec->at_final_end) {
    uint8_t excess;
    stream->next_in = flush_tail;
    stream->avail_in = TAIL_SIZE;
    stream->next_out = &excess;
    stream->avail_out = sizeof excess;
    int result = inflate(stream, Z_SYNC_FLUSH);
    if (result == Z_MEM_ERROR) return WSC_ERR_MEMORY;
    bool before_block = result == Z_OK && (stream->data_type & 0xff) == 0x80;
    codec->at_final_end = result == Z_STREAM_END;
    if (!(before_block || codec->at_final_end) || stream->avail_in > 0 || stream->avail_out == 0)
      return deflate_fault(sentence, "a compressed message is unfinished");
  }
  codec->inflating = false;
  codec->final_blocks = 0;
  if (codec->peer_no_takeover) inflateReset(stream);
  return WSC_OK;
}

int wsc_deflate_inflate(wsc_deflate *codec, wsc_buf *out, const uint8_t *data, size_t *size,
                        bool fin, const wsc_inflate_room *room, const char **sentence) {
  assert(wsc_buf_size(out) <= room->limit && wsc_buf_size(out) <= room->most);
  if (*size == 0 && !codec->inflating) return WSC_OK;
  codec->inflating = true;
  int error = open_inflater(codec);
  if (!error) error = inflate_bytes(codec, out, data, size, room, sentence);
  if (!error && fin) error = inflate_end(codec, sentence);
  return error;
}

bool wsc_deflate_holds(const wsc_deflate *codec) {
  return codec && codec->held;
}
