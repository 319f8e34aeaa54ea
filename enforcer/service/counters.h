/* What the daemon did since it started, counted where it happens; metrics.c tells it. */
#ifndef ENFORCER_SERVICE_COUNTERS_H
#define ENFORCER_SERVICE_COUNTERS_H

#include "enforcer/kernel/bypass.h"

#include <ringfence/ruleset.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a change was made. */
enum apply_kind {
	APPLY_WORKLOADS,  /* element by element */
	APPLY_POLICY,	  /* class by class, in place */
	APPLY_GENERATION, /* as a whole: a new generation, or what differs from the one that is there */
	APPLY_REPAIR,	  /* of what others changed */
	APPLY_SWEEP,	  /* what no workload has had for a while is deleted */
	APPLY_KINDS
};

enum { DURATION_BUCKETS = 16 };

/* The buckets' upper bounds in seconds, ascending. */
extern const double duration_bounds[DURATION_BUCKETS];

struct histogram {
	uint64_t counts[DURATION_BUCKETS + 1]; /* each of its bucket alone; the last, of what is over every bound */
	double sum;			       /* seconds */
};

struct counters {
	struct histogram applied[APPLY_KINDS]; /* how long those took that the kernel holds now, planning included */
	uint64_t failed[APPLY_KINDS];	       /* tries that failed: refused by the kernel, or too large */
	uint64_t generations;		       /* made */
	/* Policies, by what became of them: changed in place, a generation, or refused. */
	uint64_t policies_in_place, policies_by_generation, policies_refused;
	int64_t policy_refused_at; /* Unix time of the last; 0: none */
	/* Times that the table was read back to compare it; unfinished: it could not be read, or changed all the time.
	 */
	uint64_t checks_whole, checks_differing, checks_unfinished;
	uint64_t strangers;		 /* workloads that no source names, now */
	uint64_t bypasses[BYPASS_KINDS]; /* of what would defeat the table without touching it, now */
	int64_t checked_at;		 /* Unix time when it was last compared; 0: never */
	double check_duration;		 /* seconds from the beginning to the end of that */
	uint64_t denials[DENIAL_COUNTS]; /* packets, in all, when they were read last */
};

void histogram_add(struct histogram *histogram, double seconds);

/* Counts a change that was begun at `started` (monotonic seconds) and ended now with `error`, 0 or a negative errno.
 * -EAGAIN is no end: it will be made in another way. */
void count_apply(struct counters *counters, enum apply_kind kind, double started, int error);

void count_refused_policy(struct counters *counters);

/* Counts a check that was begun at `started` (monotonic seconds), and has compared the whole table now. */
void count_check(struct counters *counters, double started, bool differs);

/* Seconds of the monotonic clock. */
double monotonic_seconds(void);

#endif
