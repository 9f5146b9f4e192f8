/* libwebsockets: its own loop, one callback for all that happens. */
#include "peer.h"

#include <libwebsockets.h>

/* Each connection has such a buffer. */
enum { READ_SIZE = 64 * 1024, IDLE_READ_SIZE = 1024 };

/* What a connection is for. */
typedef enum purpose { EXCHANGE, CYCLE, IDLE } purpose;

static struct {
  bench *call;
  struct lws_context *context;
  peer_exchange exchange;
  uint8_t *outgoing; /* LWS_PRE bytes of room, then the message: the library masks it in place */
  uint8_t *message;  /* of pieces that came */
  size_t message_size;
  purpose purpose;
  uint64_t opened, closed;
  bool closing;
} self;

/* ---------------------------------------------------------------- callbacks */

static int begin_close(struct lws *wsi) {
  self.closing = true;
  lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
  return -1;
}

static void check_extension(struct lws *wsi) {
  char agreed[128];
  int size = lws_hdr_copy(wsi, agreed, sizeof agreed, WSI_TOKEN_EXTENSIONS);
  if (peer_compresses(self.call))
    bench_check(size > 0 && strncmp(agreed, "permessage-deflate", 18) == 0,
                "permessage-deflate was not agreed");
}

static int on_established(struct lws *wsi) {
  self.opened++;
  if (bench_is(self.call, "inflate")) /* inflated into pieces of 8 KiB, not of one */
    lws_set_extension_option(wsi, "permessage-deflate", "rx_buf_size", "13");
  if (self.purpose != IDLE) lws_callback_on_writable(wsi);
  return 0;
}

/* As many as the socket takes. */
static int on_writable(struct lws *wsi) {
  peer_exchange *e = &self.exchange;
  if (self.purpose == CYCLE || e->over) return self.closing ? 0 : begin_close(wsi);
  while (e->due > 0 && !lws_send_pipe_choked(wsi)) {
    memcpy(self.outgoing + LWS_PRE, e->data, e->size);
    int written = lws_write(wsi, self.outgoing + LWS_PRE, e->size, LWS_WRITE_TEXT);
    bench_check(written >= (int)e->size, "lws_write failed");
    e->due--;
  }
  if (e->due > 0) lws_callback_on_writable(wsi);
  return 0;
}

/* A message that comes in one piece is taken where it lies. */
static int on_receive(struct lws *wsi, const void *data, size_t size) {
  peer_exchange *e = &self.exchange;
  bool last = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
  bench_check(self.purpose == EXCHANGE, "a message that nobody asked for");
  if (self.message_size + size > e->expected) bench_fail("a message of another size");
  if (!last || self.message_size > 0) {
    memcpy(self.message + self.message_size, data, size);
    self.message_size += size;
    data = self.message;
    size = self.message_size;
  }
  if (!last) return 0;
  self.message_size = 0;
  peer_take(e, data, size);
  if (e->due > 0 || e->over) lws_callback_on_writable(wsi);
  return 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *data,
                    size_t size) {
  (void)user;
  switch (reason) {
  case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    bench_fail("no connection: %s", data ? (const char *)data : "?");
  case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
    check_extension(wsi);
    return 0;
  case LWS_CALLBACK_CLIENT_ESTABLISHED:
    return on_established(wsi);
  case LWS_CALLBACK_CLIENT_WRITEABLE:
    return on_writable(wsi);
  case LWS_CALLBACK_CLIENT_RECEIVE:
    return on_receive(wsi, data, size);
  case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: /* not for an answer to ours */
    bench_fail("the server closed too early");
  case LWS_CALLBACK_CLIENT_CLOSED:
    bench_check(self.closing, "a connection ended too early");
    self.closed++;
    return 0;
  default:
    return 0;
  }
}

/* ---------------------------------------------------------------- set up */

static struct lws_protocols protocols[] = {
    {"bench", callback, 0, READ_SIZE, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static const struct lws_extension extensions[] = {
    {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"},
    {NULL, NULL, NULL},
};

static void make_context(bench *b) {
  struct lws_context_creation_info info;
  memset(&info, 0, sizeof info);
  lws_set_log_level(0, NULL);
  if (bench_is(b, "idle")) protocols[0].rx_buffer_size = IDLE_READ_SIZE;
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = protocols;
  info.extensions = peer_compresses(b) ? extensions : NULL;
  info.pt_serv_buf_size = READ_SIZE;
  info.options = b->tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0;
  self.call = b;
  self.context = lws_create_context(&info);
  self.outgoing = malloc(LWS_PRE + b->size + 16);
  self.message = malloc(b->size + 16);
  bench_check(self.context && self.outgoing && self.message, "no context");
}

static void open_connection(purpose what) {
  struct lws_client_connect_info info;
  memset(&info, 0, sizeof info);
  self.purpose = what;
  self.closing = false;
  info.context = self.context;
  info.address = info.host = info.origin = "127.0.0.1";
  info.port = self.call->port;
  info.path = self.call->path;
  info.local_protocol_name = "bench";
  if (self.call->tls)
    info.ssl_connection = LCCSCF_USE_SSL | LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE |
                          LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
  bench_check(lws_client_connect_via_info(&info) != NULL, "lws_client_connect_via_info failed");
}

static void serve_until(const uint64_t *counter, uint64_t value) {
  while (*counter < value) bench_check(lws_service(self.context, 0) >= 0, "lws_service failed");
}

static void run_cycle(void) {
  open_connection(CYCLE);
  serve_until(&self.closed, self.closed + 1);
}

/* ---------------------------------------------------------------- workloads */

static void run_exchange(bench *b) {
  self.exchange = peer_begin(b);
  open_connection(EXCHANGE);
  serve_until(&self.closed, 1);
  bench_check(self.exchange.over, "it ended too early");
  bench_result(b);
}

static void run_connect(bench *b) {
  for (uint64_t i = 0; i < b->warm; i++) run_cycle();
  bench_begin(b);
  for (uint64_t i = 0; i < b->count; i++) run_cycle();
  bench_end(b);
  bench_result(b);
}

static void on_end_of_idling(lws_sorted_usec_list_t *timer) {
  (void)timer;
  self.closed++;
  lws_cancel_service(self.context); /* which would poll once more before it returns */
}

static void run_idle(bench *b) {
  lws_sorted_usec_list_t timer;
  memset(&timer, 0, sizeof timer);
  run_cycle();
  int64_t before = bench_resident();
  uint64_t started = self.opened; /* some at a time: each step of the loop polls all of them */
  for (uint64_t all = started + b->count; started < all; started++) {
    if (started >= BENCH_IN_FLIGHT) serve_until(&self.opened, started - BENCH_IN_FLIGHT);
    open_connection(IDLE);
  }
  serve_until(&self.opened, started);
  lws_sul_schedule(self.context, 0, &timer, on_end_of_idling, IDLE_MS * LWS_US_PER_MS);
  serve_until(&self.closed, self.closed + 1);
  peer_memory_result(b, before);
  fflush(stdout);
  _exit(0); /* with all of them open */
}

int main(int argc, char **argv) {
  bench b = peer_arguments(argc, argv);
  make_context(&b);
  if (bench_is(&b, "connect"))
    run_connect(&b);
  else if (bench_is(&b, "idle"))
    run_idle(&b);
  else
    run_exchange(&b);
  lws_context_destroy(self.context);
  return 0;
}
