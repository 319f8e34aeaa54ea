/* What a change opens and closes, in the forms that people, programs and pull requests read. */
#ifndef COMPILER_REPORT_DIFF_REPORT_H
#define COMPILER_REPORT_DIFF_REPORT_H

#include <ringfence/diff.h>

#include <jansson.h>

struct diff_report {
	struct arena *arena;
	const struct diff *diff;
	bool color; /* of the text */
};

/* Each prints to standard output. */
void diff_print_text(const struct diff_report *report);
void diff_print_json(const struct diff_report *report);
void diff_print_markdown(const struct diff_report *report); /* a table for a comment, as GitHub and GitLab read it */

/* What diff_print_json prints; the caller owns it. */
json_t *diff_json(const struct diff_report *report);

#endif
