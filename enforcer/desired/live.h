/* The inventory of all sources together, changed in place: the cost of a change follows from what changed alone.
 *
 * A transaction is live_begin, live_replace for each source that speaks anew, and live_settle, which finds who is in
 * conflict now and what is different. */
#ifndef ENFORCER_DESIRED_LIVE_H
#define ENFORCER_DESIRED_LIVE_H

#include "enforcer/desired/state.h"

#include <ringfence/table.h>

/* What one source says: the policy directory, or a workload file. Zeroed: nothing. */
struct content {
	uint64_t order;		 /* age: sources of one order have nothing in common */
	struct entry *workloads; /* by namespace and name */
	struct grounds *grounds; /* its namespaces and nodes, or NULL */
	struct hosts *hosts;	 /* the machines that its pods tell of, or NULL */
};

/* What isolates a workload beside the policy, or NULL. */
typedef const struct quarantine *live_quarantine(void *context, const struct workload *workload);

struct live {
	struct inventory inventory;
	live_quarantine *quarantine; /* the owner's; NULL: nothing ever does */
	void *context;		     /* of it */
	size_t conflict_count;	     /* of workloads in conflict, when settled */
	bool told_only;		     /* some content told of a host workload, and not that it runs */
	struct table kinds, hosts;   /* kept once for all */
	struct content **grounded;   /* those that have grounds */
	size_t grounded_count;
	struct arena *arena;	     /* of the nodes and namespaces of `inventory` */
	struct table host_addresses; /* what a workload may take from a machine, in `arena` */
	/* of the transaction */
	bool stale;		/* nodes and namespaces are to be made again */
	struct entry **touched; /* whose conflict may have come or gone */
	size_t touched_count, touched_room;
	struct entry *gone;
	struct grounds *grounds_gone;
	struct workload *befores; /* of workloads that stay, but whose conflict came or went */
	struct workload_change *items;
	size_t item_count, item_room;
};

void live_init(struct live *live);

/* Frees it, when every content says nothing again. */
void live_finish(struct live *live);

/* Ends the life of what the last changes point to. */
void live_begin(struct live *live);

/* Makes `content` say what `inventory` says, whose workloads are sorted by namespace and name, and be of age `order`.
 * Nothing of `inventory` is kept. */
void live_replace(struct live *live, struct content *content, const struct inventory *inventory, uint64_t order);

/* The workloads of a content, one after the other: the first with NULL, and behind the last NULL. */
const struct workload *live_next(const struct content *content, const struct workload *workload);

/* Whether a workload of `inventory` has an address that none of the content has. */
bool live_gains_address(const struct content *content, const struct inventory *inventory);

/* Whether a workload of the inventory is isolated by something else than it says. In a transaction, live_reconsider
 * makes that a change. */
bool live_is_isolated_otherwise(const struct live *live, const struct workload *workload);
void live_reconsider(struct live *live, const struct workload *workload);

/* What is different since live_begin; the live inventory's until the next. */
struct changes live_settle(struct live *live);

#endif
