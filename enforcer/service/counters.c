/* Counting what the daemon does. */
#include "enforcer/service/counters.h"

#include <errno.h>
#include <time.h>

/* From one element to a million: 100 us to 10 s. */
const double duration_bounds[DURATION_BUCKETS] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
						  0.05,	  0.1,	   0.25,   0.5,	  1,	  2.5,	 5,    10};

double monotonic_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void histogram_add(struct histogram *histogram, double seconds)
{
	size_t i = 0;
	while (i < DURATION_BUCKETS && seconds > duration_bounds[i])
		i++;
	histogram->counts[i]++;
	histogram->sum += seconds;
}

void count_apply(struct counters *counters, enum apply_kind kind, double started, int error)
{
	if (error == 0)
		histogram_add(&counters->applied[kind], monotonic_seconds() - started);
	else if (error != -EAGAIN)
		counters->failed[kind]++;
}

void count_refused_policy(struct counters *counters)
{
	counters->policies_refused++;
	counters->policy_refused_at = (int64_t)time(NULL);
}

void count_check(struct counters *counters, double started, bool differs)
{
	counters->checks_whole += !differs;
	counters->checks_differing += differs;
	counters->checked_at = (int64_t)time(NULL);
	counters->check_duration = monotonic_seconds() - started;
}
