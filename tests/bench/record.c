/* What a bench says: one JSON object a line, at once, so that a bench that is ended early has said what it knows. */
#include "tests/bench/record.h"

#include <stdio.h>
#include <stdlib.h>

void record(const char *bench, const char *variant, unsigned entries, const char *metric, double value)
{
	printf("{\"bench\":\"%s\",\"variant\":\"%s\",\"entries\":%u,\"metric\":\"%s\",\"value\":%.7g}\n", bench,
	       variant, entries, metric, value);
	fflush(stdout);
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

void record_times(const char *bench, const char *variant, unsigned entries, const char *prefix, uint64_t *times,
		  size_t count)
{
	static const unsigned percents[] = {50, 99};
	if (count == 0)
		return;
	qsort(times, count, sizeof *times, compare);
	for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
		char metric[32];
		snprintf(metric, sizeof metric, "%sp%u_ms", prefix, percents[i]);
		record(bench, variant, entries, metric, (double)times[(count * percents[i] + 99) / 100 - 1] / 1e6);
	}
}
