/* Echo server on libwebsockets; see README.md for what it understands.  One connection at a time is
 * all the suite needs of `close` and `restart`, but any number is served. */
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE_MAX_ECHO = 64 * 1024 * 1024, LINE_MAX_SIZE = 512, REASON_MAX = 123 };

/* One connection.  `message` holds LWS_PRE bytes of room, then what came of the current message. */
typedef struct session {
  struct session *next;
  struct lws *wsi;
  unsigned char *message;
  size_t size, capacity, sent;
  size_t fragment; /* 0: echo in one frame */
  char id[16];
  bool binary, ping, ping_due, sending;
  bool close_seen;
} session;

/* The one server of this process. */
static struct {
  struct lws_context *context;
  session *sessions;
  int port;
  bool closing, restarting; /* close every connection; then listen anew */
  enum lws_close_status code;
  char reason[REASON_MAX + 1];
  char line[LINE_MAX_SIZE];
  size_t line_size;
} server;

static void die(const char *what) {
  fprintf(stderr, "lws_server: %s\n", what);
  exit(1);
}

static void say(const char *id, const char *words, const void *text, size_t size) {
  printf("%s %s%.*s\n", id, words, (int)size, (const char *)text);
  fflush(stdout);
}

/* Finds NAME or NAME=VALUE in the query of the request; the value, or "" where there is none. */
static const char *query(struct lws *wsi, const char *name, char *room, int room_size) {
  size_t name_size = strlen(name);
  for (int i = 0; lws_hdr_copy_fragment(wsi, room, room_size, WSI_TOKEN_HTTP_URI_ARGS, i) >= 0;
       i++) {
    if (strncmp(room, name, name_size) != 0) continue;
    if (room[name_size] == '=') return room + name_size + 1;
    if (room[name_size] == '\0') return "";
  }
  return NULL;
}

/* ---------------------------------------------------------------- sessions */

static void opened(session *s, struct lws *wsi) {
  char room[64], other_room[64], target[64] = "";
  const char *fragment = query(wsi, "fragment", room, sizeof room);
  const char *id = query(wsi, "id", other_room, sizeof other_room);
  memset(s, 0, sizeof *s);
  s->wsi = wsi;
  s->fragment = fragment ? strtoul(fragment, NULL, 10) : 0;
  s->ping = query(wsi, "ping", room, sizeof room) != NULL;
  snprintf(s->id, sizeof s->id, "%.15s", id ? id : "-");
  s->next = server.sessions;
  server.sessions = s;
  lws_hdr_copy(wsi, target, sizeof target, WSI_TOKEN_GET_URI);
  say(s->id, "OPEN ", target, strlen(target));
}

static void closed(session *s) {
  session **link = &server.sessions;
  while (*link != s) link = &(*link)->next;
  *link = s->next;
  free(s->message);
  if (!s->close_seen) say(s->id, "CLOSED 1006 ", "", 0);
  if (!server.sessions) server.closing = false;
}

static void append(session *s, const void *bytes, size_t size) {
  if (s->size + size > s->capacity) {
    s->capacity = (s->size + size) * 2;
    s->message = realloc(s->message, LWS_PRE + s->capacity + 1);
    if (!s->message) die("no memory");
  }
  memcpy(s->message + LWS_PRE + s->size, bytes, size);
  s->size += size;
}

static int received(session *s, const void *bytes, size_t size) {
  struct lws *wsi = s->wsi;
  if (lws_is_first_fragment(wsi)) s->binary = lws_frame_is_binary(wsi);
  if (s->size + size > SIZE_MAX_ECHO) {
    lws_close_reason(wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
    return -1;
  }
  append(s, bytes, size);
  if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) {
    s->sending = true;
    lws_rx_flow_control(wsi, 0); /* the next message waits until this one is echoed */
    lws_callback_on_writable(wsi);
  }
  return 0;
}

/* LWS_CALLBACK_WS_PEER_INITIATED_CLOSE brings the body; the echo of a Close of ours brings nothing,
 * so that one is told from `closed` as 1006. */
static void close_came(session *s, const unsigned char *body, size_t size) {
  char words[16];
  snprintf(words, sizeof words, "CLOSED %d ", size < 2 ? 1005 : body[0] * 256 + body[1]);
  say(s->id, words, body + 2, size < 2 ? 0 : size - 2);
  s->close_seen = true;
}

/* ---------------------------------------------------------------- sending */

static int send_ping(session *s) {
  unsigned char ping[LWS_PRE + 7];
  memcpy(ping + LWS_PRE, "between", 7);
  s->ping_due = false;
  lws_callback_on_writable(s->wsi);
  return lws_write(s->wsi, ping + LWS_PRE, 7, LWS_WRITE_PING) < 0 ? -1 : 0;
}

/* libwebsockets 4.1.6 asserts when it is to compress an empty message; one that is not compressed
 * is as legal (RFC 7692 6). */
static int send_empty(session *s) {
  unsigned char frame[LWS_PRE + 2] = {0};
  frame[LWS_PRE] = s->binary ? 0x82 : 0x81;
  s->sending = false;
  s->ping_due = s->ping;
  if (s->ping_due) lws_callback_on_writable(s->wsi);
  lws_rx_flow_control(s->wsi, 1);
  return lws_write(s->wsi, frame + LWS_PRE, 2, LWS_WRITE_RAW) < 0 ? -1 : 0;
}

/* One frame of the echo. */
static int send_piece(session *s) {
  size_t left = s->size - s->sent;
  size_t size = s->fragment && s->fragment < left ? s->fragment : left;
  bool first = s->sent == 0, last = size == left;
  int kind = s->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
  int flags = lws_write_ws_flags(kind, first, last);
  if (lws_write(s->wsi, s->message + LWS_PRE + s->sent, size, (enum lws_write_protocol)flags) < 0) {
    return -1;
  }
  s->sent += size;
  s->ping_due = first && s->ping;
  if (last) {
    s->sending = false;
    s->size = s->sent = 0;
    lws_rx_flow_control(s->wsi, 1);
  }
  if (s->sending || s->ping_due) lws_callback_on_writable(s->wsi);
  return 0;
}

static int writable(session *s) {
  if (s->ping_due) return send_ping(s);
  if (s->sending) return s->size == 0 ? send_empty(s) : send_piece(s);
  if (!server.closing) return 0;
  lws_close_reason(s->wsi, server.code, (unsigned char *)server.reason, strlen(server.reason));
  return -1;
}

/* ---------------------------------------------------------------- commands */

static void close_all(int code, const char *reason) {
  server.code = (enum lws_close_status)code;
  snprintf(server.reason, sizeof server.reason, "%.*s", REASON_MAX, reason);
  server.closing = server.sessions != NULL;
  for (session *s = server.sessions; s; s = s->next) lws_callback_on_writable(s->wsi);
}

static void obey(char *line) {
  if (strncmp(line, "close ", 6) == 0) {
    char *reason = line + 6;
    long code = strtol(line + 6, &reason, 10);
    close_all((int)code, *reason == ' ' ? reason + 1 : reason);
  } else if (strncmp(line, "restart ", 8) == 0) {
    server.restarting = true;
    close_all(LWS_CLOSE_STATUS_GOINGAWAY, line + 8);
  }
}

/* Standard input is readable. */
static int read_commands(void) {
  ssize_t n =
      read(STDIN_FILENO, server.line + server.line_size, LINE_MAX_SIZE - 1 - server.line_size);
  if (n <= 0) exit(0); /* the suite has ended */
  server.line_size += (size_t)n;
  server.line[server.line_size] = '\0';
  for (char *end; (end = strchr(server.line, '\n')) != NULL;) {
    *end = '\0';
    obey(server.line);
    server.line_size -= (size_t)(end + 1 - server.line);
    memmove(server.line, end + 1, server.line_size + 1);
  }
  return 0;
}

/* ---------------------------------------------------------------- libwebsockets */

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size) {
  char room[64];
  switch (reason) {
  case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY: /* not 0: not for this connection */
    return !query(wsi, "deflate", room, sizeof room);
  case LWS_CALLBACK_ESTABLISHED:
    opened(user, wsi);
    return 0;
  case LWS_CALLBACK_RECEIVE:
    return received(user, in, size);
  case LWS_CALLBACK_RECEIVE_PONG:
    say(((session *)user)->id, "PONG ", in, size);
    return 0;
  case LWS_CALLBACK_SERVER_WRITEABLE:
    return writable(user);
  case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    close_came(user, in, size);
    return 0;
  case LWS_CALLBACK_CLOSED:
    closed(user);
    return 0;
  case LWS_CALLBACK_RAW_RX_FILE:
    return read_commands();
  case LWS_CALLBACK_RAW_CLOSE_FILE: /* standard input ended, unless it is opened anew */
    if (!server.restarting) exit(0);
    return 0;
  default:
    return 0;
  }
}

static const struct lws_protocols protocols[] = {
    {"echo", on_event, sizeof(session), 65536, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static const struct lws_extension extensions[] = {
    {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"},
    {NULL, NULL, NULL},
};

/* Listens, on the same port as before where there was one, and watches standard input. */
static void listen_anew(void) {
  struct lws_context_creation_info info;
  memset(&info, 0, sizeof info);
  info.port = server.port;
  info.iface = "127.0.0.1";
  info.protocols = protocols;
  info.extensions = extensions;
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
  server.context = lws_create_context(&info);
  struct lws_vhost *vhost = server.context ? lws_create_vhost(server.context, &info) : NULL;
  if (!vhost) die("cannot listen");
  server.port = lws_get_vhost_listen_port(vhost);
  lws_sock_file_fd_type input;
  input.filefd = dup(STDIN_FILENO);
  if (!lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, input, "echo", NULL)) {
    die("cannot watch standard input");
  }
}

int main(void) {
  lws_set_log_level(LLL_ERR, NULL);
  listen_anew();
  printf("PORT %d\n", server.port);
  fflush(stdout);
  while (lws_service(server.context, 0) >= 0) {
    if (!server.restarting || server.sessions) continue;
    lws_context_destroy(server.context);
    server.restarting = false;
    listen_anew();
    puts("RESTARTED");
    fflush(stdout);
  }
  return 1;
}
