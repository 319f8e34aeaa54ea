/* What replicas have in common, kept once for all of them: namespace, node, labels and ports. */
#ifndef ENFORCER_DESIRED_KIND_H
#define ENFORCER_DESIRED_KIND_H

#include <ringfence/inventory.h>
#include <ringfence/table.h>

/* One allocation, with its texts behind it. */
struct kind {
	const char *name_space, *node;
	struct labels labels;
	struct named_port *ports;
	uint32_t port_count, users, hash;
};

/* The kind of `workload`, made when it is new; each call wants a kind_drop. */
struct kind *kind_take(struct table *kinds, const struct workload *workload);
void kind_drop(struct table *kinds, struct kind *kind);

/* Whether `workload` is of this kind. */
bool kind_is(const struct kind *kind, const struct workload *workload);

#endif
