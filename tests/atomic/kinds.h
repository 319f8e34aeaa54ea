/* The kinds of change that atomic.c makes: each a ring of worlds, and the flows that are sent meanwhile. */
#ifndef TESTS_ATOMIC_KINDS_H
#define TESTS_ATOMIC_KINDS_H

#include <stddef.h>

enum { WORLDS_MAX = 3, KIND_COUNT = 26, PLACE_COUNT = 9 };

/* An address of each family, at a host of the lab. */
struct kind_place {
	const char *name;
	size_t host;
	const char *addresses[2];
};
extern const struct kind_place kind_places[PLACE_COUNT];

/* What the files say. From one world to the next in the ring either the policy changes or the workloads do. */
struct kind_world {
	const char *policy;
	const char *workloads;
	size_t crowd; /* this many more workloads {app: web} on another node */
};

struct kind {
	const char *name;
	size_t world_count;
	struct kind_world worlds[WORLDS_MAX];
	const char *flows; /* FROM>TO:PORT, names of places, ports of UDP */
};
extern const struct kind kinds[KIND_COUNT];

#endif
