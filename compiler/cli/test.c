/* ringfence test: does the policy do what its `tests` say? */
#include "compiler/cli/cli.h"
#include "compiler/report/tests_report.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *format;
	void (*print)(const struct tests_report *report);
} formats[] = {
    {"text", tests_print_text},
    {"json", tests_print_json},
    {"junit", tests_print_junit},
    {"tap", tests_print_tap},
};

/* A test that passes whatever the allows say. */
static void warn(struct diagnostics *diagnostics, const struct test_result *result)
{
	diagnostics_warning(diagnostics, result->test->span, "this test proves nothing: %s", result->nothing);
	diagnostics_rule(diagnostics, DIAGNOSTIC_PROVES_NOTHING);
	if (result->test->expect_allow)
		diagnostics_help(diagnostics,
				 "nothing here shows that an allow is there: remove the test, or what opens it");
	else
		diagnostics_help(diagnostics,
				 "name ends that an allow could open: a service, labels or an address in use");
}

static int run(const struct arguments *arguments, struct input *input)
{
	const struct policy *policy = input->world.policy;
	if (policy->test_count == 0)
		return input_problem(
		    input, "there are no tests in this policy: `tests` is a list of {from, to, ports, expect}");
	struct coverage coverage = {0};
	struct test_result *results = arguments->coverage ? coverage_run(input->arena, &input->world, &coverage)
							  : tests_run(input->arena, &input->world);
	struct tests_report report = {
	    .arena = input->arena,
	    .results = results,
	    .count = policy->test_count,
	    .coverage = arguments->coverage ? &coverage : NULL,
	    .verbose = arguments->verbose,
	    .color = use_color(arguments, stdout),
	};
	for (size_t i = 0; i < report.count; i++) {
		struct test_result *result = &results[i];
		if (result->problem == NULL && !result->verdict.allowed)
			verdict_tell_denied(&input->world, &result->flow, &result->verdict);
		report.failed += !report.results[i].passed;
		report.proving_nothing += report.results[i].nothing != NULL;
		if (report.results[i].nothing != NULL)
			warn(&input->diagnostics, &report.results[i]);
	}
	input_report(input);
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (format_is(arguments, formats[i].format))
			formats[i].print(&report);
	input_tell_audit(input);
	bool covered = coverage.allows_covered == coverage.allows && coverage.nevers_covered == coverage.nevers;
	return report.failed == 0 && covered ? EXIT_YES : EXIT_NO;
}

int test_run(const struct arguments *arguments)
{
	struct input input = {0};
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	if (status == 0)
		status = run(arguments, &input);
	input_finish(&input);
	return status;
}
