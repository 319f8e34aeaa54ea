/* The verdict of a flow: the one place that says what a policy means. Everything else is checked against it. */
#ifndef RINGFENCE_VERDICT_H
#define RINGFENCE_VERDICT_H

#include <ringfence/inventory.h>

/* One end of a flow: a workload, an address, both, or neither (`stands_for` any, world, cluster or node). */
struct endpoint {
	const struct workload *workload;
	bool has_address;
	struct address address;	   /* without has_address: the family alone, or none (ends_fit) */
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
	REASON_QUARANTINE,   /* denied: by `quarantine` */
	REASON_NODE,	     /* allowed: a pod and its own node, as Kubernetes says */
};

/* What becomes of what an end denies. */
enum denied {
	DENIED_DROP,   /* it goes without an answer */
	DENIED_REJECT, /* it is answered: TCP with a reset, all else with an ICMP error; as often as a limit lets pass
			*/
	DENIED_AUDIT,  /* it is logged and let through */
};

struct side {
	bool allowed;
	enum denied denied; /* verdict_tell_denied */
	enum reason reason;
	const struct allow *allow;	     /* REASON_ALLOW */
	const struct quarantine *quarantine; /* REASON_QUARANTINE */
	const struct isolation *isolated_by; /* what isolates this end, or NULL: `unmatched` */
};

struct verdict {
	bool allowed;
	enum denied denied; /* verdict_tell_denied */
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

/* Adds to the verdict of `flow`, where that is denied, what becomes of it at each side that denies it, and of it as a
 * whole. */
void verdict_tell_denied(const struct world *world, const struct flow *flow, struct verdict *verdict);

/* What becomes of what no allow opens for `workload`, and of what denials without a workload deny. Of several services
 * that isolate it all have to say audit, or reject: where they differ, the one holds that lets less through and tells
 * less. */
enum denied workload_denied(const struct world *world, const struct workload *workload, enum direction direction);
enum denied stranger_denied(const struct policy *policy);

/* Whether anything in the world may be answered (DENIED_REJECT), or let through (DENIED_AUDIT). */
bool world_denies_by(const struct world *world, enum denied denied);

/* Whether `peer` matches `end`; `other` is the flow's other end, which `node` peers need. */
bool peer_matches(const struct world *world, const struct peer *peer, const struct endpoint *end,
		  const struct endpoint *other);

/* Whether `peer` matches `end` as it is or, of a host workload, as another end sees it: whoever that is. It may hold
 * too much, never too little. */
bool peer_may_match(const struct world *world, const struct peer *peer, const struct endpoint *end);

/* Whether `workload` is isolated in a direction, and by what (NULL: by `unmatched`). */
bool workload_isolated(const struct world *world, const struct workload *workload, enum direction direction,
		       const struct isolation **by);

/* Whether only NetworkPolicies select `workload`: then its own node always reaches it, and it its node. */
bool workload_trusts_node(const struct policy *policy, const struct workload *workload);

/* The quarantine that holds for `workload` now, one of the policy first, or NULL. */
const struct quarantine *quarantine_of(const struct world *world, const struct workload *workload);

/* Whether an operator of the node asked for it: no file says it. */
bool quarantine_is_of_operator(const struct quarantine *quarantine);

/* Whether an allow with this `until` still holds. */
bool is_alive(const struct world *world, int64_t until);

/* Whether the ports of `target` hold the port, at a destination that may be a workload with named ports. */
bool target_opens(const struct target *target, const struct workload *destination, uint16_t protocol, uint16_t port);

/* Whether a statement speaks of `flow`. */
bool flows_hold(const struct world *world, const struct flows *flows, const struct flow *flow);

#endif
