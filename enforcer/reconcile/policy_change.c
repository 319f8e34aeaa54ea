/* From one policy to the next within a generation: the classes that change are built beside those that are there, then
 * the maps lead to them, then what they replace is deleted.
 *
 * A packet asks a map once for each end of its flow, and meets the old or the new class of it, each of them whole. Of a
 * pair that both policies allow, all four classes let it pass. Of one that both deny, a mix of an old and a new class
 * stops it where both classes of one policy do: so one of the policies has to be even, which native ones are. Else only
 * one of the ends may change. What is of no class must not change at all. */
#include <ringfence/arena.h>
#include <ringfence/reconcile.h>

#include <string.h>

/* A change of a policy, while it is looked at. */
struct policy_change {
	const struct lowering *old, *new;
	bool flips[2]; /* by direction: a map leads to another class */
	bool uneven_before, uneven_after;
};

/* An address whose class is another. */
static bool take_flip(struct policy_change *change, const struct element *old, const struct element *new)
{
	struct class_meaning before, after;
	if (strcmp(old->chain, new->chain) == 0)
		return true;
	if (!lowering_class(change->old, old->chain, &before) || !lowering_class(change->new, new->chain, &after))
		return false;
	change->flips[after.direction] = true;
	change->uneven_before = change->uneven_before || !before.even;
	change->uneven_after = change->uneven_after || !after.even;
	return true;
}

/* A set that stays: nothing in it may change but where a map leads. */
static bool take_set(struct policy_change *change, const struct set *old, const struct set *new)
{
	if (!set_same_form(old, new) || old->element_count != new->element_count)
		return false;
	for (size_t i = 0; i < old->element_count; i++) {
		const struct element *a = &old->elements[i], *b = &new->elements[i];
		if (element_compare(a, b, key_size(old->key)) != 0 || a->expires != b->expires ||
		    (a->chain == NULL) != (b->chain == NULL) || (a->chain != NULL && !take_flip(change, a, b)))
			return false;
	}
	return true;
}

/* Whether two chains ask the same sets in the same order. */
static bool ask_alike(const struct chain *a, const struct chain *b)
{
	bool alike = a->rule_count == b->rule_count;
	for (size_t i = 0; alike && i < a->rule_count; i++) {
		const struct rule *x = &a->rules[i], *y = &b->rules[i];
		alike = x->statement_count == y->statement_count;
		for (size_t j = 0; alike && j < x->statement_count; j++)
			alike = x->statements[j].kind == y->statements[j].kind &&
				strcmp(x->statements[j].set, y->statements[j].set) == 0;
	}
	return alike;
}

/* A chain that stays: the rules of a class may be written anew where they only say otherwise where they come from. */
static bool take_chain(const struct policy_change *change, const struct chain *old, const struct chain *new)
{
	struct class_meaning before, after;
	bool class = lowering_class(change->old, old->name, &before) && lowering_class(change->new, new->name, &after);
	if (class)
		return strcmp(before.text, after.text) == 0 && ask_alike(old, new);
	return chain_same_rules(old, new);
}

static bool takes_place(struct policy_change *change, const struct ruleset_index *old, const struct ruleset *new)
{
	for (size_t i = 0; i < new->set_count; i++) {
		const struct set *set = new->sets[i], *there = ruleset_index_set(old, set->name);
		if (there != NULL && !take_set(change, there, set))
			return false;
	}
	for (size_t i = 0; i < new->chain_count; i++) {
		const struct chain *chain = new->chains[i], *there = ruleset_index_chain(old, chain->name);
		struct class_meaning meaning;
		if (there != NULL ? !take_chain(change, there, chain)
				  : !lowering_class(change->new, chain->name, &meaning))
			return false;
	}
	return !(change->flips[EGRESS] && change->flips[INGRESS] && change->uneven_before && change->uneven_after);
}

struct lowering *reconcile_policy(struct arena *arena, struct lowering *enforced, const struct world *world,
				  const char *node, struct plan **plan)
{
	struct diagnostics too_large; /* whoever then makes a generation hears of it */
	diagnostics_init(&too_large, arena);
	const struct ruleset *old = lowering_ruleset(enforced, arena, true);
	struct lowering *lowering = lowering_create(world, node, lowering_generation(enforced), old, &too_large);
	if (lowering == NULL)
		return NULL;
	struct ruleset *new = lowering_ruleset(lowering, arena, true);
	struct policy_change change = {.old = enforced, .new = lowering};
	if (lowering_is_outgrown(lowering) || !takes_place(&change, ruleset_index(arena, old), new)) {
		lowering_destroy(lowering);
		return NULL;
	}
	plan_keep_sizes(old, new);
	lowering_keep_sizes(lowering);
	*plan = plan_make(arena, old, new);
	return lowering;
}
