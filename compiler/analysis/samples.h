/* One of each kind: addresses, ports and workloads between which no statement of a policy tells a difference. */
#ifndef COMPILER_ANALYSIS_SAMPLES_H
#define COMPILER_ANALYSIS_SAMPLES_H

#include <ringfence/explain.h>

struct arena;

struct address_sample {
	struct address address;
	bool outside;  /* of no workload, of no node and in no pool */
	bool familiar; /* one of those kept for examples (RFC 5737, RFC 3849) */
};

enum { LOOPBACKS_FIRST = 2 }; /* 127.0.0.1 and ::1, where endpoints_add_workload puts host workloads */

struct port_list {
	struct port_range *items;
	size_t count;
};

struct samples {
	struct address *cuts;		  /* where each piece of the address space begins, in order */
	const struct flows **cut_by;	  /* the one statement that cuts there; NULL: several, or something else */
	struct address_sample *addresses; /* one of each piece, outside where the piece has such */
	size_t address_count;
	struct port_list ports; /* pieces, cut by every port that the policy or a workload names */
	/* At most two of each kind, in the order of the inventory; and of each two kinds of which one is of host
	 * workloads, a pair on one node where there is one. */
	const struct workload **workloads;
	size_t workload_count;
	struct address *loopbacks; /* 127.0.0.1, ::1, and one of each other piece that has some */
	size_t loopback_count;
	size_t *kinds; /* of each workload of the inventory: equal for those of one kind, below kind_count */
	size_t kind_count;
};

/* Fills `samples` from all statements of the policy; it lives as long as `arena`. */
void samples_init(struct samples *samples, struct arena *arena, const struct world *world);

/* The part of samples_init that finds the workloads (sample_workloads.c). */
void samples_find_workloads(struct samples *samples, struct arena *arena, const struct world *world);

/* Which piece of the address space holds `address`. */
size_t samples_piece(const struct samples *samples, const struct address *address);

/* The ports of every protocol in pieces, such that each of `ranges` is a union of some; they begin at port 1.
 * Of ICMP each request is one. */
struct port_list ports_cut(struct arena *arena, const struct port_range *ranges, size_t count);

/* A port that stands for a range. */
uint16_t port_sample(const struct port_range *range);

/* Adds a workload at each of its addresses as endpoints_add_workload does, and a host workload at loopback ones too. */
void samples_add_workload(const struct samples *samples, struct arena *arena, const struct world *world,
			  struct endpoints *endpoints, const struct workload *workload);

/* Whether some workload is a host workload. */
bool inventory_has_hosts(const struct inventory *inventory);

/* Whether both are workloads of one node. */
bool workloads_share_node(const struct workload *a, const struct workload *b);

/* Whether a packet of `protocol` can go between these ends: of one family, ICMP of the family it belongs to, and what
 * has a loopback address within a node. */
bool ends_fit(const struct endpoint *from, const struct endpoint *to, uint16_t protocol);

/* Calls `call` for the flows of every statement: allows that are alive, nevers and tests. */
void policy_each_flows(const struct world *world, void (*call)(void *context, const struct flows *flows),
		       void *context);

#endif
