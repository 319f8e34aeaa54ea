/* What the lints share: lint.c has their table and those of single statements, lint_services.c those of services and
 * selectors, covered.c the comparison of allows. */
#ifndef COMPILER_ANALYSIS_LINTING_H
#define COMPILER_ANALYSIS_LINTING_H

#include <ringfence/lint.h>

struct finding {
	enum diagnostic_rule rule;
	struct span span;
	const char *message, *help;
};

struct linting {
	struct arena *arena;
	const struct world *world;
	enum diagnostic_rule rule;    /* of the lint that runs */
	size_t steps;		      /* that it has left */
	struct lint_switch *switches; /* sorted by place */
	struct finding *findings;
	size_t finding_count;
};

/* Whether the document in which `span` stands switches off the lint that runs. */
bool linting_is_off(const struct linting *linting, const struct span *span);

/* Adds a finding of the lint that runs, unless it is switched off there; `help` says what to do. */
void linting_add(struct linting *linting, struct span span, const char *help, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Counts a comparison. Returns false when none is left. */
bool linting_step(struct linting *linting);

/* Whether an allow stands under `allow`: what NetworkPolicies say is left to those who wrote them. */
bool allow_is_native(const struct allow *allow);

void lint_unused_services(struct linting *linting);
void lint_overlapping_services(struct linting *linting);
void lint_no_workload(struct linting *linting);
void lint_covered_allows(struct linting *linting);

#endif
