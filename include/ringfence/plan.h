/* A plan: the transactions that bring the kernel's table to what it should be. And its application.
 *
 * This is the narrow place between planning, which needs no privilege, and applying, which needs CAP_NET_ADMIN:
 * a bounded list of operations goes in, an answer comes out. */
#ifndef RINGFENCE_PLAN_H
#define RINGFENCE_PLAN_H

#include <ringfence/ruleset.h>

#define PLAN_OPERATIONS_MAX (2 * RULESET_ELEMENTS_MAX)

enum operation_kind {
	OPERATION_ADD_TABLE,
	OPERATION_ADD_SET,	/* without its elements */
	OPERATION_ADD_CHAIN,	/* without its rules */
	OPERATION_ADD_RULES,	/* all of `chain`'s rules, in order */
	OPERATION_FLUSH_CHAIN,	/* all rules of the chain called `name` */
	OPERATION_DELETE_CHAIN, /* by name; empty and unused by then */
	OPERATION_DELETE_SET,	/* by name */
	OPERATION_ADD_COUNTER,	/* by name; one that is there stays as it is */
	OPERATION_DELETE_COUNTER,
	OPERATION_ADD_ELEMENTS, /* elements[0 .. element_count) of `set` */
	OPERATION_DELETE_ELEMENTS,
};

struct operation {
	enum operation_kind kind;
	char name[RULESET_NAME_SIZE];
	const struct set *set;
	const struct chain *chain;
	const struct element *elements;
	size_t element_count;
};

/* Operations the kernel takes together or not at all. */
struct transaction {
	struct operation *operations;
	size_t count;
	bool settled; /* not before every packet that met the one before has left it */
};

enum { PLAN_TRANSACTIONS = 5 };

/* Each transaction leaves the table whole (dataplane.md, "What atomic takes"): what no packet meets yet is built, what
 * they meet is changed, what they meet no more is deleted. */
struct plan {
	struct transaction transactions[PLAN_TRANSACTIONS];
	size_t count; /* transactions that are not empty stand first */
	size_t elements_added, elements_deleted;
};

/* How many generations are numbered before the numbers begin again. */
enum { GENERATIONS = 100000 };

/* The number of the generation behind `generation`: 1 to GENERATIONS - 1. */
static inline uint32_t generation_next(uint32_t generation)
{
	return generation % (GENERATIONS - 1) + 1;
}

/* Whether `desired` can be reached from `actual` within the generation: same rules in the chains both have, no
 * interval set differs, every set has room. When not, lower again with a new generation number before plan_make. */
bool plan_fits_generation(const struct ruleset *actual, const struct ruleset *desired);

/* Keeps the sizes of the sets that are there: the kernel cannot change them. Call it when `desired` fits. */
void plan_keep_sizes(const struct ruleset *actual, struct ruleset *desired);

/* Returns the plan from `actual` (NULL or without chains: no table) to `desired`; it points into both. */
struct plan *plan_make(struct arena *arena, const struct ruleset *actual, const struct ruleset *desired);

/* What the kernel said. */
struct answer {
	int error;	    /* 0, or a negative errno */
	size_t transaction; /* which one failed */
	char object[128];   /* which object it refused, in words */
	uint64_t bytes;	    /* netlink bytes sent */
};

/* An open netlink socket to nf_tables. */
struct kernel;

/* Opens it; returns a negative errno when that fails. `*kernel` is closed with kernel_close. */
int kernel_open(struct kernel **kernel);
void kernel_close(struct kernel *kernel); /* NULL is allowed */

/* The netlink port of the socket, by which the kernel's notifications name who made a change. */
uint32_t kernel_port(const struct kernel *kernel);

/* Applies a plan, transaction by transaction; the first that is refused ends it. `at`: Unix time in seconds, now. */
struct answer kernel_apply(struct kernel *kernel, const struct plan *plan, int64_t at);

/* Whether the kernel would take a transaction: it is given all of it, and something that it refuses at the end, so that
 * nothing is changed. For a process that has CAP_NET_ADMIN itself. */
struct answer kernel_try(struct kernel *kernel, const struct transaction *transaction, int64_t at);

/* The bytes of the netlink batches that kernel_apply would send for a plan. */
uint64_t plan_bytes(const struct plan *plan, int64_t at);

/* Reads the kernel's table into `*actual`, all in `arena`; a table that is not there gives a ruleset without chains and
 * sets. Rules that none of ours look like come back as rules that equal none. Returns 0 or a negative errno; a change
 * in the middle of the reading is read again. */
int kernel_read(struct kernel *kernel, struct arena *arena, int64_t at, struct ruleset **actual);

/* Whether two rules do the same (counters apart), and all rules of two chains. */
bool rule_equal(const struct rule *a, const struct rule *b);
bool chain_same_rules(const struct chain *a, const struct chain *b);

/* Whether two sets are the same but for their elements and their size. */
bool set_same_form(const struct set *a, const struct set *b);

#endif
