/* CONNECT, RFC 9110 9.3.6, with Basic authentication, RFC 7617. */
#include "tunnel_private.h"

#include "http.h"

#include <stdio.h>
#include <string.h>

#include "hidden.h"

/* Bytes of the answer's head, with those of 1xx answers before it. */
#define CONNECT_HEAD_MAX 16384

/* The credentials in their two forms, one behind the other: user and password as they are sent
 * stand at the block's front.  *size: of the block, to be wiped.  NULL: no memory. */
static char *code_credentials(const wsc_tunnel *tunnel, size_t *size) {
  size_t plain_size = strlen(tunnel->user) + 1 + strlen(tunnel->password);
  size_t coded_size = (plain_size + 2) / 3 * 4 + 1;
  *size = coded_size + plain_size + 1;
  char *block = wsc_alloc(tunnel->platform, *size, 1);
  if (!block) return NULL;
  char *plain = block + coded_size;
  snprintf(plain, plain_size + 1, "%s:%s", tunnel->user, tunnel->password);
  wsc_base64(block, (const uint8_t *)plain, plain_size);
  return block;
}

static bool connect_begin(wsc_tunnel *tunnel, const wsc_proxy *proxy) {
  size_t size = 0;
  char *coded = tunnel->user ? code_credentials(tunnel, &size) : NULL;
  if (tunnel->user && !coded) return false;
  const char *const request[] = {"CONNECT ",
                                 tunnel->authority,
                                 " HTTP/1.1\r\nHost: ",
                                 tunnel->authority,
                                 coded ? "\r\nProxy-Authorization: Basic " : "",
                                 coded ? coded : "",
                                 "\r\n",
                                 proxy->headers ? proxy->headers : "",
                                 "\r\n",
                                 NULL};
  bool done = wsc_buf_append_strings(&tunnel->output, request);
  wsc_wipe(coded, size);
  wsc_release(tunnel->platform, coded);
  return done;
}

/* The proxy's words end up in a log: printable ASCII only. */
static void copy_reason(char *out, size_t size, const char *reason) {
  size_t used = 0;
  for (; *reason != '\0' && used + 1 < size; reason++) {
    unsigned char c = (unsigned char)*reason;
    out[used++] = c >= ' ' && c < 127 ? *reason : '?';
  }
  out[used] = '\0';
}

static int connect_refused(wsc_tunnel *tunnel, const wsc_http_head *head) {
  char reason[80];
  copy_reason(reason, sizeof reason, head->reason);
  return wsc_tunnel_fail(tunnel, "the proxy refused the tunnel to %.120s: %d%s%s",
                         tunnel->authority, head->status, *reason == '\0' ? "" : " ", reason);
}

/* A whole head: WSC_AGAIN for a 1xx answer, which another follows (RFC 9110 15.2). */
static int check_proxy_head(wsc_tunnel *tunnel, size_t size) {
  wsc_http_head head;
  const char *sentence = "";
  int result = wsc_http_parse_response(&head, tunnel->platform, wsc_buf_data(&tunnel->input), size,
                                       &sentence);
  if (result == WSC_ERR_MEMORY) return result;
  if (result != WSC_OK)
    return wsc_tunnel_fail(tunnel, "the proxy's answer to CONNECT is not HTTP: %s", sentence);
  wsc_buf_consume(&tunnel->input, size);
  tunnel->scanned = 0;
  tunnel->skipped += size;
  if (head.status > 199 || head.status == 101) {
    tunnel->status = head.status;
    result = head.status / 100 == 2 ? WSC_OK : connect_refused(tunnel, &head);
  } else {
    result = WSC_AGAIN;
  }
  wsc_http_head_free(&head);
  return result;
}

/* Something else than HTTP need not be waited for until an empty line comes. */
static bool begins_like_http(const wsc_buf *input) {
  static const char begin[] = "HTTP/1.";
  size_t size = wsc_buf_size(input);
  if (size > sizeof begin - 1) size = sizeof begin - 1;
  return memcmp(wsc_buf_data(input), begin, size) == 0;
}

static int connect_answer(wsc_tunnel *tunnel) {
  int result = WSC_AGAIN;
  while (result == WSC_AGAIN) {
    size_t held = wsc_buf_size(&tunnel->input);
    if (held == 0) return WSC_AGAIN;
    if (!begins_like_http(&tunnel->input))
      return wsc_tunnel_fail(tunnel, "the proxy's answer to CONNECT is not HTTP");
    size_t size = wsc_http_find_end(wsc_buf_data(&tunnel->input), held, &tunnel->scanned);
    if (tunnel->skipped + (size == 0 ? held : size) > CONNECT_HEAD_MAX)
      return wsc_tunnel_fail(tunnel,
                             "the head of the proxy's answer to CONNECT is longer than %d bytes",
                             CONNECT_HEAD_MAX);
    if (size == 0) return WSC_AGAIN;
    result = check_proxy_head(tunnel, size);
  }
  return result;
}

const wsc_tunnel_protocol wsc_tunnel_http = {
    .name = "HTTP", .begin = connect_begin, .answer = connect_answer};
