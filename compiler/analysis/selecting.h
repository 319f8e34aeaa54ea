/* Which isolations select a workload, looked up by the labels that they ask for. */
#ifndef COMPILER_ANALYSIS_SELECTING_H
#define COMPILER_ANALYSIS_SELECTING_H

#include <ringfence/inventory.h>

struct selecting;

/* Prepares the isolations of a policy for look-ups. */
struct selecting *selecting_create(struct arena *arena, const struct policy *policy);

/* The isolations that select `workload`, in the order of the policy. */
struct isolation **selecting_find(const struct selecting *selecting, struct arena *arena,
				  const struct workload *workload, size_t *count);

/* The same as their numbers in the policy. */
const size_t *selecting_numbers(const struct selecting *selecting, struct arena *arena, const struct workload *workload,
				size_t *count);

#endif
