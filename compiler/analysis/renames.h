/* Which service or network of one policy is which of another. */
#ifndef COMPILER_ANALYSIS_RENAMES_H
#define COMPILER_ANALYSIS_RENAMES_H

#include <ringfence/policy.h>

struct arena;
struct rename;

struct renames {
	struct rename *items; /* sorted by the old name */
	size_t count;
};

/* Pairs what `before` defines with what means the same in `after`. What keeps name and meaning keeps the name, and so
 * does what means something that is not there any more. Lives in `arena`. */
struct renames renames_make(struct arena *arena, const struct policy *before, const struct policy *after);

/* The name in the newer policy of NAMESPACE/NAME in the older one; what was not defined there keeps its name. */
const char *renames_find(const struct renames *renames, const char *name);

#endif
