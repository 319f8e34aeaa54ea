/* The text exposition format (prometheus.io/docs/instrumenting/exposition_formats). */
#include "enforcer/service/exposition.h"

#include <math.h>
#include <string.h>

static const char *const type_names[] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

/* A backslash before each of `marks`, and \n for a newline. */
static void print_escaped(FILE *stream, const char *text, const char *marks)
{
	for (; *text != 0; text++) {
		if (*text == '\n') {
			fputs("\\n", stream);
			continue;
		}
		if (strchr(marks, *text) != NULL)
			fputc('\\', stream);
		fputc(*text, stream);
	}
}

/* Whole numbers up to 10^15 without an exponent. */
static void print_value(FILE *stream, double value)
{
	if (isnan(value))
		fputs("NaN", stream);
	else if (isinf(value))
		fputs(value > 0 ? "+Inf" : "-Inf", stream);
	else
		fprintf(stream, "%.15g", value);
}

static void print_labels(FILE *stream, const struct sample_label *labels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(stream, "%c%s=\"", i == 0 ? '{' : ',', labels[i].name);
		print_escaped(stream, labels[i].value, "\\\"");
		fputc('"', stream);
	}
	if (count > 0)
		fputc('}', stream);
}

static void print_sample(const struct exposition *to, const char *suffix, const struct sample_label *labels,
			 size_t count, double value)
{
	fprintf(to->stream, "%s%s", to->name, suffix);
	print_labels(to->stream, labels, count);
	fputc(' ', to->stream);
	print_value(to->stream, value);
	fputc('\n', to->stream);
}

void exposition_metric(struct exposition *to, const char *name, enum metric_type type, const char *help)
{
	to->name = name;
	fprintf(to->stream, "# HELP %s ", name);
	print_escaped(to->stream, help, "\\");
	fprintf(to->stream, "\n# TYPE %s %s\n", name, type_names[type]);
}

void exposition_sample(const struct exposition *to, const struct sample_label *label, double value)
{
	exposition_sample_of(to, label, label != NULL, value);
}

void exposition_sample_of(const struct exposition *to, const struct sample_label *labels, size_t count, double value)
{
	print_sample(to, "", labels, count, value);
}

void exposition_histogram(const struct exposition *to, const struct sample_label *label,
			  const struct histogram *histogram)
{
	char bound[32];
	struct sample_label labels[2] = {*label, {"le", bound}};
	uint64_t below = 0;
	for (size_t i = 0; i <= DURATION_BUCKETS; i++) {
		if (i < DURATION_BUCKETS)
			snprintf(bound, sizeof bound, "%g", duration_bounds[i]);
		else
			strcpy(bound, "+Inf");
		below += histogram->counts[i];
		print_sample(to, "_bucket", labels, 2, (double)below);
	}
	print_sample(to, "_sum", labels, 1, histogram->sum);
	print_sample(to, "_count", labels, 1, (double)below);
}
