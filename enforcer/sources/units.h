/* The services that run here, as the kernel's tree of cgroups tells: no D-Bus, no privilege. */
#ifndef ENFORCER_SOURCES_UNITS_H
#define ENFORCER_SOURCES_UNITS_H

#include <ringfence/inventory.h>

struct arena;

/* Which units are workloads. */
struct units {
	const char *root;	/* where cgroup2 is mounted */
	const char *name_space; /* of the workloads */
	const char **patterns;	/* as of a shell: nginx.service, app-*.service */
	size_t pattern_count;
};

enum { UNITS_MOST = 4096 };

/* Whether cgroup2 is mounted at `root`. Returns 0 or a negative errno: -ENODEV when it is something else. */
int units_check_root(const char *root);

/* Reads which units run, as workloads of `node` sorted by name, into an empty `inventory`; all in `arena`. Returns 0 or
 * a negative errno, -E2BIG when there are more than UNITS_MOST. */
int units_read(struct arena *arena, const struct units *units, const char *node, struct inventory *inventory);

#endif
