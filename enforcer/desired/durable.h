/* Small files that must survive a crash of the machine: whole before, or whole after. */
#ifndef ENFORCER_DESIRED_DURABLE_H
#define ENFORCER_DESIRED_DURABLE_H

#include <stddef.h>

/* Replaces the file `name` in `directory`, a descriptor, with `length` bytes; it is on the disk when this returns 0.
 * Mode 0600. A negative errno: what was there still is, unless only the last wait failed. */
int durable_write(int directory, const char *name, const char *bytes, size_t length);

/* Reads a file of at most `most` bytes into `*bytes`, the caller's to free. Returns 0 or a negative errno: -ENOENT,
 * -EFBIG, or -EINVAL for what is no regular file. */
int durable_read(int directory, const char *name, size_t most, char **bytes, size_t *length);

#endif
