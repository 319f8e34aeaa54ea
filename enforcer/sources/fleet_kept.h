/* What holds of the other nodes, as one sequence of bytes: for a daemon that starts while the store is away.
 *
 *     for each key: length 4 | key | length 4 | value
 *
 * The keys and values are those of the store, below FLEET_WORKLOADS, with the name of the store as the value of the
 * first, an empty one. Lengths are little-endian. */
#ifndef ENFORCER_SOURCES_FLEET_KEPT_H
#define ENFORCER_SOURCES_FLEET_KEPT_H

#include "enforcer/sources/fleet_remote.h"

/* Returns the bytes, the caller's to free. */
uint8_t *fleet_kept_write(const struct remotes *all, const char *store, size_t *length);

/* Calls `put` for each key; the first is the store's. All is borrowed, and `value` ends with no 0. Returns false where
 * the bytes make no sense; what comes before that was put. */
bool fleet_kept_read(const uint8_t *bytes, size_t length,
		     void (*put)(void *context, const char *key, const char *value, size_t length), void *context);

#endif
