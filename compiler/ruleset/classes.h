/* Classes of local workloads: those that the same statements select in a direction share a chain and its sets.
 *
 * Which sets a class has depends on the policy alone, never on who is running, so that workloads come and go as
 * elements. */
#ifndef COMPILER_RULESET_CLASSES_H
#define COMPILER_RULESET_CLASSES_H

#include "compiler/ruleset/ranges.h"

#include <ringfence/ruleset.h>

/* How the peers of a class are stored, by what is looked up. */
enum shape {
	SHAPE_KEYED,  /* workload address, protocol, port: hash */
	SHAPE_HOSTS,  /* workload address, any port: hash */
	SHAPE_RANGES, /* networks, or port ranges: intervals in every part */
	SHAPE_NETS,   /* networks, any port: intervals */
};

/* A set of a class, while it is filled: one for each shape, family and expiry, and for what else makes its rules
 * differ. */
struct group {
	enum shape shape;
	uint8_t family;
	int64_t until;		     /* 0: never */
	bool icmp;		     /* its ports are requests of ICMP, which other rules look at */
	bool outside;		     /* `world`: only where the address is no known workload's or node's */
	const struct allow *special; /* an allow with `log` or `rate` has groups of its own; else NULL */
	bool tcp, udp, sctp;	     /* protocols that can be in it */
	const struct allow **allows; /* that it comes from */
	size_t allow_count;
	struct boxes boxes; /* what is in it; ports unused for HOSTS and NETS */
	struct set *set;
};

/* An allow that counts for a class, with what it opens: for ingress the target that matched and its ports here. */
struct class_entry {
	const struct allow *allow;
	const struct target *target;
	const struct port_range *ports; /* ingress only */
	size_t port_count;
};

/* Workloads that no statement can tell apart: same namespace, labels, node and ports. Peers are matched once for each.
 */
struct identity {
	struct place *members[2]; /* their addresses, by family: 0 for IPv4, 1 for IPv6, each in order */
	size_t member_counts[2];
	const struct workload *first;
	struct class *classes[2]; /* of members whose address is in no network of the policy; by direction */
	bool classified[2];
	const char *key;
	size_t key_length;
	struct identity *next; /* with the same hash */
};

struct identities {
	struct identity **items;
	size_t count;
	struct identity **buckets;
	size_t bucket_count;
	struct identity **of; /* for each place of the inventory */
};

/* Groups the workloads of a world. */
struct identities identities_make(struct arena *arena, const struct world *world);

struct class
{
	enum direction direction;
	const struct isolation *isolation;   /* what isolates it, or NULL: unmatched */
	bool closed;			     /* no allow counts: a workload in conflict or in quarantine */
	const struct quarantine *quarantine; /* why it is closed, or NULL: a conflict */
	const char *node;		     /* where a `node` peer matters, else NULL */
	struct class_entry *entries;
	size_t entry_count;
	const char *signature; /* equal for equal classes */
	char chain[RULESET_NAME_SIZE];
	struct group *groups;
	size_t group_count;
	bool one_sided; /* an entry counts on this side only, as rules of NetworkPolicies do */
	int64_t at;	/* Unix time at which it was made */
	struct budget *budget;
};

/* How many elements a ruleset may have, and who passed that. */
struct budget {
	size_t left;
	const struct allow *passed_by; /* NULL: nobody */
};

struct classes {
	struct budget budget;
	struct class **items;
	size_t count;
	const struct network **networks[2]; /* that stand on the own side of an allow, by direction: each once */
	size_t network_counts[2];
};

/* Starts without classes. */
void classes_init(struct classes *classes, struct arena *arena, const struct policy *policy);

/* Returns the class of `end`, a workload at one of its addresses, in a direction, made when it is new; NULL when the
 * workload is not isolated. */
struct class *class_of(struct arena *arena, struct classes *classes, const struct world *world, uint32_t generation,
		       const struct endpoint *end, enum direction direction);

/* The same for a member of `identity`, asked once for all members where the address cannot matter. */
struct class *class_of_member(struct arena *arena, struct classes *classes, const struct world *world,
			      uint32_t generation, struct identity *identity, const struct endpoint *end,
			      enum direction direction);

/* Fills the groups of a class with the peers that its entries name, known workloads among them; no more than the budget
 * allows. */
void class_fill(struct arena *arena, struct class *class, const struct world *world,
		const struct identities *identities);

#endif
