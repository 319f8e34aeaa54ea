/* Lint: what is allowed by the language and seldom meant. Each finding is a warning with a rule of its own. */
#ifndef RINGFENCE_LINT_H
#define RINGFENCE_LINT_H

#include <ringfence/verdict.h>

enum { LINTS = DIAGNOSTIC_RULES - DIAGNOSTIC_LINTS };

struct linting; /* a run in progress, in compiler/analysis/linting.h */

/* The one table: the rule of `lints[i]` is DIAGNOSTIC_LINTS + i. A document switches it off by its name
 * (`lint: {off: [NAME]}`), which therefore stays. */
struct lint {
	const char *name;
	const char *about; /* one sentence */
	void (*run)(struct linting *linting);
};
extern const struct lint lints[LINTS];

enum { LINT_EXPIRES_DAYS = 14, LINT_STEPS_MOST = 2000000 };

/* Runs every lint and adds its findings to `list`, in the order of files and lines. A lint that has made
 * LINT_STEPS_MOST comparisons stops: it then says less, and nothing that is wrong. The text of findings lives in the
 * arena of `list`, what is made on the way in `arena`. */
void lint_run(struct diagnostics *list, struct arena *arena, const struct world *world);

/* The prefix for which a network is as wide as `whole-network-egress` warns of, or NULL. */
const struct prefix *network_widest(const struct network *network);

#endif
