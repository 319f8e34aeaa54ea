/* Who reaches whom directly, one of each kind of end: the graph that a breach spreads over. hops.c asks, blast.c walks.
 */
#ifndef COMPILER_ANALYSIS_HOPS_H
#define COMPILER_ANALYSIS_HOPS_H

#include "compiler/analysis/samples.h"

#include <ringfence/blast.h>

enum hop_end_kind {
	HOP_WORKLOADS,	/* workloads that no statement tells apart: the ends from which a breach goes on */
	HOP_OUTSIDE,	/* addresses that are not ours, or `any` and `cluster` as such */
	HOP_OWN_NODE,	/* the machine of whoever sends */
	HOP_OTHER_NODE, /* another machine */
};

struct hop_end {
	enum hop_end_kind kind;
	const char *name;
	const struct workload **members; /* of the inventory */
	size_t member_count;
	const struct workload *workload; /* HOP_WORKLOADS: the one that stands for them */
	struct endpoints at;		 /* that one's, or the addresses */
	const struct service **services; /* that select it */
	size_t service_count;
	struct isolation **isolations; /* that select it */
	size_t isolation_count;
	unsigned families;   /* a bit for IPv4 and one for IPv6: those it has an address of, both where it has none */
	bool open[2];	     /* by direction: passes without an allow */
	uint64_t *speaks[2]; /* by direction, a bit for each allow that may speak of it */
};

struct hops {
	struct arena *arena;
	const struct world *world;
	struct samples samples;
	struct hop_end *ends;
	size_t end_count;
	size_t workload_ends;  /* of these, those that stand first: HOP_WORKLOADS */
	size_t words;	       /* of a row of bits, one for each end */
	uint64_t **targets;    /* for each allow a row: the ends it may speak of as destinations */
	uint64_t **rows;       /* for each end those it reaches, made when first asked for */
	uint64_t *open_in[2];  /* by family: the ends that receive without an allow */
	struct allow **allows; /* room for those of the pair that is asked about */
	struct isolation **isolations;
};

/* Finds all ends. With `possible` a service without a workload in the inventory stands for one that could exist: with
 * the labels it requires, once for each value that it lists. */
void hops_init(struct hops *hops, struct arena *arena, const struct world *world, bool possible);

/* The part of hops_init that finds the ends, with what holds for each (hop_ends.c). */
void hops_find_ends(struct hops *hops, bool possible);

/* Fills what statements say of the ends, or of one that stands beside them (hop_statements.c). */
void hops_find_statements(struct hops *hops);
void hops_find_statements_of(const struct hops *hops, struct hop_end *end);

/* An end that is one workload, or no workload of ours, as a source beside the others. */
struct hop_end hops_source(const struct hops *hops, const struct endpoint *endpoint);

/* The ends that `from` reaches in one hop, as a row of bits; of one of hops->ends it is made once. */
const uint64_t *hops_row(struct hops *hops, const struct hop_end *from);

/* What `from` reaches `to` on, merged and in order, and the statements that open it (none: nothing isolates either). */
void hops_describe(const struct hops *hops, const struct hop_end *from, const struct hop_end *to, struct hop *hop);

static inline bool hops_bit(const uint64_t *row, size_t bit)
{
	return (row[bit / 64] >> bit % 64 & 1) != 0;
}

static inline void hops_set(uint64_t *row, size_t bit)
{
	row[bit / 64] |= UINT64_C(1) << bit % 64;
}

#endif
