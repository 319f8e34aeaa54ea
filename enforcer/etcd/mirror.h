/* What an etcd store holds below a key, followed: a list, then every change by a watch that goes on from the revision
 * where the list, or the watch before it, ended. What the store was and is no more is told apart from what it deleted:
 * a store that was wiped, or put back from a backup, is another store. */
#ifndef ENFORCER_ETCD_MIRROR_H
#define ENFORCER_ETCD_MIRROR_H

#include "enforcer/etcd/etcd.h"

struct mirror_calls {
	/* A list begins: the keys that are put before `settled` are all there are. `same`: of the store that was
	 * followed so far; else of another one (false for the first list, too). `store`: its name, borrowed. */
	void (*list)(void *context, bool same, const char *store);
	/* `key` without the prefix that is mirrored; `revision` in which it was put. All is borrowed. */
	void (*put)(void *context, const char *key, const char *value, size_t length, int64_t revision);
	/* By somebody, or since its lease ran out; what one transaction did comes without `settled` in between. */
	void (*removed)(void *context, const char *key, int64_t revision);
	/* What belongs together was told. */
	void (*settled)(void *context);
	/* The store cannot be followed, and why; NULL: it is again. It is tried again and again. */
	void (*problem)(void *context, const char *text);
	void *context;
};

struct mirror;

/* Begins to follow the keys below PREFIX/`below`, which ends with a slash. `etcd` and `events` must outlive the mirror,
 * which is the caller's to destroy. `*mirror` is NULL after an error, a negative errno. */
int mirror_create(struct mirror **mirror, sd_event *events, struct etcd *etcd, const char *below,
		  const struct mirror_calls *calls);
void mirror_destroy(struct mirror *mirror);

/* How often the store is asked whether it is still there, and the same: seconds. */
enum { MIRROR_BEAT_S = 10 };

#endif
