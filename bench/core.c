/* wsclose without Lua: a program on wsc_client, as examples/native is one.  Its loop is step,
 * events, flush, wait: what one step's events send leaves together. */
#include "client.h"

#include "wsclose.h"

#include <sys/resource.h>

enum { SEND_TURN = 64, BUFFERED_MAX = 64 * 1024, IDLE_US = 2500000 };

typedef struct program {
  bench b;
  wsc_platform *platform;
  wsc_client *client;
  wsc_client_config config;
  wsc_extension deflate;
  char url[256];
  uint8_t *message;
  uint64_t sent, came, goal; /* of the run under way */
  bool measuring, done;      /* done: the run is over */
} program;

static void send_text(program *p, const void *data, size_t size) {
  int error = wsc_conn_send(wsc_client_conn(p->client), 1, data, size, 0);
  if (error != WSC_OK) bench_fail("send: %s", wsc_error_name(error));
}

/* Fills the queue up to a limit, as often as it has been emptied. */
static void send_more(program *p) {
  const wsc_conn *conn = wsc_client_conn(p->client);
  while (p->sent < p->goal && wsc_conn_output_size(conn) < BUFFERED_MAX) {
    for (int i = 0; i < SEND_TURN && p->sent < p->goal; i++) {
      send_text(p, p->message, p->b.size);
      p->sent++;
      if (p->b.size >= BUFFERED_MAX) break;
    }
  }
}

static void begin_run(program *p) {
  const bench *b = &p->b;
  p->goal = p->measuring ? b->count : b->warm;
  p->sent = p->came = 0;
  p->done = false;
  if (p->measuring) bench_begin(&p->b);
  if (bench_is(b, "send")) {
    send_more(p);
  } else if (bench_is(b, "receive") || bench_is(b, "inflate")) {
    send_text(p, "go", 2);
  } else {
    uint64_t first = bench_is(b, "pipeline") ? BENCH_IN_FLIGHT : 1;
    for (; p->sent < first && p->sent < p->goal; p->sent++) send_text(p, p->message, b->size);
  }
}

/* After the warm-up the measured run; after that the end. */
static void end_run(program *p) {
  if (p->measuring) {
    bench_end(&p->b);
    p->done = true;
    wsc_conn_close(wsc_client_conn(p->client), WSC_CLOSE_NORMAL, "", 0);
    return;
  }
  p->measuring = true;
  begin_run(p);
}

static void take_done(program *p, const wsc_event *event) {
  bench_check(event->size == 4 && memcmp(event->data, "done", 4) == 0, "no \"done\" came");
  bench_check(p->sent == p->goal, "\"done\" came early");
  end_run(p);
}

static void take_message(program *p, const wsc_event *event) {
  if (bench_is(&p->b, "send")) {
    take_done(p, event);
    return;
  }
  bench_check(event->size == p->b.size && event->opcode == 1, "another message came");
  if (++p->came < p->goal) {
    if (p->sent > 0 && p->sent < p->goal) {
      p->sent++;
      send_text(p, event->data, event->size);
    }
    return;
  }
  bench_check_content(&p->b, event->data, event->size);
  end_run(p);
}

static void check_deflate(const program *p) {
  size_t count;
  wsc_conn_extensions(wsc_client_conn(p->client), &count);
  bench_check(!p->deflate.name || count == 1, "permessage-deflate was not agreed");
}

static void take_open(program *p) {
  check_deflate(p);
  if (bench_is(&p->b, "connect") || bench_is(&p->b, "idle")) return;
  begin_run(p);
}

static void take_close(const program *p) {
  const wsc_close_info *info = wsc_conn_close_info(wsc_client_conn(p->client));
  bench_check(p->done && info->code == 1000,
              info->error_text ? info->error_text : "the connection ended early");
}

static bool has_room_to_send(const program *p) {
  return bench_is(&p->b, "send") && p->sent < p->goal &&
         wsc_conn_output_size(wsc_client_conn(p->client)) < BUFFERED_MAX;
}

static void wait_for_work(program *p) {
  uint64_t deadline = wsc_client_deadline(p->client);
  if (deadline != WSC_NEVER) {
    uint64_t now = wsc_clock_now_us();
    deadline = deadline > now ? deadline - now : 0;
  }
  wsc_client_wait(&p->client, 1, deadline);
}

/* One round; false: the connection has ended. */
static bool round_of(program *p) {
  wsc_event event;
  bool open = true;
  bool more = wsc_client_step(p->client, wsc_clock_now_us());
  while (wsc_conn_next_event(wsc_client_conn(p->client), &event) != WSC_EVENT_NONE) {
    if (event.type == WSC_EVENT_MESSAGE)
      take_message(p, &event);
    else if (event.type == WSC_EVENT_OPEN)
      take_open(p);
    else if (event.type == WSC_EVENT_CLOSE)
      open = false;
  }
  if (bench_is(&p->b, "send")) send_more(p);
  wsc_client_flush(p->client);
  if (open && !more && !has_room_to_send(p)) wait_for_work(p);
  return open;
}

/* ---------------------------------------------------------------- workloads */

static void start(program *p, wsc_client *client) {
  const char *sentence = NULL;
  if (wsc_client_start(client, &p->config, wsc_clock_now_us(), &sentence) != WSC_OK)
    bench_fail("start: %s", sentence);
}

static void messages(program *p) {
  start(p, p->client);
  while (round_of(p)) continue;
  take_close(p);
}

static void cycle(program *p) {
  bool closed = false;
  start(p, p->client);
  while (round_of(p)) {
    if (closed || wsc_conn_state(wsc_client_conn(p->client)) != WSC_OPEN) continue;
    wsc_conn_close(wsc_client_conn(p->client), WSC_CLOSE_NORMAL, "", 0);
    wsc_client_flush(p->client);
    closed = true;
  }
  p->done = closed;
  take_close(p);
}

static void cycles(program *p) {
  for (uint64_t i = 0; i < p->b.warm; i++) cycle(p);
  bench_begin(&p->b);
  for (uint64_t i = 0; i < p->b.count; i++) cycle(p);
  bench_end(&p->b);
}

static bool all_open(wsc_client **clients, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (wsc_conn_state(wsc_client_conn(clients[i])) != WSC_OPEN) return false;
  return true;
}

static void step_all(wsc_client **clients, size_t count) {
  wsc_event event;
  for (size_t i = 0; i < count; i++) {
    wsc_client_step(clients[i], wsc_clock_now_us());
    while (wsc_conn_next_event(wsc_client_conn(clients[i]), &event) != WSC_EVENT_NONE)
      bench_check(event.type == WSC_EVENT_OPEN, "a connection ended early");
    wsc_client_flush(clients[i]);
  }
}

static void open_all(program *p, wsc_client **clients, size_t count) {
  for (size_t i = 0; i < count; i++) {
    clients[i] = wsc_client_new(p->platform);
    bench_check(clients[i] != NULL, "no memory");
    start(p, clients[i]);
    while (!all_open(clients + i, 1)) {
      step_all(clients + i, 1);
      wsc_client_wait(clients + i, 1, 1000);
    }
  }
}

static void idle(program *p) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  wsc_client **clients = (wsc_client **)calloc(p->b.count, sizeof *clients);
  bench_check(clients != NULL, "no memory");
  cycle(p);
  int64_t before = bench_resident();
  open_all(p, clients, p->b.count);
  uint64_t until = wsc_clock_now_us() + IDLE_US;
  for (uint64_t now = 0; now < until; now = wsc_clock_now_us()) {
    wsc_client_wait(clients, p->b.count, 100000);
    step_all(clients, p->b.count);
  }
  bench_check(all_open(clients, p->b.count), "a connection ended early");
  p->b.took_ns = (uint64_t)(bench_resident() - before);
}

static void configure(program *p) {
  wsc_client_config_init(&p->config, p->platform);
  snprintf(p->url, sizeof p->url, "%s%s", p->b.url, p->b.path);
  p->config.conn.url = p->url;
  p->config.tls.verify = false;
  p->config.proxy = "";
  if (!bench_is(&p->b, "inflate") && !(bench_is(&p->b, "idle") && p->b.size == 1)) return;
  p->deflate = (wsc_extension){.name = "permessage-deflate"};
  p->config.conn.extensions = &p->deflate;
  p->config.conn.extension_count = 1;
}

int main(int argc, char **argv) {
  program p = {.b = bench_arguments(argc, argv), .platform = wsc_platform_new()};
  bench_check(p.platform != NULL, "no memory");
  p.client = wsc_client_new(p.platform);
  bench_check(p.client != NULL, "no memory");
  p.message = bench_message(p.b.size);
  configure(&p);
  if (bench_is(&p.b, "connect"))
    cycles(&p);
  else if (bench_is(&p.b, "idle"))
    idle(&p);
  else
    messages(&p);
  bench_result(&p.b);
  return 0;
}
