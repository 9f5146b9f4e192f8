/* What the environment of the process says. */
#ifndef WSC_NET_ENVIRONMENT_H
#define WSC_NET_ENVIRONMENT_H

/* A variable's value, lent; NULL: it is not set, or empty, or who runs the program is not who it
 * runs for (setuid and the like), and so has no say. */
const char *wsc_environment_trusted(const char *name);

#endif
