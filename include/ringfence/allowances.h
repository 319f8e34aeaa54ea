/* What a policy allows, as numbers that can be kept and compared later: whether another policy allows no less. */
#ifndef RINGFENCE_ALLOWANCES_H
#define RINGFENCE_ALLOWANCES_H

#include <ringfence/verdict.h>

struct arena;

enum { ALLOWANCES_MOST = 4096 };

/* A number for each pair of a source and a destination port that an allow opens; sorted, each once. More than
 * ALLOWANCES_MOST become one number, which only the same policy has. */
struct allowances {
	uint64_t selector; /* of the service: whom it selects */
	uint64_t *items;
	size_t count;
};

/* Those of `service` (NULL: of everybody): of the allows that hold in `world` and may speak of its workloads. A service
 * is spoken of by its name, by labels and built-in peers, and by a service that selects a workload of the inventory
 * which it selects, too; that a network of the policy may hold a workload's address is left out. */
struct allowances allowances_of(struct arena *arena, const struct world *world, const struct service *service);

/* Whether a policy that has `all` (of everybody) still allows all that `some` were. */
bool allowances_hold(const struct allowances *all, const struct allowances *some);

/* The number of a selector. */
uint64_t selector_number(struct arena *arena, const struct service *service);

#endif
