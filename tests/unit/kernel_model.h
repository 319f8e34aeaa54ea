/* A small model of the kernel's table, stricter than the kernel: nothing is added twice or deleted in vain, and nothing
 * goes that something still names. */
#ifndef TESTS_UNIT_KERNEL_MODEL_H
#define TESTS_UNIT_KERNEL_MODEL_H

#include <ringfence/plan.h>

/* A copy with arrays, sets and chains of its own. */
struct ruleset *model_copy(struct arena *arena, const struct ruleset *from);

/* The states that a plan takes the table through, the one it begins with first: `states` has room for PLAN_TRANSACTIONS
 * + 1. Returns how many; 0 where the kernel would refuse one, and `*refused` says why. */
size_t model_apply(struct arena *arena, const struct ruleset *from, const struct plan *plan,
		   const struct ruleset **states, const char **refused);

/* Returns the name of a set or chain that differs, or NULL; model_lacks: of one of `more` that is not, or otherwise, in
 * `ruleset`. */
const char *model_lacks(const struct ruleset *ruleset, const struct ruleset *more);
const char *model_difference(const struct ruleset *a, const struct ruleset *b);

/* Prints what a plan does to standard error; `plan` may be NULL. */
void model_print_plan(const struct plan *plan);

/* Prints a set's elements to standard error; `set` may be NULL. */
void model_print_set(const char *what, const struct set *set);

#endif
