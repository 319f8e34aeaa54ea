/* What this machine has in the networks of its own pods, which its Node object does not say. */
#ifndef ENFORCER_SOURCES_KUBERNETES_NODE_H
#define ENFORCER_SOURCES_KUBERNETES_NODE_H

#include <ringfence/inventory.h>

struct arena;

struct node_addresses {
	struct address *items; /* in order */
	size_t count;
};

/* The addresses of this machine's interfaces in the pools of `node`, in `arena`; none where they cannot be read. */
struct node_addresses node_addresses_read(struct arena *arena, const struct node *node);

/* Makes `kept`, whose items are the caller's to free, a copy of `addresses`. */
void node_addresses_keep(struct node_addresses *kept, const struct node_addresses *addresses);

bool node_addresses_are_same(const struct node_addresses *a, const struct node_addresses *b);

#endif
