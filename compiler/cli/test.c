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

static int run(const struct arguments *arguments, struct input *input)
{
	const struct policy *policy = input->world.policy;
	if (policy->test_count == 0)
		return input_problem(
		    input, "there are no tests in this policy: `tests` is a list of {from, to, ports, expect}");
	struct tests_report report = {
	    .arena = input->arena,
	    .results = tests_run(input->arena, &input->world),
	    .count = policy->test_count,
	    .verbose = arguments->verbose,
	    .color = use_color(arguments, stdout),
	};
	for (size_t i = 0; i < report.count; i++)
		report.failed += !report.results[i].passed;
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (format_is(arguments, formats[i].format))
			formats[i].print(&report);
	return report.failed == 0 ? EXIT_YES : EXIT_NO;
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
