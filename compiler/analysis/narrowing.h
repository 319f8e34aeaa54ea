/* The part of a policy that may speak of a flow, so that millions of flows can be asked of verdict_of. */
#ifndef COMPILER_ANALYSIS_NARROWING_H
#define COMPILER_ANALYSIS_NARROWING_H

#include <ringfence/explain.h>

/* The statements that may speak of an end, by their numbers in the policy, ascending. */
struct scope;

struct narrowing;

/* Prepares look-ups in `world`; lives as long as `arena`. Free it with narrowing_finish. */
struct narrowing *narrowing_create(struct arena *arena, const struct world *world);
void narrowing_finish(struct narrowing *narrowing);

/* The statements that may speak of any of `endpoints`: those that do not are never what decides a flow of one. Ends of
 * which the same may be said share one. */
const struct scope *narrowing_scope(struct narrowing *narrowing, const struct endpoints *endpoints);

/* The first service of the policy that selects a workload of the scope, or NULL. */
const struct service *narrowing_service(const struct narrowing *narrowing, const struct scope *scope);

/* The world with only what may speak of a flow between ends of these scopes: its verdicts, statements included, are
 * those of the whole. It holds until the next call. */
const struct world *narrowing_world(struct narrowing *narrowing, const struct scope *from, const struct scope *to);

#endif
