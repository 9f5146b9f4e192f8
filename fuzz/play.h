/* Plays a stream of bytes into a connection, cut in a given way, and writes down all that can be
 * seen of it.  On the way it holds what is true of every stream: one close event at the very end,
 * messages within their limit and in UTF-8, and well-formed output. */
#ifndef WSC_FUZZ_PLAY_H
#define WSC_FUZZ_PLAY_H

#include "support.h"

typedef struct fuzz_plan {
  bool server, trace;
  size_t piece_size; /* 0: messages are given whole */
  const wsc_extension *extensions;
  size_t extension_count;
  const char *const *protocols;
  size_t protocol_count;
  fuzz_input actions; /* what the program does after each event, one byte an event */
  const char *head;   /* what stands before the stream: an answer or a request, or "" */
  fuzz_input stream;
} fuzz_plan;

enum { FUZZ_MESSAGE_MAX = 2000, FUZZ_FRAME_MAX = 1500, FUZZ_FRAGMENTS_MAX = 6 };

/* Heads of valid handshakes. */
extern const char fuzz_answer[], fuzz_answer_deflate[], fuzz_answer_no_takeover[];
extern const char fuzz_request[], fuzz_request_deflate[];

void fuzz_plan_config(const fuzz_plan *plan, wsc_config *config, const wsc_platform *platform);

/* One of a dozen things that a program may do; its result goes into the log. */
void fuzz_act(wsc_conn *conn, uint8_t action, fuzz_log *log);

/* Holds what is true of an event and writes it down. */
void fuzz_take(wsc_conn *conn, const wsc_event *event, fuzz_log *log);

/* Well-formed frames of the right side behind a head, and none behind a Close.  `whole`: nothing is
 * cut short.  Gives how many messages stand there whole. */
size_t fuzz_check_output(fuzz_input output, bool server, bool whole);

/* Plays the plan whole, byte by byte, cut as `cuts` says, and so with messages given in pieces; all
 * four must look the same. */
void fuzz_hold_law(const fuzz_plan *plan, fuzz_input cuts);

#endif
