/* What is wrong with an input, and where: collected while reading, reported once by the program. */
#ifndef RINGFENCE_DIAGNOSTIC_H
#define RINGFENCE_DIAGNOSTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct arena;

/* A piece of an input file. Lines and columns count from 1, columns in characters; the end is exclusive.
 * `file` NULL: the diagnostic concerns no place in a file. */
struct span {
	const char *file;
	unsigned line, column;
	unsigned end_line, end_column;
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

/* What kind of thing is wrong. Each has a name that stays, in compiler/report/diagnostics_report.c. */
enum diagnostic_rule {
	DIAGNOSTIC_INPUT,	   /* whatever none of the others says */
	DIAGNOSTIC_FILE,	   /* a file or directory that cannot be read */
	DIAGNOSTIC_NEVER,	   /* a broken `never` */
	DIAGNOSTIC_UNPROVED,	   /* a `never` that could not be proved */
	DIAGNOSTIC_QUARANTINE,	   /* a quarantine of nobody */
	DIAGNOSTIC_LIMIT,	   /* a ruleset that would be too large */
	DIAGNOSTIC_RADIUS,	   /* a blast radius that is too large */
	DIAGNOSTIC_BUDGET,	   /* a ruleset that is larger than the budget */
	DIAGNOSTIC_PROVES_NOTHING, /* a test that would pass whatever the allows say */
	DIAGNOSTIC_COMMAND,	   /* what the command was asked for cannot be done */
	DIAGNOSTIC_LINTS,	   /* the first of the lints, which lint.h names */
	DIAGNOSTIC_UNUSED_SERVICE = DIAGNOSTIC_LINTS,
	DIAGNOSTIC_OVERLAPPING_SERVICES,
	DIAGNOSTIC_NO_WORKLOAD,
	DIAGNOSTIC_COVERED_ALLOW,
	DIAGNOSTIC_ALLOW_WITHOUT_WHY,
	DIAGNOSTIC_ALLOW_TO_ANY,
	DIAGNOSTIC_WHOLE_NETWORK_EGRESS,
	DIAGNOSTIC_UNDECLARED_PORT,
	DIAGNOSTIC_EXPIRES_SOON,
	DIAGNOSTIC_EXPIRED,
	DIAGNOSTIC_RULES
};

struct diagnostic {
	enum severity severity;
	enum diagnostic_rule rule;
	struct span span;
	const char *message; /* one line, no full stop */
	const char *source;  /* the text of the span's first line, or NULL */
	const char *help;    /* what to do, or NULL */
};

/* One file's text, kept so that a diagnostic can show its line. */
struct source {
	const char *file;
	const char *text;
	size_t length;
	const char *below; /* where in `file` its name below the path that was read begins; NULL: not known */
};

struct diagnostics {
	struct arena *arena;
	struct diagnostic *items;
	size_t count;
	size_t errors;
	const struct source **sources;
	size_t source_count;
	struct source_place *place; /* of the newest diagnostic */
};

/* Starts an empty list. It lives as long as `arena`. */
void diagnostics_init(struct diagnostics *list, struct arena *arena);

/* Makes the text of a file known; `source` must live as long as the list. */
void diagnostics_add_source(struct diagnostics *list, const struct source *source);

/* Adds an error, or a warning, at `span`. The text may hold input from others: it is escaped when printed. */
void diagnostics_error(struct diagnostics *list, struct span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diagnostics_warning(struct diagnostics *list, struct span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds help to the newest diagnostic. */
void diagnostics_help(struct diagnostics *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says which rule the newest diagnostic is of, where it is not DIAGNOSTIC_INPUT. */
void diagnostics_rule(struct diagnostics *list, enum diagnostic_rule rule);

/* Helps with "did you mean" when one of `names` is near `wrong` (Damerau-Levenshtein distance at most a third of its
 * length, at least one). Returns whether one was. */
bool diagnostics_suggest(struct diagnostics *list, const char *wrong, const char *const *names, size_t count);

/* Orders by file, line and column; what is in no file comes first. */
int compare_spans(const struct span *a, const struct span *b);

/* Sorts by their spans. */
void diagnostics_sort(struct diagnostics *list);

/* Prints all as text: FILE:LINE:COL: error: MESSAGE, the line, the span underlined, help. */
void diagnostics_print(const struct diagnostics *list, FILE *stream, bool color);

/* Writes `text` with control characters, bidirectional controls and bytes that are no UTF-8 in the form \x1b. */
void escape_print(FILE *stream, const char *text, size_t length);

#endif
