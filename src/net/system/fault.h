/* What the system's error numbers mean to a connection: a wsc_error and a sentence. */
#ifndef WSC_NET_FAULT_H
#define WSC_NET_FAULT_H

#include "wsclose.h"

/* What was being done when the fault came. */
typedef enum wsc_operation { WSC_OPERATION_CONNECT, WSC_OPERATION_TRANSFER } wsc_operation;

/* The number of errno that means the same as one of the system's sockets: on Windows those have
 * their own. */
int wsc_errno_of_system(int number);

/* The error for `number`, of errno or the system's; a sentence that names `peer` ("192.0.2.1 port
 * 80") goes into text. */
int wsc_fault_of_errno(char *text, size_t size, int number, wsc_operation operation,
                       const char *peer);

/* The system's words for an error number, and for what getaddrinfo returned just now. */
void wsc_errno_words(char *text, size_t size, int number);
void wsc_lookup_words(char *text, size_t size, int code);

#endif
