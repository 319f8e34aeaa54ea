/* Nodes and namespaces: what few sources say, and what concerns every workload. */
#ifndef ENFORCER_DESIRED_GROUNDS_H
#define ENFORCER_DESIRED_GROUNDS_H

#include <ringfence/inventory.h>
#include <ringfence/table.h>

/* The namespaces and nodes of one source. */
struct grounds {
	struct arena *arena; /* of all of it */
	struct name_space **namespaces;
	size_t namespace_count;
	struct node **nodes;
	size_t node_count;
	struct grounds *next; /* the owner's */
};

/* A copy of what `inventory` says itself, less what only pods tell. NULL: nothing. */
struct grounds *grounds_create(const struct inventory *inventory);
void grounds_free(struct grounds *grounds);

/* Adds what one source says to `inventory`, whose index is not asked; `by_name` has its nodes. What two say of one node
 * holds together. Texts and namespaces stay the grounds'. */
void grounds_merge(const struct grounds *grounds, struct inventory *inventory, struct table *by_name,
		   struct arena *arena);

/* Whether two inventories have the same nodes and namespaces in one order. */
bool grounds_are_same(const struct inventory *a, const struct inventory *b);

/* The machines that the pods of one source tell of. Pods of one node tell the same, so it is kept once for all. */
struct hosts {
	uint32_t users, hash;
	size_t count;
	struct host items[]; /* sorted; the texts behind them */
};

/* The hosts of `inventory`, whose own are sorted: NULL when it has none. Each call wants a hosts_drop. Returns in
 * `*changed` true where nobody told of these before, or nobody does now. */
struct hosts *hosts_take(struct table *all, const struct inventory *inventory, bool *changed);
void hosts_drop(struct table *all, struct hosts *hosts, bool *changed);

#endif
