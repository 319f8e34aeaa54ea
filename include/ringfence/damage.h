/* What is wrong with the kernel's table in the policy's terms: who may now reach whom that should not, and the other
 * way about. It comes from the plan that would repair it. */
#ifndef RINGFENCE_DAMAGE_H
#define RINGFENCE_DAMAGE_H

#include <ringfence/plan.h>

enum damage_kind {
	DAMAGE_OPENED,	  /* passes, and should not */
	DAMAGE_CLOSED,	  /* is denied, and should pass */
	DAMAGE_UNGUARDED, /* a workload, an interface or an address has lost its rules, or never gets any */
	DAMAGE_CHANGED,	  /* the rules are others: what they let pass is not told */
	DAMAGE_FOREIGN,	  /* a chain or set in our table that is none of ours */
	DAMAGE_KINDS
};

extern const char *const damage_words[DAMAGE_KINDS];

/* One thing. Texts are of the arena, without control characters. */
struct damage {
	enum damage_kind kind;
	const char *from, *to, *ports; /* of a flow; NULL: it is not about one */
	const char *side;	       /* egress or ingress: whose rules; NULL: both, or neither */
	const char *object;	       /* the set or chain in the kernel */
	const char *text;	       /* all of it: opened: shop/api-1 (10.0.1.12) -> shop/db 5432/tcp (ingress) */
};

struct damages {
	struct damage *items;
	size_t count, left_out; /* left out: over `most` */
};

/* Tells what `plan`, from `actual` to `wanted`, would repair: at most `most` things, each once. `wanted` has all its
 * elements; `world` is where names come from, `node` whose table it is (NULL: every workload's). An allow needs both of
 * its ends, so what is opened on one side may still be denied on the other: `side` says which it is. */
struct damages plan_damages(struct arena *arena, const struct plan *plan, const struct ruleset *actual,
			    const struct ruleset *wanted, const struct world *world, const char *node, size_t most);

#endif
