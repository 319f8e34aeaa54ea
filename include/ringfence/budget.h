/* How large a node's ruleset may be, as a file says it, and how large it is. */
#ifndef RINGFENCE_BUDGET_H
#define RINGFENCE_BUDGET_H

#include <ringfence/frontend.h>
#include <ringfence/ruleset.h>

/* What is counted: elements of all sets, rules of all chains, bytes of the batch that loads all into an empty kernel.
 */
enum measure { MEASURE_ELEMENTS, MEASURE_RULES, MEASURE_BYTES };
enum { MEASURES = MEASURE_BYTES + 1, CONTRIBUTORS_MOST = 3 };

/* What a measure is called in a budget and in reports. */
extern const char *const measure_names[MEASURES];

struct limit {
	uint64_t most;
	struct span span; /* file NULL: there is no such limit */
};

struct node_budget {
	const char *node;
	struct span span;
	struct limit limits[MEASURES];
};

struct ruleset_budget {
	struct node_budget every;  /* what holds where a node says nothing else */
	struct node_budget *nodes; /* sorted by nothing: in the order of the file */
	size_t node_count;
};

/* Reads a budget. Problems become diagnostics of `frontend`, which has read the inventory: a node that it does not know
 * is one of them. Everything lives in the frontend's arena. */
void budget_read(struct frontend *frontend, const char *path, struct ruleset_budget *budget);

/* The limit that holds for `node` (NULL: every workload is local), or NULL. */
const struct limit *budget_limit(const struct ruleset_budget *budget, const char *node, enum measure measure);

/* The names of the nodes that the inventory knows or workloads run on, sorted; in `arena`. */
const char **inventory_node_names(const struct inventory *inventory, struct arena *arena, size_t *count);

struct contributor {
	const char *name; /* the statements, as FILE:LINE, else the set or what its rules are for */
	size_t amount;	  /* elements, or rules */
};

struct ruleset_size {
	const char *node;
	uint64_t amounts[MEASURES];
	/* The largest by elements (which make the bytes too) and by rules. */
	struct contributor by[MEASURES][CONTRIBUTORS_MOST];
};

/* Counts a ruleset. The names of contributors live in `arena`. */
struct ruleset_size ruleset_measure(struct arena *arena, const struct ruleset *ruleset);

#endif
