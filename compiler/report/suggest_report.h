/* Suggested allows, as a native document for each namespace and as JSON. */
#ifndef COMPILER_REPORT_SUGGEST_REPORT_H
#define COMPILER_REPORT_SUGGEST_REPORT_H

#include <ringfence/suggest.h>

#include <stdio.h>

struct suggest_report {
	struct arena *arena;
	const char *log;       /* the name of the flow log */
	size_t lines_left_out; /* of it, since they are wrong */
	const struct suggestion *suggestion;
};

/* Each takes a struct suggest_report. What the document holds beside its statements is comments. */
void suggest_print_document(FILE *stream, const void *report);
void suggest_print_json(FILE *stream, const void *report);

#endif
