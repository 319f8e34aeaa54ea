/* The results of a policy's tests, in the forms that people, pipelines and other programs read. */
#ifndef COMPILER_REPORT_TESTS_REPORT_H
#define COMPILER_REPORT_TESTS_REPORT_H

#include <ringfence/coverage.h>

struct tests_report {
	struct arena *arena;
	const struct test_result *results;
	size_t count, failed, proving_nothing;
	const struct coverage *coverage; /* NULL: not asked for */
	bool verbose, color;		 /* of the text: those that passed too */
};

/* Each prints to standard output. In JUnit and TAP, which know cases and nothing else, a statement that coverage is
 * about is a case, which fails where no test would miss it. */
void tests_print_text(const struct tests_report *report);
void tests_print_json(const struct tests_report *report);
void tests_print_junit(const struct tests_report *report); /* XML 1.0 as JUnit writes it */
void tests_print_tap(const struct tests_report *report); /* TAP version 13, with YAML where there is something to say */

#endif
