/* The proof of every `never`: that no flow it speaks of is open, for any workload that could ever exist. */
#ifndef RINGFENCE_INVARIANTS_H
#define RINGFENCE_INVARIANTS_H

#include <ringfence/verdict.h>

struct arena;

/* A `never` that does not hold, and one way in which it does not. */
struct broken {
	const struct never *never;
	const struct allow *allows[2]; /* what opens it, by direction; NULL: nothing closes that end */
	struct span openers[2];	       /* where that stands; file NULL: nowhere */
	const char *from, *to;	       /* the ends that are opened, as the opener names them */
	struct port_range ports;
	struct flow flow;      /* an example that is allowed; its workloads need not exist */
	const char *opened_by; /* in words, with places */
	const char *example;   /* the flow in words */
};

struct proof {
	struct broken *items; /* in the order of the nevers; several of one never where several things open it */
	size_t count;
	size_t broken_count; /* nevers that do not hold */
	bool cut;	     /* the search ended before it was through */
};

enum { OPENERS_MOST = 10 }; /* that are named of one never */

/* Proves every `never` of the policy, or says how it is broken. What statements say is compared as such. With
 * `with_inventory` also the workloads at hand are asked for: what NetworkPolicies, ends that nothing isolates and
 * addresses of workloads inside networks open. Quarantines are left out, since they pass. */
struct proof invariants_prove(struct arena *arena, const struct world *world, bool with_inventory);

/* Adds an error for each way in which a never is broken, and one where the search was cut: not proved is not good. */
void invariants_report(struct diagnostics *list, const struct proof *proof);

#endif
