/* Metrics as Prometheus reads them: the text exposition format 0.0.4. */
#ifndef ENFORCER_SERVICE_EXPOSITION_H
#define ENFORCER_SERVICE_EXPOSITION_H

#include "enforcer/service/counters.h"

#include <stdio.h>

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* The metric that is being written. */
struct exposition {
	FILE *stream;
	const char *name;
};

/* Its value is escaped. */
struct sample_label {
	const char *name, *value;
};

/* Writes the lines HELP and TYPE; samples follow. `name` is borrowed until the next call. */
void exposition_metric(struct exposition *to, const char *name, enum metric_type type, const char *help);

/* With one label, NULL for none; or with as many as there are. */
void exposition_sample(const struct exposition *to, const struct sample_label *label, double value);
void exposition_sample_of(const struct exposition *to, const struct sample_label *labels, size_t count, double value);

/* Buckets, each with those below it, the sum and the count. */
void exposition_histogram(const struct exposition *to, const struct sample_label *label,
			  const struct histogram *histogram);

#endif
