/* What the daemon tells Prometheus: one table, from which /metrics is written. */
#ifndef ENFORCER_SERVICE_METRICS_H
#define ENFORCER_SERVICE_METRICS_H

#include "enforcer/service/daemon.h"
#include "enforcer/service/exposition.h"

struct metric {
	const char *name, *help;
	enum metric_type type;
	/* One of these. Each is quick whatever the size of the table: the event loop waits for it. */
	double (*value)(const struct daemon *daemon);
	void (*samples)(const struct exposition *to, const struct daemon *daemon);
};

extern const struct metric metrics[];
extern const size_t metric_count;

/* Writes every metric. */
void metrics_print(FILE *stream, const struct daemon *daemon);

#endif
