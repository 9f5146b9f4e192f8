/* The process and its environment. */
#ifndef WSC_NET_ENVIRONMENT_H
#define WSC_NET_ENVIRONMENT_H

/* A variable's value, lent; NULL: it is not set, or empty, or who runs the program is not who it
 * runs for (setuid and the like), and so has no say. */
const char *wsc_environment_trusted(const char *name);

/* Tells a forked child from its parent; 0 on a system without fork. */
int wsc_process_id(void);

#endif
