/* Which workloads, nodes and namespaces exist. */
#ifndef RINGFENCE_INVENTORY_H
#define RINGFENCE_INVENTORY_H

#include <ringfence/policy.h>

struct workload {
	const char *name_space, *name, *node; /* node: NULL when not given */
	struct labels labels;
	struct address *addresses;
	size_t address_count;
	const char *interface; /* the host-side interface, or NULL */
	struct named_port *ports;
	size_t port_count;
	bool conflict; /* an older workload has one of its addresses: it has no allowed flow */
	struct span span;
};

struct name_space {
	const char *name;
	struct labels labels; /* always with kubernetes.io/metadata.name */
	struct span span;
};

struct node {
	const char *name;
	struct address *addresses;
	size_t address_count;
	struct prefix *pools; /* where its workloads get addresses: one in here that no workload has is closed */
	size_t pool_count;
	bool told_by_pods; /* only Pods speak of it */
	struct span span;
};

struct inventory {
	struct workload **workloads;
	size_t workload_count;
	struct name_space **namespaces;
	size_t namespace_count;
	struct node **nodes;
	size_t node_count;
	struct inventory_index *index;
};

/* Makes the look-ups below work; call it after the last change to the arrays. */
void inventory_index(struct inventory *inventory, struct arena *arena);

/* Whether two workloads have one name or one address, or a workload has the address of a node. */
bool inventory_has_conflicts(const struct inventory *inventory);

/* A workload at one of its addresses. */
struct place {
	struct address address;
	const struct workload *workload;
};

/* Every address of a workload with the one that has it, in the order of addresses. */
const struct place *inventory_places(const struct inventory *inventory, size_t *count);

/* Each returns NULL when there is none. */
const struct workload *inventory_workload(const struct inventory *inventory, const char *name_space, const char *name);
const struct workload *inventory_at(const struct inventory *inventory, const struct address *address);
const struct name_space *inventory_namespace(const struct inventory *inventory, const char *name);
const struct node *inventory_node(const struct inventory *inventory, const char *name);
const struct node *inventory_node_at(const struct inventory *inventory, const struct address *address);

/* Whether a node gives `address` to workloads (a pool). */
bool inventory_in_pool(const struct inventory *inventory, const struct address *address);

#endif
