/* What a change of a policy means: the flows that it opens and closes, and what becomes wider with it.
 *
 * Both policies are asked by verdict_of; how they are written makes no difference. */
#ifndef RINGFENCE_DIFF_H
#define RINGFENCE_DIFF_H

#include <ringfence/verdict.h>

struct arena;

enum version { VERSION_OLD, VERSION_NEW };

enum cause_kind {
	CAUSE_ALLOW,	  /* an allow, or a rule of a NetworkPolicy, came or went */
	CAUSE_ISOLATION,  /* what isolates an end came or went */
	CAUSE_QUARANTINE, /* a quarantine came or went */
	CAUSE_INVENTORY,  /* an end is another in the other inventory */
};

/* What opened or closed a flow. */
struct cause {
	enum cause_kind kind;
	struct span span; /* file NULL: it stands nowhere */
	const struct allow *allow;
};

/* A flow that is open in one version and not in the other. */
struct flow_change {
	bool opened;
	const char *from, *to;
	struct port_range *ports; /* merged, in order */
	size_t port_count;
	struct cause causes[2]; /* one, or one for each end */
	size_t cause_count;
	size_t from_count, to_count; /* workloads of the inventory that have to do with it */
	size_t pairs;		     /* pairs of them, and 0 where an end is no workload */
	bool between_workloads;
	struct flow flows[2]; /* an example, by version */
};

/* Something that lets more in than before, or holds less, which the flows alone do not show well. */
struct widening {
	const char *text; /* one line, no full stop */
	struct span span;
};

struct diff {
	struct flow_change *changes; /* sorted by ends, ports and place */
	size_t change_count;
	size_t opened, closed; /* of the changes */
	struct widening *widenings;
	size_t widening_count;
	bool has_inventory; /* the numbers below, and those of the changes, mean something */
	size_t pairs_gained, pairs_lost;
};

/* Compares two policies, each with its inventory and at one time. Ends are services, networks, the world, nodes and
 * workloads of either side: one of each kind that some statement tells from others. A workload that only one inventory
 * knows is judged in both. Everything lives in `arena`, and names what the two worlds hold. */
struct diff diff_compare(struct arena *arena, const struct world *before, const struct world *after);

#endif
