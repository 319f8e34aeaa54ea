/* Two rulesets to a plan: what is there, what should be, and the transactions between.
 *
 * First everything that no packet meets yet is built, then what packets meet is changed in one transaction (the hooks
 * where there were none, the jump to another generation, or elements in place), then what no packet meets any more is
 * deleted. A generation has names of its own, so a new one is simply all new objects here. */
#include <ringfence/arena.h>
#include <ringfence/plan.h>

#include <string.h>

/* The kernel keeps what remains of a timeout in its own ticks: seconds read back may be one off. */
enum { EXPIRY_TOLERANCE = 2 };

enum { BUILD, CHANGE, DELETE };

struct planning {
	struct arena *arena;
	struct plan *plan;
	const struct ruleset *actual, *desired;
	const struct ruleset_index *there, *wanted; /* of these */
};

bool set_same_form(const struct set *a, const struct set *b)
{
	return a->key == b->key && a->map == b->map && a->counted == b->counted && a->interval == b->interval &&
	       a->timeout == b->timeout && a->dynamic == b->dynamic && a->forget_after == b->forget_after;
}

static bool same_hook(const struct chain *a, const struct chain *b)
{
	return a->base == b->base && (!a->base || a->hook == b->hook);
}

bool chain_same_rules(const struct chain *a, const struct chain *b)
{
	bool same = a->rule_count == b->rule_count && same_hook(a, b);
	for (size_t i = 0; same && i < a->rule_count; i++)
		same = rule_equal(&a->rules[i], &b->rules[i]);
	return same;
}

static bool same_value(const struct element *a, const struct element *b)
{
	if ((a->chain == NULL) != (b->chain == NULL) || (a->chain != NULL && strcmp(a->chain, b->chain) != 0))
		return false;
	if (a->expires == 0 || b->expires == 0)
		return a->expires == b->expires;
	int64_t apart = a->expires - b->expires;
	return apart >= -EXPIRY_TOLERANCE && apart <= EXPIRY_TOLERANCE;
}

struct difference {
	struct element *added, *deleted;
	size_t added_count, deleted_count;
};

/* What to add to and delete from `actual` to get `desired`; either may be NULL. Both are sorted. Elements that have
 * expired by `now` are as good as gone, whichever side they are on. */
static struct difference compare(struct arena *arena, const struct set *actual, const struct set *desired, int64_t now)
{
	struct difference difference = {0};
	size_t bytes = key_size((actual != NULL ? actual : desired)->key);
	size_t old_count = actual != NULL ? actual->element_count : 0,
	       new_count = desired != NULL ? desired->element_count : 0;
	for (size_t i = 0, j = 0; i < old_count || j < new_count;) {
		const struct element *old = i < old_count ? &actual->elements[i] : NULL;
		const struct element *new = j < new_count ? &desired->elements[j] : NULL;
		int order = old == NULL ? 1 : new == NULL ? -1 : element_compare(old, new, bytes);
		bool differs = order != 0 || !same_value(old, new);
		bool old_gone = old != NULL && old->expires != 0 && old->expires <= now + 1;
		bool new_gone = new != NULL &&new->expires != 0 && new->expires <= now + 1;
		if (order <= 0 && differs && !old_gone)
			*arena_push(arena, difference.deleted, difference.deleted_count) = *old;
		if (order >= 0 && differs && !new_gone)
			*arena_push(arena, difference.added, difference.added_count) = *new;
		i += order <= 0;
		j += order >= 0;
	}
	return difference;
}

bool plan_fits_generation(const struct ruleset *actual, const struct ruleset *desired)
{
	if (ruleset_is_none(actual) || actual->generation != desired->generation)
		return false;
	struct arena *scratch = arena_create();
	const struct ruleset_index *index = ruleset_index(scratch, actual);
	bool fits = true;
	for (size_t i = 0; i < desired->chain_count && fits; i++) {
		const struct chain *chain = desired->chains[i], *there = ruleset_index_chain(index, chain->name);
		fits = chain->fixed || there == NULL || chain_same_rules(there, chain);
	}
	for (size_t i = 0; i < desired->set_count && fits; i++) {
		const struct set *set = desired->sets[i], *there = ruleset_index_set(index, set->name);
		if (there == NULL)
			continue;
		fits = set_same_form(there, set) && (there->size == 0 || set->element_count <= there->size) &&
		       (there->size == 0) == (set->size == 0);
		if (fits && set->interval) {
			struct difference difference = compare(scratch, there, set, actual->at);
			fits = difference.added_count + difference.deleted_count == 0;
		}
	}
	arena_free(scratch);
	return fits;
}

void plan_keep_sizes(const struct ruleset *actual, struct ruleset *desired)
{
	struct arena *scratch = arena_create();
	const struct ruleset_index *index = ruleset_index(scratch, actual);
	for (size_t i = 0; i < desired->set_count; i++) {
		const struct set *there = ruleset_index_set(index, desired->sets[i]->name);
		if (there != NULL)
			desired->sets[i]->size = there->size;
	}
	arena_free(scratch);
}

static struct operation *add(struct planning *p, size_t transaction, enum operation_kind kind, const char *name)
{
	struct transaction *list = &p->plan->transactions[transaction];
	struct operation *operation = arena_push(p->arena, list->operations, list->count);
	operation->kind = kind;
	memcpy(operation->name, name, strnlen(name, sizeof operation->name - 1));
	return operation;
}

static void add_elements(struct planning *p, size_t transaction, enum operation_kind kind, const struct set *set,
			 const struct element *elements, size_t count)
{
	if (count == 0)
		return;
	struct operation *operation = add(p, transaction, kind, set->name);
	operation->set = set;
	operation->elements = elements;
	operation->element_count = count;
	if (kind == OPERATION_ADD_ELEMENTS)
		p->plan->elements_added += count;
	else
		p->plan->elements_deleted += count;
}

static void add_rules(struct planning *p, size_t transaction, const struct chain *chain)
{
	if (chain->rule_count > 0)
		add(p, transaction, OPERATION_ADD_RULES, chain->name)->chain = chain;
}

/* An operation for each counter of `of` that is not in `without`; both are sorted. */
static void add_counters(struct planning *p, size_t transaction, enum operation_kind kind, const struct ruleset *of,
			 const struct ruleset *without)
{
	for (size_t i = 0; i < of->counter_count; i++)
		if (without == NULL || !ruleset_has_counter(without, of->counters[i]))
			add(p, transaction, kind, of->counters[i]);
}

/* What no packet meets yet. Counters, sets and chains come before the elements and rules that name them. */
static void plan_build(struct planning *p)
{
	const struct ruleset *desired = p->desired, *actual = p->actual;
	bool empty = ruleset_is_none(actual);
	if (empty)
		add(p, BUILD, OPERATION_ADD_TABLE, RULESET_TABLE);
	add_counters(p, BUILD, OPERATION_ADD_COUNTER, desired, empty ? NULL : actual);
	for (size_t i = 0; i < desired->set_count; i++)
		if (empty || ruleset_index_set(p->there, desired->sets[i]->name) == NULL)
			add(p, BUILD, OPERATION_ADD_SET, desired->sets[i]->name)->set = desired->sets[i];
	for (size_t i = 0; i < desired->chain_count; i++)
		if (!desired->chains[i]->fixed && ruleset_index_chain(p->there, desired->chains[i]->name) == NULL)
			add(p, BUILD, OPERATION_ADD_CHAIN, desired->chains[i]->name)->chain = desired->chains[i];
	for (size_t i = 0; i < desired->set_count; i++) {
		const struct set *set = desired->sets[i];
		if (!empty && ruleset_index_set(p->there, set->name) != NULL)
			continue;
		if (!set->timeout) { /* all of them; else not those that have expired */
			add_elements(p, BUILD, OPERATION_ADD_ELEMENTS, set, set->elements, set->element_count);
			continue;
		}
		struct difference difference = compare(p->arena, NULL, set, desired->at);
		add_elements(p, BUILD, OPERATION_ADD_ELEMENTS, set, difference.added, difference.added_count);
	}
	for (size_t i = 0; i < desired->chain_count; i++)
		if (!desired->chains[i]->fixed && ruleset_index_chain(p->there, desired->chains[i]->name) == NULL)
			add_rules(p, BUILD, desired->chains[i]);
}

/* What packets meet: the fixed chains, the jump among them, and elements of sets in use. */
static void plan_change(struct planning *p)
{
	const struct ruleset *desired = p->desired, *actual = p->actual;
	for (size_t i = 0; i < desired->set_count; i++) {
		const struct set *set = desired->sets[i], *there = ruleset_index_set(p->there, set->name);
		if (there == NULL)
			continue;
		struct difference difference = compare(p->arena, there, set, actual->at);
		add_elements(p, CHANGE, OPERATION_DELETE_ELEMENTS, set, difference.deleted, difference.deleted_count);
		add_elements(p, CHANGE, OPERATION_ADD_ELEMENTS, set, difference.added, difference.added_count);
	}
	for (size_t i = 0; i < desired->chain_count; i++) {
		const struct chain *chain = desired->chains[i], *there = ruleset_index_chain(p->there, chain->name);
		if (chain->fixed && there == NULL)
			add(p, CHANGE, OPERATION_ADD_CHAIN, chain->name)->chain = chain;
	}
	for (size_t i = 0; i < desired->chain_count; i++) {
		const struct chain *chain = desired->chains[i], *there = ruleset_index_chain(p->there, chain->name);
		bool built = there == NULL && !chain->fixed; /* with its rules, in the first transaction */
		if (built || (there != NULL && chain_same_rules(there, chain)))
			continue;
		if (there != NULL)
			add(p, CHANGE, OPERATION_FLUSH_CHAIN, chain->name);
		if (there != NULL &&
		    !same_hook(there, chain)) { /* somebody's chain under our name: the kernel cannot change it */
			add(p, CHANGE, OPERATION_DELETE_CHAIN, chain->name);
			add(p, CHANGE, OPERATION_ADD_CHAIN, chain->name)->chain = chain;
		}
		add_rules(p, CHANGE, chain);
	}
}

/* What no packet meets any more. Rules go first, then the maps that name chains, then chains; counters last. */
static void plan_delete(struct planning *p)
{
	const struct ruleset *actual = p->actual;
	for (size_t i = 0; i < actual->chain_count; i++)
		if (ruleset_index_chain(p->wanted, actual->chains[i]->name) == NULL)
			add(p, DELETE, OPERATION_FLUSH_CHAIN, actual->chains[i]->name);
	for (size_t i = 0; i < actual->set_count; i++)
		if (ruleset_index_set(p->wanted, actual->sets[i]->name) == NULL)
			add(p, DELETE, OPERATION_DELETE_SET, actual->sets[i]->name);
	for (size_t i = 0; i < actual->chain_count; i++)
		if (ruleset_index_chain(p->wanted, actual->chains[i]->name) == NULL)
			add(p, DELETE, OPERATION_DELETE_CHAIN, actual->chains[i]->name);
	add_counters(p, DELETE, OPERATION_DELETE_COUNTER, actual, p->desired);
	/* The kernel takes the rules of a chain and the elements of a map away at once, and a packet that is on its way
	 * there would find it empty. */
	p->plan->transactions[DELETE].settled = true;
}

struct plan *plan_make(struct arena *arena, const struct ruleset *actual, const struct ruleset *desired)
{
	struct arena *scratch = arena_create();
	struct planning p = {arena,   arena_alloc(arena, sizeof *p.plan), actual,
			     desired, ruleset_index(scratch, actual),	  ruleset_index(scratch, desired)};
	plan_build(&p);
	plan_change(&p);
	if (!ruleset_is_none(actual))
		plan_delete(&p);
	for (size_t i = 0; i < 3; i++)
		if (p.plan->transactions[i].count > 0)
			p.plan->transactions[p.plan->count++] = p.plan->transactions[i];
	arena_free(scratch);
	return p.plan;
}
