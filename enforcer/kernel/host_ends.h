/* The interfaces by which the hooks of this host see what comes from a network namespace: for the source guard of a
 * container. */
#ifndef ENFORCER_KERNEL_HOST_ENDS_H
#define ENFORCER_KERNEL_HOST_ENDS_H

#include "enforcer/kernel/neighbours.h"

struct arena;

struct interfaces {
	const char **names;
	uint32_t count;
};

/* Those of the namespace that this one knows by the number `space`. The other end of its link is what hooks see, or the
 * bridge that this is a port of. Such a bridge counts only where behind each of its ports is a namespace: what else is
 * behind one, such as the network outside, may have any source. Sorted, in `arena`. */
struct interfaces host_ends_choose(struct arena *arena, const struct link *links, size_t count, int space);

struct host_ends;

/* Reads all links of this namespace, without any privilege. The caller closes what is made. Returns 0 or a negative
 * errno. */
int host_ends_open(struct host_ends **ends);
void host_ends_close(struct host_ends *ends); /* NULL is allowed */

/* As host_ends_choose for the namespace in which the process `pid` is; none where there is no such process. Returns 0
 * or a negative errno. */
int host_ends_of(struct host_ends *ends, uint32_t pid, struct arena *arena, struct interfaces *interfaces);

#endif
