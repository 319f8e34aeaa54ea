/* What the parts of a comparison share: meanings.c writes statements so that equal ones are equal, ends.c finds the
 * ends that are to be asked about, selecting.c what isolates them, diff.c asks, widening.c looks for what grew. */
#ifndef COMPILER_ANALYSIS_COMPARING_H
#define COMPILER_ANALYSIS_COMPARING_H

#include "compiler/analysis/samples.h"
#include "compiler/analysis/selecting.h"

#include <ringfence/diff.h>
#include <ringfence/explain.h>

enum { VERSIONS = 2, DIRECTIONS = 2 };

/* What a statement says, with names resolved: equal for statements that mean the same. */
struct meaning {
	const char *text;
	const struct allow *allow;
	size_t number; /* of the allow in its policy */
};

struct meanings {
	struct meaning *items; /* sorted by text */
	size_t count;
};

enum end_kind {
	END_WORKLOAD,	/* workloads of one kind, or one that could exist */
	END_ADDRESS,	/* a piece of the address space */
	END_OWN_NODE,	/* the node of the other end */
	END_OTHER_NODE, /* another node, at an address in one piece of the space */
};

struct end {
	enum end_kind kind;
	const char *name;
	const struct workload *workloads[VERSIONS];
	const struct workload *twins[VERSIONS];	 /* another one of the kind, or NULL */
	bool is_nameless;			 /* no service, and nobody of the inventory */
	bool changed;				 /* the workload is of another kind in the other inventory */
	size_t counts[VERSIONS];		 /* workloads of the inventory */
	struct address address;			 /* END_ADDRESS */
	size_t piece;				 /* END_OTHER_NODE */
	struct isolation **isolations[VERSIONS]; /* that select it */
	size_t isolation_counts[VERSIONS];
	struct endpoints at[VERSIONS];		/* END_WORKLOAD: the first workload's */
	bool touched[DIRECTIONS];		/* what holds for it without any allow differs */
	uint64_t *speaks[VERSIONS][DIRECTIONS]; /* a bit for each allow that may speak of it; made when first needed */
};

struct comparing {
	struct arena *arena;
	const struct world *worlds[VERSIONS];
	struct samples samples; /* of both policies */
	bool namespaces_differ, nodes_differ;
	bool has_hosts;			    /* some workload is a host workload */
	struct meanings meanings[VERSIONS]; /* of the allows */
	bool *changed[VERSIONS];	    /* by number of the allow: nothing in the other version means the same */
	struct selecting *selecting[VERSIONS];
	struct end *ends;
	size_t end_count;
	struct diff diff;
};

/* What flows mean, as bytes. `tag` marks what depends on the namespaces' labels, where these differ. */
const char *flows_meaning(struct arena *arena, const struct flows *flows, char tag);

/* What each pair of a source and a destination port of `flows` means. */
struct meanings flows_atoms(struct arena *arena, const struct flows *flows, char tag);

/* Fills `meanings` and `changed`. */
void meanings_find(struct comparing *comparing);

/* Compares by text. */
int meanings_order(const void *left, const void *right);

/* Fills `ends`, and before it `samples` and what of the inventories differs. */
void ends_find(struct comparing *comparing);

/* The endpoints of an end in a version, towards a workload at the other end. */
struct endpoints ends_resolve(const struct comparing *comparing, struct arena *arena, const struct end *end, bool twin,
			      const struct workload *other, enum version version);

/* Whether it is a host workload, in either version: it calls itself as it calls another one of its kind. */
bool end_calls_itself(const struct end *end);

/* Whether a peer may match an end. */
bool ends_may_match(const struct comparing *comparing, const struct peer *peer, const struct end *end,
		    enum version version);

/* Adds what became wider; the changes must be known. */
void widenings_find(struct comparing *comparing);

#endif
