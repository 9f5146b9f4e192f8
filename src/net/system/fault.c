/* Error numbers as sentences: see fault.h. */
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

#ifndef EHOSTDOWN
#define EHOSTDOWN EHOSTUNREACH
#endif

typedef struct meaning {
  int number;
  int error;
  const char *words; /* %s is the peer */
} meaning;

static const meaning connect_meanings[] = {
    {ECONNREFUSED, WSC_ERR_REFUSED, "connection refused by %s"},
    {EAGAIN, WSC_ERR_REFUSED, "connection refused by %s: its queue is full"}, /* unix sockets */
    {ENOENT, WSC_ERR_UNREACHABLE, "there is no socket at %s"},
    {ECONNRESET, WSC_ERR_RESET, "connection reset by %s"},
    {ECONNABORTED, WSC_ERR_RESET, "connection to %s was aborted"},
    {ETIMEDOUT, WSC_ERR_TIMEOUT, "no answer from %s"},
    {ENETUNREACH, WSC_ERR_UNREACHABLE, "no route to %s"},
    {EHOSTUNREACH, WSC_ERR_UNREACHABLE, "no route to %s"},
    {ENETDOWN, WSC_ERR_UNREACHABLE, "the network to %s is down"},
    {EHOSTDOWN, WSC_ERR_UNREACHABLE, "%s is down"},
    {EADDRNOTAVAIL, WSC_ERR_UNREACHABLE, "no local address to reach %s from"},
    {EAFNOSUPPORT, WSC_ERR_UNREACHABLE, "this system has no route to %s"},
    {EACCES, WSC_ERR_UNREACHABLE, "not permitted to connect to %s"},
    {EPERM, WSC_ERR_UNREACHABLE, "not permitted to connect to %s"},
    {ENOMEM, WSC_ERR_MEMORY, "no memory to connect to %s"},
    {ENOBUFS, WSC_ERR_MEMORY, "no memory to connect to %s"},
    {0, WSC_ERR_UNREACHABLE, "cannot connect to %s"},
};

static const meaning transfer_meanings[] = {
    {ECONNRESET, WSC_ERR_RESET, "connection reset by %s"},
    {EPIPE, WSC_ERR_RESET, "connection reset by %s"},
    {ETIMEDOUT, WSC_ERR_TIMEOUT, "the connection to %s timed out"},
    {ENETUNREACH, WSC_ERR_UNREACHABLE, "the route to %s was lost"},
    {EHOSTUNREACH, WSC_ERR_UNREACHABLE, "the route to %s was lost"},
    {ENETDOWN, WSC_ERR_UNREACHABLE, "the network to %s went down"},
    {ENOMEM, WSC_ERR_MEMORY, "no memory for the connection to %s"},
    {ENOBUFS, WSC_ERR_MEMORY, "no memory for the connection to %s"},
    {0, WSC_ERR_RESET, "the connection to %s failed"},
};

/* The table's last entry has number 0 and fits every number. */
static const meaning *find_meaning(const meaning *table, int number) {
  while (table->number != 0 && table->number != number) table++;
  return table;
}

int wsc_fault_of_errno(char *text, size_t size, int number, wsc_operation operation,
                       const char *peer) {
  const meaning *found =
      find_meaning(operation == WSC_OPERATION_CONNECT ? connect_meanings : transfer_meanings,
                   wsc_errno_of_system(number));
  int length = snprintf(text, size, found->words, peer);
  if (found->number == 0 && length > 0 && (size_t)length + 2 < size) {
    memcpy(text + length, ": ", 3);
    wsc_errno_words(text + length + 2, size - (size_t)length - 2, number);
  }
  return found->error;
}
