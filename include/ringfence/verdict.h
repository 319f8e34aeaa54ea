/* The verdict of a flow: the one place that says what a policy means. Everything else is checked against it. */
#ifndef RINGFENCE_VERDICT_H
#define RINGFENCE_VERDICT_H

#include <ringfence/inventory.h>

/* One end of a flow: a workload, an address, both, or neither (`stands_for` any, world, cluster or node). */
struct endpoint {
	const struct workload *workload;
	bool has_address;
	struct address address;
	enum peer_kind stands_for; /* only where there is neither workload nor address */
};

struct flow {
	struct endpoint from, to;
	uint16_t protocol;
	uint16_t port;
};

enum reason {
	REASON_SELF,	     /* allowed: a workload reaches itself */
	REASON_NOT_ISOLATED, /* allowed: nothing isolates this end */
	REASON_ALLOW,	     /* allowed: by `allow` */
	REASON_NO_ALLOW,     /* denied: isolated, and no allow matches */
	REASON_UNKNOWN,	     /* denied: an address for workloads that no source knows */
	REASON_CONFLICT,     /* denied: an older workload has its address */
};

struct side {
	bool allowed;
	enum reason reason;
	const struct allow *allow;	   /* REASON_ALLOW */
	const struct service *isolated_by; /* a service that selects this end, or NULL */
};

struct verdict {
	bool allowed;
	struct side egress, ingress;
};

/* What a verdict is made against. `at` is the Unix time in seconds at which expiries are judged. */
struct world {
	const struct policy *policy;
	const struct inventory *inventory;
	int64_t at;
};

/* Returns the verdict of `flow` (language.md, "What a flow's verdict is"). */
struct verdict verdict_of(const struct world *world, const struct flow *flow);

/* Whether `peer` matches `end`; `other` is the flow's other end, which `node` peers need. */
bool peer_matches(const struct world *world, const struct peer *peer, const struct endpoint *end,
		  const struct endpoint *other);

/* Whether `workload` is isolated, and by which service (NULL: by `unmatched`). */
bool workload_isolated(const struct world *world, const struct workload *workload, const struct service **by);

/* Whether the ports of `target` hold the port, at a destination that may be a workload with named ports. */
bool target_opens(const struct target *target, const struct workload *destination, uint16_t protocol, uint16_t port);

#endif
