/* Which isolations select a workload, without asking each. */
#ifndef COMPILER_ANALYSIS_SELECTING_H
#define COMPILER_ANALYSIS_SELECTING_H

#include <ringfence/policy.h>

struct arena;
struct workload;
struct selecting;

/* Prepares the isolations of a policy for look-ups. */
struct selecting *selecting_create(struct arena *arena, const struct policy *policy);

/* The numbers of the isolations that select `workload`, in the order of the policy. */
const size_t *selecting_find(const struct selecting *selecting, struct arena *arena, const struct workload *workload,
			     size_t *count);

#endif
