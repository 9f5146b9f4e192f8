/* wsclose without Lua: a program on wsc_client, as examples/native is one. */
#include "client.h"

#include "wsclose.h"

#include <sys/resource.h>

enum { BUFFERED_MAX = 64 * 1024, IDLE_US = 2500000 };

typedef struct program {
  bench b;
  wsc_platform *platform;
  wsc_client *client;
  wsc_client_config config;
  wsc_extension deflate;
  char url[256];
  uint8_t *message;
  uint64_t sent, came, goal; /* of the run under way */
  uint64_t idle;             /* connections that are open and do nothing */
  bool measuring, done;      /* done: the run is over */
  bool sends;                /* the workload is "send": read once, not for each message */
} program;

static void send_text(program *p, const void *data, size_t size) {
  int error = wsc_conn_send(wsc_client_conn(p->client), 1, data, size, 0);
  if (error != WSC_OK) bench_fail("send: %s", wsc_error_name(error));
}

/* Fills the queue; once that has left, it is filled again. */
static void send_more(program *p) {
  const wsc_conn *conn = wsc_client_conn(p->client);
  for (; p->sent < p->goal && wsc_conn_output_size(conn) < BUFFERED_MAX; p->sent++)
    send_text(p, p->message, p->b.size);
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

static void close_it(program *p) {
  p->done = true;
  wsc_conn_close(wsc_client_conn(p->client), WSC_CLOSE_NORMAL, "", 0);
}

/* After the warm-up the measured run; after that the end. */
static void end_run(program *p) {
  if (p->measuring) {
    bench_end(&p->b);
    close_it(p);
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
  if (p->sends) {
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

static void check_deflate(const program *p, wsc_client *client) {
  size_t count;
  wsc_conn_extensions(wsc_client_conn(client), &count);
  bench_check(!p->deflate.name || count == 1, "permessage-deflate was not agreed");
}

static void take_open(program *p) {
  check_deflate(p, p->client);
  if (bench_is(&p->b, "connect") || bench_is(&p->b, "idle"))
    close_it(p);
  else
    begin_run(p);
}

static void take_event(program *p, const wsc_event *event) {
  if (event->type == WSC_EVENT_MESSAGE)
    take_message(p, event);
  else if (event->type == WSC_EVENT_OPEN)
    take_open(p);
  else if (event->type == WSC_EVENT_DRAIN && p->sends)
    send_more(p);
}

static void check_end(const program *p) {
  const wsc_close_info *info = wsc_conn_close_info(wsc_client_conn(p->client));
  bench_check(p->done && info->code == 1000,
              info->error_text ? info->error_text : "the connection ended early");
}

/* ---------------------------------------------------------------- workloads */

static void start(program *p, wsc_client *client) {
  const char *sentence = "no memory";
  if (wsc_client_start(client, &p->config, &sentence) != WSC_OK) bench_fail("start: %s", sentence);
}

/* A connection, from its start to its end. */
static void run(program *p) {
  wsc_event event;
  start(p, p->client);
  while (wsc_client_next(p->client, WSC_NEVER, &event) != WSC_EVENT_CLOSE) take_event(p, &event);
  check_end(p);
}

static void connect_often(program *p) {
  for (uint64_t i = 0; i < p->b.warm; i++) run(p);
  bench_begin(&p->b);
  for (uint64_t i = 0; i < p->b.count; i++) run(p);
  bench_end(&p->b);
}

static void serve_idle(program *p, wsc_client *client) {
  wsc_event event;
  while (wsc_client_next(client, 0, &event) != WSC_EVENT_NONE) {
    bench_check(event.type == WSC_EVENT_OPEN, "a connection ended early");
    check_deflate(p, client);
    p->idle++;
  }
}

static void serve_loop(program *p, wsc_loop *loop, uint64_t timeout_us) {
  wsc_client *client;
  void *user;
  int left = wsc_loop_wait(loop, timeout_us);
  while (left-- > 0 && wsc_loop_next(loop, &client, &user)) serve_idle(p, client);
}

static void add_idle(program *p, wsc_loop *loop) {
  wsc_client *client = wsc_client_new(p->platform);
  bench_check(client && wsc_loop_add(loop, client, NULL) == WSC_OK, "no memory");
  start(p, client);
}

static void allow_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

static void idle(program *p) {
  allow_files();
  wsc_loop *loop = wsc_loop_new(p->platform);
  bench_check(loop != NULL, "no memory");
  run(p);
  int64_t before = bench_resident();
  for (uint64_t i = 0; i < p->b.count; i++) {
    add_idle(p, loop);
    while (p->idle <= i) serve_loop(p, loop, WSC_NEVER);
  }
  uint64_t until_us = wsc_clock_now_us() + IDLE_US;
  for (uint64_t now_us; (now_us = wsc_clock_now_us()) < until_us;)
    serve_loop(p, loop, until_us - now_us);
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
  p.sends = bench_is(&p.b, "send");
  if (bench_is(&p.b, "connect"))
    connect_often(&p);
  else if (bench_is(&p.b, "idle"))
    idle(&p);
  else
    run(&p);
  bench_result(&p.b);
  return 0;
}
