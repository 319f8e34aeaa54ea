/* What others changed in our table: the newest records, for status and drift. */
#ifndef ENFORCER_SERVICE_DRIFT_LOG_H
#define ENFORCER_SERVICE_DRIFT_LOG_H

#include "enforcer/kernel/monitor.h"

#include <jansson.h>
#include <stdbool.h>

enum { DRIFT_RECORDS_MAX = 64 };

struct drift_record {
	int64_t time;		   /* Unix time in seconds */
	double received;	   /* monotonic seconds, when the kernel's notification was read */
	double reported, repaired; /* the same, when it was logged, and when the table was whole again; 0: not yet */
	uint32_t pid;
	json_t *process, *changes; /* changes: readable, the first of them */
	json_t *meaning; /* what the comparison after it found, in the policy's terms; NULL: not compared yet */
	size_t count;	 /* of changes */
};

struct drift_log {
	struct drift_record records[DRIFT_RECORDS_MAX];
	size_t next;	 /* records ever added; the newest stands at (next - 1) % DRIFT_RECORDS_MAX */
	size_t repaired; /* records repaired, ever */
};

/* Adds a record, over the oldest when it is full, and logs it to stderr. */
struct drift_record *drift_log_add(struct drift_log *log, const struct monitor_change *change, double received);

/* Notes what a comparison found, with all records since the one before. `meaning` is borrowed. */
void drift_log_explain(struct drift_log *log, json_t *meaning);

/* Notes that every record up to now is repaired. */
void drift_log_repaired(struct drift_log *log, double now);

/* The records as a JSON array, oldest first. */
json_t *drift_log_json(const struct drift_log *log);

void drift_log_finish(struct drift_log *log);

#endif
