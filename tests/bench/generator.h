/* Changes of a fleet's workload files, so many a second, whatever the daemon makes of them. */
#ifndef TESTS_GENERATOR_H
#define TESTS_GENERATOR_H

#include "tests/bench/fleet.h"

struct generator {
	const struct fleet *fleet;
	const char *directory;
	unsigned rate; /* a second */
	double seconds;
	/* Called before a workload that was not there, or gets other addresses, is written; or NULL. */
	void (*note)(void *context, const struct fleet_workload *workload);
	void *context;
};

/* What came of it. */
struct generated {
	unsigned changes;
	uint64_t late_ns; /* how far it was behind its pace, at most */
};

/* Moves, relabels, removes and adds workloads in turn, each a quarter of a second after the change before: a tenth are
 * those of node 0, the others of other nodes where there are some. `rate` is at least 40, and less than 40 for each
 * workload of a node. Blocks until it is done; then every workload is there again. Changes 0 with errno when a file
 * cannot be written. */
struct generated generator_run(const struct generator *generator);

#endif
