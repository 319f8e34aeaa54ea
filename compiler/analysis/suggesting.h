/* What the parts of a suggestion share: suggest_peers.c finds who may be named for an end, suggest.c takes the flows
 * and chooses, suggest_nevers.c says what must stay closed, suggest_statements.c makes few statements of what was
 * chosen. */
#ifndef COMPILER_ANALYSIS_SUGGESTING_H
#define COMPILER_ANALYSIS_SUGGESTING_H

#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/suggest.h>

/* Whom an allow may name. */
struct candidate {
	const char *key; /* tells it from others, and orders it */
	struct peer peer;
	const char *name_space;		   /* of the document that defines it, or NULL */
	bool is_address;		   /* no network holds it: an address as it is */
	bool is_dropped;		   /* one address too many */
	const struct workload **workloads; /* of the inventory that it means, in its order */
	size_t workload_count;
	size_t ends; /* how many it means: workloads, at least 1 */
	uint64_t times;
};

struct candidates; /* all of them, and the ends they were looked up for */

struct candidates *candidates_create(struct arena *arena, const struct world *world);
void candidates_finish(struct candidates *candidates);

/* Some candidates by their numbers, narrowest first; equal lists are one. */
struct kind {
	size_t *numbers;
	size_t count;
	size_t number;	     /* of the kind */
	const char *problem; /* why there is none */
};

/* Who may be named for an end of a flow whose other end is `other`. `*unit` tells whom a reader would count as one. */
const struct kind *candidates_of(struct candidates *candidates, const struct endpoints *end,
				 const struct endpoints *other, const void **unit);

/* Call it when all ends were asked for: fills `workloads` and `ends` of those by labels, and drops the addresses that
 * were seen least where there are more than SUGGEST_ADDRESSES_MOST. */
void candidates_close(struct candidates *candidates);

size_t candidates_count(const struct candidates *candidates);
struct candidate *candidate_at(const struct candidates *candidates, size_t number);

/* An allow of one source, one destination and one port. */
struct atom {
	size_t ends[2]; /* candidates, by direction */
	uint16_t protocol, port;
	const struct never *breaks; /* a never that it would break, or NULL */
	bool chosen;
	size_t statement; /* of those that are chosen: which of the suggestion's allows */
};

/* Fills in `breaks`. */
void nevers_mark(const struct world *world, const struct candidates *candidates, struct atom *atoms, size_t atom_count);

/* Fills `suggestion->allows`, all but what was seen, from the atoms that are chosen. Atoms are sorted by the names of
 * their ends. */
void statements_make(struct arena *arena, const struct candidates *candidates, struct atom *atoms, size_t atom_count,
		     struct suggestion *suggestion);

#endif
