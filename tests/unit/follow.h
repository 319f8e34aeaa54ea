/* From one inventory to another by the workloads that differ, as the daemon follows its sources. */
#ifndef TESTS_UNIT_FOLLOW_H
#define TESTS_UNIT_FOLLOW_H

#include <ringfence/lowering.h>

/* `live` is the inventory that `lowering` was made of; it becomes `next`. Returns what lowering_finish says. */
struct plan *follow_inventory(struct lowering *lowering, struct inventory *live, const struct inventory *next,
			      struct arena *arena);

#endif
