/* What Prometheus reads: the form of the text, and the table that it is written from. */
#include "enforcer/service/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the form ---- */

/* Returns what `write` wrote, the caller's to free. */
static char *written(void (*write)(struct exposition *to))
{
	char *text = NULL;
	size_t size = 0;
	struct exposition to = {.stream = open_memstream(&text, &size)};
	write(&to);
	fclose(to.stream);
	return text;
}

static void check_written(void (*write)(struct exposition *to), const char *want)
{
	char *text = written(write);
	char got[4096];
	snprintf(got, sizeof got, "%s", text);
	free(text);
	assert_string_equal(got, want);
}

static void write_samples(struct exposition *to)
{
	exposition_metric(to, "a_total", METRIC_COUNTER, "a \\ and\na \"line\"");
	exposition_sample(to, NULL, 3);
	exposition_sample(to, &(struct sample_label){"name", "a \\ and\na \"line\" = {}"}, 0.25);
	exposition_sample(to, &(struct sample_label){"name", ""}, 999999999999999);
	exposition_metric(to, "b", METRIC_GAUGE, "b");
	exposition_sample(to, NULL, 1795730000.123);
	exposition_sample(to, NULL, NAN);
	exposition_sample(to, NULL, INFINITY);
	exposition_sample(to, NULL, -1);
	exposition_sample_of(to, (const struct sample_label[]){{"one", "1"}, {"two", "\"2\""}}, 2, 1);
}

static void help_and_labels_are_escaped(void **state)
{
	(void)state;
	check_written(write_samples, "# HELP a_total a \\\\ and\\na \"line\"\n"
				     "# TYPE a_total counter\n"
				     "a_total 3\n"
				     "a_total{name=\"a \\\\ and\\na \\\"line\\\" = {}\"} 0.25\n"
				     "a_total{name=\"\"} 999999999999999\n"
				     "# HELP b b\n"
				     "# TYPE b gauge\n"
				     "b 1795730000.123\n"
				     "b NaN\n"
				     "b +Inf\n"
				     "b -1\n"
				     "b{one=\"1\",two=\"\\\"2\\\"\"} 1\n");
}

static void write_histogram(struct exposition *to)
{
	struct histogram histogram = {0};
	const double seconds[] = {0, 0.0001, 0.00011, 0.3, 10, 11};
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
		histogram_add(&histogram, seconds[i]);
	exposition_metric(to, "h", METRIC_HISTOGRAM, "h");
	exposition_histogram(to, &(struct sample_label){"kind", "x"}, &histogram);
}

static void each_bucket_holds_those_below(void **state)
{
	(void)state;
	check_written(write_histogram, "# HELP h h\n# TYPE h histogram\n"
				       "h_bucket{kind=\"x\",le=\"0.0001\"} 2\n"
				       "h_bucket{kind=\"x\",le=\"0.00025\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.0005\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.001\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.0025\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.005\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.01\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.025\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.05\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.1\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.25\"} 3\n"
				       "h_bucket{kind=\"x\",le=\"0.5\"} 4\n"
				       "h_bucket{kind=\"x\",le=\"1\"} 4\n"
				       "h_bucket{kind=\"x\",le=\"2.5\"} 4\n"
				       "h_bucket{kind=\"x\",le=\"5\"} 4\n"
				       "h_bucket{kind=\"x\",le=\"10\"} 5\n"
				       "h_bucket{kind=\"x\",le=\"+Inf\"} 6\n"
				       "h_sum{kind=\"x\"} 21.30021\n"
				       "h_count{kind=\"x\"} 6\n");
}

/* ---- the table ---- */

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), size = strlen(end);
	return length >= size && strcmp(text + length - size, end) == 0;
}

static void names_follow_the_conventions(void **state)
{
	(void)state;
	for (size_t i = 0; i < metric_count; i++) {
		const struct metric *metric = &metrics[i];
		size_t length = strlen(metric->name), help = strlen(metric->help);
		assert_int_equal(strspn(metric->name, "abcdefghijklmnopqrstuvwxyz_"), length);
		assert_true(strncmp(metric->name, "ringfence_", 10) == 0 || strncmp(metric->name, "process_", 8) == 0);
		assert_int_equal(ends_in(metric->name, "_total"), metric->type == METRIC_COUNTER);
		assert_false(ends_in(metric->name, "_count") || ends_in(metric->name, "_sum") ||
			     ends_in(metric->name, "_bucket"));
		assert_null(strstr(metric->name, "milliseconds"));
		if (strstr(metric->name, "duration") != NULL || strstr(metric->name, "timestamp") != NULL ||
		    metric->type == METRIC_HISTOGRAM)
			assert_true(ends_in(metric->name, "_seconds"));
		assert_true(help > 10 && metric->help[help - 1] == '.');
		assert_true((metric->value != NULL) != (metric->samples != NULL));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(metrics[j].name, metric->name);
	}
}

/* A daemon before it has read anything; it is not opened, so the kernel is not asked. */
static struct daemon new_daemon(void)
{
	return (struct daemon){.config.node = "node-a", .state = state_create("node-a")};
}

static char *metrics_text(const struct daemon *daemon)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	metrics_print(stream, daemon);
	fclose(stream);
	return text;
}

static void end(struct daemon *daemon)
{
	daemon_finish(daemon);
	state_destroy(daemon->state);
}

/* Each line is HELP, TYPE or a sample of the metric that these named. */
static void every_metric_has_help_type_and_samples(void **state)
{
	(void)state;
	struct daemon daemon = new_daemon();
	char *text = metrics_text(&daemon), *rest = text;
	size_t metric = 0;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != 0;) {
		char want[200];
		snprintf(want, sizeof want, "# HELP %s %s", metrics[metric].name, metrics[metric].help);
		assert_string_equal(line, want);
		line = strsep(&rest, "\n");
		snprintf(want, sizeof want, "# TYPE %s ", metrics[metric].name);
		assert_int_equal(strncmp(line, want, strlen(want)), 0);
		for (; rest[0] != 0 && rest[0] != '#'; line = strsep(&rest, "\n"))
			assert_int_equal(strncmp(rest, metrics[metric].name, strlen(metrics[metric].name)), 0);
		metric++;
	}
	assert_int_equal(metric, metric_count);
	free(text);
	end(&daemon);
}

static void check_sample(const struct daemon *daemon, const char *sample)
{
	char *text = metrics_text(daemon), line[200];
	snprintf(line, sizeof line, "\n%s\n", sample);
	bool found = strstr(text, line) != NULL;
	free(text);
	if (!found)
		print_message("no such line: %s\n", sample);
	assert_true(found);
}

static void what_is_counted_is_told(void **state)
{
	(void)state;
	struct daemon daemon = new_daemon();
	check_sample(&daemon, "ringfence_ready 0");
	check_sample(&daemon, "ringfence_policy_ok 0");
	check_sample(&daemon, "ringfence_policy_last_refused_timestamp_seconds 0");
	count_apply(&daemon.counters, APPLY_POLICY, monotonic_seconds(), 0);
	count_apply(&daemon.counters, APPLY_POLICY, monotonic_seconds(), -EAGAIN);
	count_apply(&daemon.counters, APPLY_POLICY, monotonic_seconds(), -EINVAL);
	check_sample(&daemon, "ringfence_apply_duration_seconds_count{kind=\"policy\"} 1");
	check_sample(&daemon, "ringfence_apply_errors_total{kind=\"policy\"} 1");
	check_sample(&daemon, "ringfence_apply_errors_total{kind=\"generation\"} 0");
	count_refused_policy(&daemon.counters);
	check_sample(&daemon, "ringfence_policy_changes_total{result=\"refused\"} 1");
	count_check(&daemon.counters, monotonic_seconds(), true);
	check_sample(&daemon, "ringfence_checks_total{result=\"differs\"} 1");
	check_sample(&daemon, "ringfence_checks_total{result=\"whole\"} 0");
	strcpy(daemon.revision, "0123456789abcdef");
	check_sample(&daemon, "ringfence_policy_info{revision=\"0123456789abcdef\"} 1");
	check_sample(&daemon, "ringfence_bundle_waiting 0");
	check_sample(&daemon, "ringfence_fleet_unpublished_since_timestamp_seconds 0");
	end(&daemon);
}

static void what_lacks_is_one_line_of_any_length(void **state)
{
	(void)state;
	struct daemon daemon = new_daemon();
	char text[200], two[11];
	assert_true(daemon_lacks(&daemon, text, sizeof text));
	assert_string_equal(text, "no policy has been read yet");
	assert_true(daemon_lacks(&daemon, two, sizeof two));
	assert_string_equal(two, "no policy ");
	daemon.config.policy_directory = "/nonexistent";
	daemon_read_policy(&daemon);
	assert_true(daemon_lacks(&daemon, text, sizeof text));
	assert_int_equal(strncmp(text, "the policy is refused: ", 23), 0);
	assert_null(strchr(text, '\n'));
	end(&daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(help_and_labels_are_escaped),  cmocka_unit_test(each_bucket_holds_those_below),
	    cmocka_unit_test(names_follow_the_conventions), cmocka_unit_test(every_metric_has_help_type_and_samples),
	    cmocka_unit_test(what_is_counted_is_told),	    cmocka_unit_test(what_lacks_is_one_line_of_any_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
