/* The pieces of the core one by one, against memcpy and zlib on the same bytes: make bench-micro.
 */
#include "meter.h"

#include "../../spec/c/paths.h"
#include "core/buf.h"
#include "core/deflate.h"
#include "core/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void need(bool good, const char *what) {
  if (good) return;
  fprintf(stderr, "bench-micro: %s\n", what);
  exit(1);
}

static void *get_room(size_t size) {
  void *room = aligned_alloc(64, (size + 127) / 64 * 64);
  need(room != NULL, "no memory");
  memset(room, 'a', size);
  return room;
}

/* ------------------------------------------------------------ the paths of this machine */

enum { PATHS_MAX = 4 };

static const wsc_testing_path *const all_paths[PATHS_MAX] = {
    &wsc_testing_path_portable, &wsc_testing_path_sse2, &wsc_testing_path_ssse3,
    &wsc_testing_path_best};

static size_t own_paths(const wsc_testing_path *own[PATHS_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < PATHS_MAX; i++)
    if (count == 0 || strcmp(own[count - 1]->taken(), all_paths[i]->taken()) != 0)
      own[count++] = all_paths[i];
  return count;
}

/* A copy, or a path's way of masking or checking. */
typedef struct bytes_task {
  const wsc_testing_path *path;
  uint8_t *out;
  const uint8_t *in;
  size_t size;
} bytes_task;

static void run_copy(void *subject) {
  const bytes_task *task = subject;
  memcpy(task->out, task->in, task->size);
  meter_keep(task->out);
}

static void run_mask(void *subject) {
  static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
  const bytes_task *task = subject;
  task->path->mask_copy(task->out, task->in, task->size, key, 0);
  meter_keep(task->out);
}

static void run_check(void *subject) {
  const bytes_task *task = subject;
  wsc_utf8_state state = task->path->utf8_check(WSC_UTF8_ACCEPT, task->in, task->size);
  need(state == WSC_UTF8_ACCEPT, "a valid text was refused");
}

static double gigabytes(size_t size, double ns) {
  return (double)size / ns;
}

/* A row: memcpy's GB/s, then each path's and how it stands to memcpy. */
static void print_bytes_row(const char *name, void (*run)(void *), uint8_t *out, const uint8_t *in,
                            size_t size) {
  const wsc_testing_path *own[PATHS_MAX] = {NULL};
  size_t count = own_paths(own);
  bytes_task subjects[PATHS_MAX + 1] = {{NULL, out, in, size}};
  meter_task tasks[PATHS_MAX + 1] = {{run_copy, &subjects[0], 0}};
  for (size_t i = 0; i < count; i++) {
    subjects[i + 1] = (bytes_task){own[i], out, in, size};
    tasks[i + 1] = (meter_task){run, &subjects[i + 1], 0};
  }
  meter_group(tasks, count + 1);
  printf("%-22s %8zu %8.1f", name, size, gigabytes(size, tasks[0].ns));
  for (size_t i = 1; i <= count; i++)
    printf(" %8.1f %5.2f", gigabytes(size, tasks[i].ns), tasks[0].ns / tasks[i].ns);
  printf("\n");
}

static void print_bytes_head(const char *title) {
  const wsc_testing_path *own[PATHS_MAX] = {NULL};
  size_t count = own_paths(own);
  printf("\n%-22s %8s %8s", title, "bytes", "memcpy");
  for (size_t i = 0; i < count; i++) printf(" %8s  x mc", own[i]->taken());
  printf("\n");
}

static void bench_masking(void) {
  static const size_t sizes[] = {16, 125, 1024, 4096, 65536, 1048576};
  print_bytes_head("masking, GB/s");
  uint8_t *in = get_room(1048576), *out = get_room(1048576);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    print_bytes_row("", run_mask, out, in, sizes[i]);
  free(in);
  free(out);
}

static void bench_text(const char *name, const char *piece) {
  static const size_t sizes[] = {16, 125, 1024, 65536};
  size_t length = strlen(piece);
  uint8_t *in = get_room(65536 + length), *out = get_room(65536);
  for (size_t at = 0; at < 65536; at += length) memcpy(in + at, piece, length);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t size = sizes[i]; /* cut where a character ends */
    while (in[size] >= 0x80 && in[size] < 0xC0) size--;
    print_bytes_row(name, run_check, out, in, size);
  }
  free(in);
  free(out);
}

static void bench_utf8(void) {
  print_bytes_head("UTF-8, GB/s");
  bench_text("ASCII", "{\"bid\":1.2345,\"ask\":1.2347,\"id\":\"EURUSD\"},");
  bench_text("mixed, two bytes", "Gr\xc3\xbc\xc3\x9f"
                                 "e aus der Stra\xc3\x9f"
                                 "e, sch\xc3\xb6n. ");
  bench_text("Cyrillic", "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 ");
  bench_text("Chinese", "\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97\xe7\xac\xa6");
  bench_text("emoji", "\xf0\x9f\x98\x80");
}

/* ------------------------------------------------------------ frame heads */

typedef struct head_task {
  wsc_frame frame;
  uint8_t head[WSC_FRAME_HEAD_MAX];
  size_t size;
} head_task;

static void run_write_head(void *subject) {
  head_task *task = subject;
  task->size = wsc_frame_write_head(task->head, &task->frame);
  meter_keep(task->head);
}

static void run_read_head(void *subject) {
  head_task *task = subject;
  wsc_frame frame;
  const char *sentence;
  int size = wsc_frame_read_head(&frame, task->head, task->size, &sentence);
  need(size == (int)task->size, "a head was not read");
  meter_keep(&frame);
}

static void bench_heads(void) {
  static const uint64_t sizes[] = {125, 4096, 65536};
  printf("\n%-22s %8s %8s %8s\n", "frame head, ns", "payload", "write", "read");
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    head_task out = {.frame = {true, 0, WSC_OP_TEXT, true, {1, 2, 3, 4}, sizes[i]}};
    head_task in = out;
    in.frame.masked = false;
    run_write_head(&in);
    meter_task tasks[] = {{run_write_head, &out, 0}, {run_read_head, &in, 0}};
    meter_group(tasks, 2);
    printf("%-22s %8u %8.1f %8.1f\n", "", (unsigned)sizes[i], tasks[0].ns, tasks[1].ns);
  }
}

/* ------------------------------------------------------------ compression */

enum { JSON_SIZE = 2048, PACKED_MAX = 4096 };

typedef struct codec_task {
  wsc_deflate *codec;
  z_stream zlib;
  wsc_buf out;
  uint8_t packed[PACKED_MAX], text[JSON_SIZE], plain[JSON_SIZE + 64];
  size_t packed_size;
} codec_task;

static void fill_json(uint8_t *text) {
  char row[128];
  size_t at = 0;
  for (unsigned i = 0; at < JSON_SIZE; i++) {
    int size = snprintf(row, sizeof row, "{\"symbol\":\"EUR%u\",\"bid\":%u.%04u,\"volume\":%u},",
                        i % 7, i * 37 % 11, i * 7919 % 10000, i * 104729 % 100000);
    size_t part = (size_t)size < JSON_SIZE - at ? (size_t)size : JSON_SIZE - at;
    memcpy(text + at, row, part);
    at += part;
  }
}

static void run_compress(void *subject) {
  codec_task *task = subject;
  wsc_buf_truncate(&task->out, 0);
  int result = wsc_deflate_compress(task->codec, &task->out, task->text, JSON_SIZE, true);
  need(result == WSC_OK, "nothing was compressed");
}

static void run_zlib_compress(void *subject) {
  codec_task *task = subject;
  task->zlib.next_in = task->text;
  task->zlib.avail_in = JSON_SIZE;
  task->zlib.next_out = task->packed;
  task->zlib.avail_out = PACKED_MAX;
  need(deflate(&task->zlib, Z_SYNC_FLUSH) == Z_OK, "zlib's deflate failed");
  deflateReset(&task->zlib);
}

static void run_inflate(void *subject) {
  codec_task *task = subject;
  const char *sentence;
  wsc_buf_truncate(&task->out, 0);
  size_t size = task->packed_size;
  wsc_inflate_room room = {.most = SIZE_MAX, .limit = JSON_SIZE};
  int result =
      wsc_deflate_inflate(task->codec, &task->out, task->packed, &size, true, &room, &sentence);
  need(result == WSC_OK && wsc_buf_size(&task->out) == JSON_SIZE, "nothing was inflated");
}

static void run_zlib_inflate(void *subject) {
  codec_task *task = subject;
  static uint8_t tail[4] = {0, 0, 0xff, 0xff};
  task->zlib.next_in = task->packed;
  task->zlib.avail_in = (uInt)task->packed_size;
  task->zlib.next_out = task->plain;
  task->zlib.avail_out = sizeof task->plain;
  need(inflate(&task->zlib, Z_SYNC_FLUSH) == Z_OK, "zlib's inflate failed");
  task->zlib.next_in = tail;
  task->zlib.avail_in = sizeof tail;
  int result = inflate(&task->zlib, Z_SYNC_FLUSH);
  need(result == Z_OK || result == Z_BUF_ERROR, "zlib's inflate failed");
  inflateReset(&task->zlib);
}

static void open_codec(codec_task *task, const wsc_platform *platform) {
  wsc_config config;
  wsc_config_init(&config, platform);
  wsc_deflate_params params = {.server_no_context_takeover = true,
                               .client_no_context_takeover = true,
                               .server_max_window_bits = 15,
                               .client_max_window_bits = 15};
  *task = (codec_task){.codec = wsc_deflate_new(platform, &params, &config.deflate, false)};
  need(task->codec != NULL, "no memory");
  wsc_buf_init(&task->out, platform);
  fill_json(task->text);
  run_compress(task);
  task->packed_size = wsc_buf_size(&task->out);
  memcpy(task->packed, wsc_buf_data(&task->out), task->packed_size);
}

static void close_codec(codec_task *task) {
  wsc_deflate_free(task->codec);
  wsc_buf_free(&task->out);
}

static void print_codec_row(const char *name, void (*ours)(void *), void (*zlibs)(void *),
                            codec_task *task) {
  meter_task tasks[] = {{ours, task, 0}, {zlibs, task, 0}};
  meter_group(tasks, 2);
  printf("%-22s %8d %8.0f %8.0f %8.2f\n", name, JSON_SIZE, tasks[1].ns, tasks[0].ns,
         tasks[0].ns / tasks[1].ns);
}

/* Without context takeover: each message is the same work.  zlib gets the same bytes and the same
 * settings. */
static void bench_codec(const wsc_platform *platform) {
  static codec_task task;
  printf("\n%-22s %8s %8s %8s %8s\n", "JSON, ns", "bytes", "zlib", "wsclose", "x zlib");
  open_codec(&task, platform);
  need(inflateInit2(&task.zlib, -15) == Z_OK, "no memory");
  print_codec_row("inflate", run_inflate, run_zlib_inflate, &task);
  inflateEnd(&task.zlib);
  task.zlib = (z_stream){0};
  need(deflateInit2(&task.zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) ==
           Z_OK,
       "no memory");
  print_codec_row("deflate", run_compress, run_zlib_compress, &task);
  deflateEnd(&task.zlib);
  close_codec(&task);
}

/* ------------------------------------------------------------ events */

enum { BATCH = 64 };

typedef struct pull_task {
  wsc_conn *conn;
  uint8_t *wire, *copy; /* BATCH frames */
  size_t wire_size;
} pull_task;

static void feed(wsc_conn *conn, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    size_t room = 0;
    uint8_t *lent = wsc_conn_input(conn, &room);
    need(lent != NULL, "a connection reads no more");
    size_t part = size < room ? size : room;
    memcpy(lent, bytes, part);
    wsc_conn_input_done(conn, part);
    bytes += part;
    size -= part;
  }
}

static unsigned pull_messages(wsc_conn *conn) {
  wsc_event event;
  unsigned count = 0;
  while (wsc_conn_next_event(conn, &event) != WSC_EVENT_NONE)
    if (event.type == WSC_EVENT_MESSAGE) count++;
  return count;
}

static void hand_over(wsc_conn *from, wsc_conn *to) {
  size_t size;
  const uint8_t *bytes = wsc_conn_output(from, &size);
  feed(to, bytes, size);
  wsc_conn_output_done(from, size);
  pull_messages(to);
}

static void run_pull(void *subject) {
  const pull_task *task = subject;
  feed(task->conn, task->wire, task->wire_size);
  need(pull_messages(task->conn) == BATCH, "messages were lost");
}

static void run_wire_copy(void *subject) {
  const pull_task *task = subject;
  memcpy(task->copy, task->wire, task->wire_size);
  meter_keep(task->copy);
}

static wsc_conn *open_conn(const wsc_platform *platform, bool server) {
  wsc_config config;
  wsc_config_init(&config, platform);
  config.server = server;
  config.url = server ? NULL : "ws://127.0.0.1/";
  wsc_conn *conn = wsc_conn_new(&config);
  need(conn != NULL, "no memory");
  wsc_conn_tick(conn, 0);
  return conn;
}

/* The wire image of BATCH messages from a server. */
static void open_pull(pull_task *task, const wsc_platform *platform, int opcode, size_t size) {
  wsc_conn *server = open_conn(platform, true);
  task->conn = open_conn(platform, false);
  hand_over(task->conn, server);
  hand_over(server, task->conn);
  need(wsc_conn_state(task->conn) == WSC_OPEN, "the handshake failed");
  uint8_t *message = get_room(size);
  for (int i = 0; i < BATCH; i++)
    need(wsc_conn_send(server, opcode, message, size, 0) == WSC_OK, "a message was not sent");
  const uint8_t *bytes = wsc_conn_output(server, &task->wire_size);
  task->wire = get_room(task->wire_size);
  task->copy = get_room(task->wire_size);
  memcpy(task->wire, bytes, task->wire_size);
  free(message);
  wsc_conn_free(server);
}

static void bench_pull_of(const wsc_platform *platform, const char *name, int opcode, size_t size) {
  pull_task task;
  open_pull(&task, platform, opcode, size);
  meter_task tasks[] = {{run_pull, &task, 0}, {run_wire_copy, &task, 0}};
  meter_group(tasks, 2);
  printf("%-22s %8zu %8.1f %8.1f\n", name, size, tasks[1].ns / BATCH, tasks[0].ns / BATCH);
  wsc_conn_free(task.conn);
  free(task.wire);
  free(task.copy);
}

static void bench_pull(const wsc_platform *platform) {
  static const size_t sizes[] = {40, 125, 4096, 65536};
  printf("\n%-22s %8s %8s %8s\n", "a message, ns", "bytes", "memcpy", "events");
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    bench_pull_of(platform, "text", WSC_OP_TEXT, sizes[i]);
    bench_pull_of(platform, "binary", WSC_OP_BINARY, sizes[i]);
  }
}

int main(void) {
  wsc_platform *platform = wsc_platform_new();
  need(platform != NULL, "no memory");
  printf("Processor time, medians of %d interleaved rounds; \"x mc\": memcpy's time over it.\n",
         METER_ROUNDS);
  bench_masking();
  bench_utf8();
  bench_heads();
  bench_codec(platform);
  bench_pull(platform);
  wsc_platform_free(platform);
  return 0;
}
