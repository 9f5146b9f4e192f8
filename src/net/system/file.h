/* Files that the program or the system names: a name is UTF-8 on Windows, bytes elsewhere. */
#ifndef WSC_NET_FILE_H
#define WSC_NET_FILE_H

#include "wsclose.h"

/* What tells that a file was replaced or written to; false: there is none. */
#define WSC_FILE_MARKS 4
bool wsc_file_marks(const char *path, uint64_t marks[WSC_FILE_MARKS]);

/* May it be read?  0, or the number of the error. */
int wsc_file_check(const char *path);

/* Is there a name in the folder that `fits`?  0; -1: none; or the number of the error. */
int wsc_folder_find(const char *path, bool (*fits)(const char *name));

/* To write behind what stands there, which nobody waits for; -1: *number says why. */
int wsc_file_append(const char *path, int *number);
void wsc_file_write(int file, const char *data, size_t size);
void wsc_file_close(int file);

/* The certificate authorities (DER, lent) that the system keeps where no file is; false: it keeps
 * them in files. */
bool wsc_authorities_each(void (*take)(void *user, const uint8_t *der, size_t size), void *user);

#endif
