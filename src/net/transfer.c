/* Bytes between stream and connection.
 *
 * One read a step, one write for all that waits: a second recv that only says EAGAIN costs a tenth
 * of a round trip, and so does a poll before the recv.  So where bytes are about to come, the wait
 * for them is the read itself; else what a wait found out is used, and where nothing is known and
 * the last read came back empty, a look with poll comes first: it needs no buffer to read into, and
 * an idle connection holds none. */
#include "client.h"

#include "core/hidden.h"

/* Of one read, whatever a long message has room for: a kernel may hold several megabytes, and to
 * copy them at one go would hold up a frame. */
enum { READ_MAX = 1024 * 1024 };

/* The transport failed: the connection is told, in the phase it is in. */
static void abort_stream(wsc_client *client, int error) {
  wsc_conn_abort(client->conn, error, wsc_conn_phase(client->conn),
                 wsc_stream_fault(client->stream, error));
  client->broken = true;
}

/* Will more be read once the events there are have been taken?  A pause holds messages back.  It
 * does not hold up the handshake, nor the peer's Close once the connection is closing. */
static bool goes_on_reading(const wsc_client *client) {
  if (client->readable == WSC_READABLE_ENDED || wsc_conn_is_closed(client->conn)) return false;
  return !wsc_client_holds(client);
}

bool wsc_client_reads(const wsc_client *client) {
  return goes_on_reading(client) && wsc_conn_wants_input(client->conn);
}

/* Events that are not taken yet change nothing here: what is registered stays so over them. */
unsigned wsc_client_wants(const wsc_client *client) {
  unsigned wishes = 0;
  if (goes_on_reading(client)) wishes |= WSC_WANT_READ;
  if (client->write_error == WSC_OK && (client->blocked || wsc_conn_output_size(client->conn) > 0))
    wishes |= WSC_WANT_WRITE;
  return client->stream->ops->want(client->stream, wishes);
}

/* ---------------------------------------------------------------- reading */

static void look_if_quiet(wsc_client *client) {
  wsc_watch watch = {.fd = client->stream->ops->fd(client->stream),
                     .want = wsc_client_wants(client)};
  if (client->ready_known || client->readable != WSC_READABLE_QUIET) return;
  wsc_watch_look(&watch, 1, client->ready);
  client->ready_known = true;
}

/* TLS may have to write in order to read: above a bare socket any readiness will do. */
static bool may_read(wsc_client *client) {
  const wsc_stream *stream = client->stream;
  if (client->write_error != WSC_OK || stream->ops->pending(stream)) return true;
  look_if_quiet(client);
  if (!client->ready_known) return true;
  return client->ready[0] & (stream->lower ? WSC_WANT_READ | WSC_WANT_WRITE : WSC_WANT_READ);
}

/* Nothing came, the end, or a fault.  After a failed write nothing more will come than what was
 * there before: some servers answer a Close and reset the connection at once, and what they said
 * first is to be heard. */
static void reading_stopped(wsc_client *client, int64_t result) {
  bool pending = client->stream->ops->pending(client->stream);
  client->readable = result != WSC_AGAIN ? WSC_READABLE_ENDED
                     : pending           ? WSC_READABLE_MORE
                                         : WSC_READABLE_QUIET;
  if (result == WSC_AGAIN && (client->write_error == WSC_OK || pending)) return;
  if (client->write_error != WSC_OK)
    abort_stream(client, client->write_error);
  else if (result == 0)
    wsc_conn_input_eof(client->conn);
  else
    abort_stream(client, (int)result);
}

bool wsc_client_read(wsc_client *client, bool waits) {
  wsc_stream *stream = client->stream;
  size_t room;
  /* nothing more can come: what is left of our Close leaves in time, or not */
  if (client->readable == WSC_READABLE_ENDED) return true;
  if (!wsc_client_reads(client)) return false;
  if (!waits && !may_read(client)) return true;
  uint8_t *data = wsc_conn_input(client->conn, &room);
  if (!data) { /* no memory: the connection has failed, and its time runs on */
    client->readable = WSC_READABLE_QUIET;
    return true;
  }
  if (room > READ_MAX) room = READ_MAX;
  int64_t n = (waits ? stream->ops->read_wait : stream->ops->read)(stream, data, room);
  wsc_conn_input_done(client->conn, n > 0 ? (size_t)n : 0);
  if (n <= 0) {
    reading_stopped(client, n);
    return true;
  }
  bool more = (size_t)n == room || client->write_error != WSC_OK || stream->ops->pending(stream);
  client->readable = more ? WSC_READABLE_MORE : WSC_READABLE_MAYBE;
  return true;
}

/* ---------------------------------------------------------------- writing */

/* A bare socket that takes less than it was offered is full; asking again would only tell so. */
static bool is_full(const wsc_stream *stream, int64_t taken, size_t offered) {
  return taken <= 0 || (!stream->lower && (size_t)taken < offered);
}

/* Bytes that the stream took and could not pass on. */
static int write_held(wsc_stream *stream) {
  if (!wsc_stream_holds(stream)) return WSC_OK;
  int64_t n = stream->ops->write(stream, "", 0);
  return n < 0 ? (int)n : WSC_OK;
}

/* WSC_OK: all that waited was taken and passed on. */
static int write_output(wsc_client *client) {
  wsc_stream *stream = client->stream;
  size_t size;
  const uint8_t *data = wsc_conn_output(client->conn, &size);
  while (size > 0) {
    int64_t n = stream->ops->write(stream, data, size);
    if (n > 0) wsc_conn_output_done(client->conn, (size_t)n);
    if (n < 0 && n != WSC_AGAIN) return (int)n;
    if (is_full(stream, n, size)) return WSC_AGAIN;
    data = wsc_conn_output(client->conn, &size);
  }
  return write_held(stream);
}

void wsc_client_write(wsc_client *client) {
  if (client->write_error != WSC_OK) return;
  int result = write_output(client);
  client->blocked = result == WSC_AGAIN;
  if (result == WSC_OK || result == WSC_AGAIN) return;
  client->write_error = result;
  /* nothing is left to be read first: the peer had ended its side before */
  if (client->readable == WSC_READABLE_ENDED) abort_stream(client, result);
}
