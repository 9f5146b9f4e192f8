/* What all streams have in common: see stream.h. */
#include "stream.h"

#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

enum { SENTENCE_SIZE = 256 };

bool wsc_stream_can_wait(const wsc_stream *stream) {
  while (stream && stream->ops->read_wait) stream = stream->lower;
  return !stream;
}

uint32_t wsc_stream_unsent(const wsc_stream *stream) {
  while (stream->lower) stream = stream->lower;
  return stream->ops->unsent ? stream->ops->unsent(stream) : 0;
}

bool wsc_stream_holds(const wsc_stream *stream) {
  return (stream->ops->want(stream, 0) & WSC_WANT_WRITE) != 0;
}

void wsc_stream_say(wsc_stream *stream, const char *format, ...) {
  char text[SENTENCE_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  wsc_release(stream->platform, stream->fault);
  stream->fault = wsc_copy_string(stream->platform, text, strlen(text));
}

const char *wsc_stream_fault(const wsc_stream *stream, int error) {
  return stream->fault ? stream->fault : wsc_error_name(error);
}

void wsc_stream_forget_fault(wsc_stream *stream) {
  wsc_release(stream->platform, stream->fault);
  stream->fault = NULL;
}
