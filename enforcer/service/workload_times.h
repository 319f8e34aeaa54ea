/* Since when the rules of each local workload are as they are: one time for all, and one for each workload that changed
 * after it. A policy or a generation begins anew for all, so what is kept is what came, or became another, since then.
 */
#ifndef ENFORCER_SERVICE_WORKLOAD_TIMES_H
#define ENFORCER_SERVICE_WORKLOAD_TIMES_H

#include "enforcer/desired/state.h"

struct workload_times {
	int64_t all; /* Unix time in seconds; 0: nothing is in force yet */
	struct workload_time *items;
};

/* The rules of all became what they are at `now`. */
void workload_times_reset(struct workload_times *times, int64_t now);

/* Those of these did, as far as they run on `node`; who is gone is forgotten. */
void workload_times_note(struct workload_times *times, const char *node, const struct changes *changes, int64_t now);

int64_t workload_times_find(const struct workload_times *times, const struct workload *workload);

/* Frees what it holds. */
void workload_times_finish(struct workload_times *times);

#endif
