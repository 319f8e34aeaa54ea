/* What is wrong with an input in the forms that programs read; diagnostics_print makes the text for people. */
#ifndef COMPILER_REPORT_DIAGNOSTICS_REPORT_H
#define COMPILER_REPORT_DIAGNOSTICS_REPORT_H

#include <ringfence/diagnostic.h>

/* The forms, text among them. */
#define DIAGNOSTICS_FORMS "text|json|sarif|github"

/* The most results of a SARIF log, and annotations of one kind: what GitHub shows of them. */
enum { SARIF_RESULTS_MOST = 5000, ANNOTATIONS_MOST = 10 };

/* The name of a rule. */
const char *diagnostics_rule_name(enum diagnostic_rule rule);

/* One JSON object a line: {"version", "severity", "rule", "file", "line", "column", "end_line", "end_column",
 * "message", "help"}; what a diagnostic does not have is null. */
void diagnostics_print_json(const struct diagnostics *list, FILE *stream);

/* One SARIF 2.1.0 log, errors first, even where nothing is wrong. Files below the working directory are relative to
 * it. */
void diagnostics_print_sarif(const struct diagnostics *list, FILE *stream);

/* Annotations of a GitHub workflow: the first ten errors and warnings, the tenth of which says how many more. */
void diagnostics_print_github(const struct diagnostics *list, FILE *stream);

#endif
