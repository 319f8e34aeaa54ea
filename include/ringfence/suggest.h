/* What of recorded flows a policy denies, and the fewest allows that would let it pass. All verdicts come from
 * verdict_of; nothing is proposed that breaks a `never`. */
#ifndef RINGFENCE_SUGGEST_H
#define RINGFENCE_SUGGEST_H

#include <ringfence/flow_record.h>

/* Bounds: the narrowest services of a workload that are looked at, examples of an allow, lines of what is not covered,
 * and addresses outside of every network. */
enum { SUGGEST_SERVICES_MOST = 8, SUGGEST_EXAMPLES = 3, SUGGEST_GAPS_MOST = 1000, SUGGEST_ADDRESSES_MOST = 1000 };

/* What was seen of some flows. */
struct seen {
	size_t flows;	     /* of other ends, protocol or port */
	uint64_t times;	     /* saturates */
	int64_t first, last; /* Unix time in seconds; 0: the records do not say */
};

/* A flow in words, with what its ends stand for. */
struct suggested_example {
	const char *from, *to, *port;
	uint64_t times;
};

struct suggested_allow {
	const char *name_space; /* of the document it is for: the destination's, or else the source's */
	const struct allow *allow;
	const char **ports; /* as they are to be written: a name, where the destination service has one */
	size_t port_count;
	struct seen seen;
	size_t pairs_seen, pairs_opened; /* of workloads; a network, an address and the node count as one */
	struct suggested_example examples[SUGGEST_EXAMPLES]; /* those seen most often */
	size_t example_count;
};

/* Flows that no allow here covers. */
struct suggested_gap {
	const char *reason;
	const struct never *never; /* that all that would let it pass would break, or NULL */
	struct suggested_example example;
	struct seen seen;
};

struct suggestion {
	struct suggested_allow *allows; /* sorted by document, destinations, sources and ports */
	size_t allow_count;
	struct suggested_gap *gaps; /* sorted by reason and names, at most SUGGEST_GAPS_MOST */
	size_t gap_count;
	struct seen allowed, covered, uncovered;
	size_t denied_before;  /* of `allowed`: flows that some record says were denied, by another policy or a rate */
	size_t early, untimed; /* records left out: before `since`, or without a time where there is `since` */
	size_t gaps_left_out;  /* gaps that are not told */
	struct world world;    /* with the allows */
};

struct suggest;

/* Starts to look for allows of which `world` has need. Records before `since` (Unix time in seconds; 0: none) are left
 * out; a flow seen fewer than `fewest` times is told and not covered. Everything lives as long as `arena`;
 * suggest_finish must be called. */
struct suggest *suggest_create(struct arena *arena, const struct world *world, int64_t since, size_t fewest);

/* Counts a record in. Returns NULL, or why it is none, as replay_add does. */
const char *suggest_add(struct suggest *suggest, const struct flow_record *record);

/* Finds the allows. */
struct suggestion suggest_finish(struct suggest *suggest);

#endif
