/* A client in C on wsclose.h alone: lines of standard input go out as messages, messages come out
 * as lines; lost connections come back.
 *
 *   make -C examples/native
 *   build/native/native [--require EXTENSION] [--retry SECONDS] URL
 *
 * The end of the input closes with 1000; Ctrl-C says 1001 and ends at once.  Authorities for wss://
 * are the system's, or those of SSL_CERT_FILE. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wsclose.h"

#define DELAY_MAX 60.0

typedef struct program {
  wsc_platform *platform;
  wsc_client *client;
  wsc_client_config config;
  wsc_extension required; /* name NULL: none */
  double retry;           /* the first delay is up to this many seconds */
  int failures;           /* in a row */
  uint64_t due;           /* when the next attempt begins; WSC_NEVER: one is under way */
  bool input_ended, done;
  sigset_t signals; /* the mask while waiting: only then Ctrl-C comes through, and ends the wait */
  char line[65536];
  size_t line_size;
} program;

static volatile sig_atomic_t quit;

static void on_signal(int number) {
  (void)number;
  quit = 1;
}

static double random_below(program *p, double most) {
  uint32_t number = 0;
  /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): main has looked */
  p->platform->random(p->platform->user, &number, sizeof number);
  return most * number / 4294967296.0;
}

/* Is it worth while to try again?  What a wait can mend, as RFC 6455 7.4 has it. */
static bool may_retry(const program *p, const wsc_close_info *info) {
  if (p->input_ended || info->by == WSC_BY_CLIENT) return false;
  switch (info->code) {
  case 1001: /* going away: it will be back */
  case 1005:
  case 1006: /* lost */
  case 1011:
  case 1012:
  case 1013:
  case 1014:
    return info->error != WSC_ERR_CERTIFICATE;
  default:
    return false;
  }
}

/* Full jitter under an exponential cap, so that many clients do not come back in step. */
static double next_delay(program *p) {
  double most = p->retry;
  for (int i = 0; i < p->failures && most < DELAY_MAX; i++) most *= 2;
  p->failures++;
  return random_below(p, most < DELAY_MAX ? most : DELAY_MAX);
}

static void print_close(const wsc_close_info *info) {
  static const char *const by[] = {"peer", "client", "network"};
  printf("close %u %.*s by %s", info->code, (int)info->reason_size, info->reason, by[info->by]);
  if (info->error != WSC_OK)
    printf(" (%s: %s)", wsc_error_name(info->error), info->error_text ? info->error_text : "");
}

static void on_close(program *p) {
  const wsc_close_info *info = wsc_conn_close_info(wsc_client_conn(p->client));
  print_close(info);
  if (!may_retry(p, info)) {
    printf(", for good\n");
    p->done = true;
    return;
  }
  double delay = next_delay(p);
  p->due = wsc_clock_now_us() + (uint64_t)(delay * 1e6);
  printf(", again in %.2f s\n", delay);
}

static void begin(program *p) {
  const char *sentence = NULL;
  p->due = WSC_NEVER;
  if (wsc_client_start(p->client, &p->config, &sentence) == WSC_OK) return;
  fprintf(stderr, "native: %s\n", sentence ? sentence : "no memory");
  exit(1);
}

static void take_event(program *p, const wsc_event *event) {
  if (event->type == WSC_EVENT_OPEN) {
    p->failures = 0;
    printf("open\n");
  } else if (event->type == WSC_EVENT_MESSAGE) {
    printf("%s %.*s\n", event->opcode == 1 ? "text" : "binary", (int)event->size, event->data);
  } else if (event->type == WSC_EVENT_CLOSE) {
    on_close(p);
  }
}

static void send_lines(program *p) {
  wsc_conn *conn = wsc_client_conn(p->client);
  char *end;
  while ((end = memchr(p->line, '\n', p->line_size))) {
    size_t size = (size_t)(end - p->line);
    int error = wsc_conn_send(conn, 1, p->line, size, 0);
    if (error != WSC_OK) printf("not sent: %s\n", wsc_error_name(error));
    p->line_size -= size + 1;
    memmove(p->line, end + 1, p->line_size);
  }
}

static void read_input(program *p) {
  ssize_t n = read(STDIN_FILENO, p->line + p->line_size, sizeof p->line - p->line_size);
  if (n > 0) {
    p->line_size += (size_t)n;
    send_lines(p);
    return;
  }
  p->input_ended = true;
  if (p->due == WSC_NEVER)
    wsc_conn_close(wsc_client_conn(p->client), WSC_CLOSE_NORMAL, "done", 4);
  else
    p->done = true;
}

/* Until there is work though no descriptor is ready; false: no such time. */
static bool timeout_of(const program *p, struct timespec *timeout) {
  uint64_t now = wsc_clock_now_us();
  uint64_t due = p->due != WSC_NEVER ? p->due : wsc_client_deadline(p->client);
  uint64_t left = due > now ? due - now : 0;
  *timeout = (struct timespec){(time_t)(left / 1000000), (long)(left % 1000000) * 1000};
  return due != WSC_NEVER;
}

static void wait_for_work(program *p) {
  bool open = p->due == WSC_NEVER && wsc_conn_state(wsc_client_conn(p->client)) == WSC_OPEN;
  struct pollfd fds[] = {{.fd = wsc_client_pollfd(p->client), .events = POLLIN},
                         {.fd = open && !p->input_ended ? STDIN_FILENO : -1, .events = POLLIN}};
  struct timespec timeout;
  bool limited = timeout_of(p, &timeout);
  if (ppoll(fds, 2, limited ? &timeout : NULL, &p->signals) > 0 && fds[1].revents) read_input(p);
}

static void take_turn(program *p) {
  wsc_event event;
  while (wsc_client_next(p->client, 0, &event) != WSC_EVENT_NONE) take_event(p, &event);
}

/* What can be done now, without waiting. */
static void update(program *p) {
  if (p->due != WSC_NEVER) {
    if (wsc_clock_now_us() < p->due) return;
    begin(p);
  }
  take_turn(p);
}

static void catch_signals(program *p) {
  struct sigaction action = {.sa_handler = on_signal};
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGINT);
  sigaddset(&ours, SIGTERM);
  sigprocmask(SIG_BLOCK, &ours, &p->signals);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

static const char *read_arguments(program *p, int argc, char **argv) {
  int i = 1;
  for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
    if (strcmp(argv[i], "--require") == 0)
      p->required = (wsc_extension){.name = argv[i + 1], .required = true};
    else if (strcmp(argv[i], "--retry") == 0)
      p->retry = strtod(argv[i + 1], NULL);
    else
      return NULL;
  }
  return i + 1 == argc ? argv[i] : NULL;
}

int main(int argc, char **argv) {
  static program p = {.retry = 1};
  const char *sentence = NULL, *url = read_arguments(&p, argc, argv);
  if (!url || wsc_url_check(url, &sentence) != WSC_OK) {
    fprintf(stderr, "usage: native [--require EXTENSION] [--retry SECONDS] URL\n%s\n",
            sentence ? sentence : "");
    return 2;
  }
  catch_signals(&p);
  setvbuf(stdout, NULL, _IOLBF, 0);
  p.platform = wsc_platform_new();
  p.client = p.platform ? wsc_client_new(p.platform) : NULL;
  if (!p.client) return 1;
  wsc_client_config_init(&p.config, p.platform);
  p.config.conn.url = url;
  p.config.conn.extensions = &p.required;
  p.config.conn.extension_count = p.required.name ? 1 : 0;
  begin(&p);
  while (!p.done && !quit) {
    update(&p);
    if (!p.done) wait_for_work(&p);
  }
  wsc_client_leave(p.client); /* 1001, if it is open */
  take_turn(&p);
  wsc_client_free(p.client);
  wsc_platform_free(p.platform);
  return 0;
}
