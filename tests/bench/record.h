/* What a bench says: one JSON object a line. */
#ifndef TESTS_RECORD_H
#define TESTS_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* Prints one measurement. `entries` is how much there was of what the bench scales; the unit is in the metric's name.
 */
void record(const char *bench, const char *variant, unsigned entries, const char *metric, double value);

/* Sorts `times` (nanoseconds) and prints PREFIXp50_ms and PREFIXp99_ms; nothing when there are none. */
void record_times(const char *bench, const char *variant, unsigned entries, const char *prefix, uint64_t *times,
		  size_t count);

#endif
