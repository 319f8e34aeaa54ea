/* Reads the counters of allows, and of what is denied, from the kernel. */
#ifndef ENFORCER_KERNEL_ALLOW_COUNTERS_H
#define ENFORCER_KERNEL_ALLOW_COUNTERS_H

#include <ringfence/ruleset.h>

struct kernel;

/* One counter. The kernel gives a table and a counter in it numbers that nothing else has until the next boot: with
 * other numbers it began anew. */
struct allow_counter {
	char name[COUNTER_NAME_SIZE];
	uint64_t table, handle;
	uint64_t packets, bytes;
};

/* Calls for each counter of our table that is called as those of allows are, or as denial_counters; a table that is not
 * there has none. Returns 0 or a negative errno: -EAGAIN where the ruleset changed all the while, so that some may have
 * been told twice, or not.
 */
int allow_counters_read(struct kernel *kernel, void (*call)(void *context, const struct allow_counter *counter),
			void *context);

/* The same of denial_counters alone, so that it costs the same however many allows there are. */
int denial_counters_read(struct kernel *kernel, void (*call)(void *context, const struct allow_counter *counter),
			 void *context);

#endif
