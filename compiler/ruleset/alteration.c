/* A change of some workloads to a plan: few transactions, in an order in which no packet that is judged alike before
 * and after is judged otherwise in between (dataplane.md, "What atomic takes").
 *
 * The kernel takes each transaction at once for each look-up, but a packet makes several, and may meet the first before
 * and the second after. With allows that hold for both ends or for none, a packet that is denied before and after finds
 * none of its elements in any mix, so elements that come are added first and those that go are deleted last: then one
 * that is allowed finds some at any time. Where a rule counts on one side only, that is not enough, and only workloads
 * that come or go are done so: their own rules hold before anyone names them as a peer, and until nobody does.
 * What tells strangers from workloads opens an address of a pool, so it comes last and goes first. */
#include "compiler/ruleset/lowering.h"

#include <stdlib.h>
#include <string.h>

void change_begin(struct lowering *l)
{
	if (l->scratch != NULL)
		return;
	l->scratch = arena_create();
	l->gone = (struct members){.arena = l->scratch};
	l->come = (struct members){.arena = l->scratch};
	l->left_count = l->entered_count = 0;
}

static void note(struct members *members, struct store *store, const struct element *element)
{
	*arena_push(members->arena, members->items, members->count) = (struct member){store, *element};
}

void note_gone(void *context, struct store *store, const struct element *element)
{
	struct lowering *l = context;
	note(&l->gone, store, element);
}

void note_come(void *context, struct store *store, const struct element *element)
{
	struct lowering *l = context;
	note(&l->come, store, element);
}

/* ---- what differs ---- */

static int compare_members(const void *left, const void *right)
{
	const struct member *a = left, *b = right;
	if (a->store != b->store)
		return (uintptr_t)a->store < (uintptr_t)b->store ? -1 : 1;
	return element_compare(&a->element, &b->element, ELEMENT_KEY_MAX);
}

static bool same_chain(const struct member *a, const struct member *b)
{
	const char *x = a->element.chain, *y = b->element.chain;
	return x == y || (x != NULL && y != NULL && strcmp(x, y) == 0);
}

/* Sorts, and drops what is there twice. */
static void tidy(struct members *members)
{
	size_t kept = 0;
	if (members->count > 1)
		qsort(members->items, members->count, sizeof *members->items, compare_members);
	for (size_t i = 0; i < members->count; i++)
		if (kept == 0 || compare_members(&members->items[kept - 1], &members->items[i]) != 0)
			members->items[kept++] = members->items[i];
	members->count = kept;
}

/* What a transaction does to elements. */
struct step {
	struct members deleted, added;
};

/* The transactions of a change, in order; empty ones are left out. */
enum { FIRST, SECOND, THIRD, STEPS };

struct change {
	struct lowering *l;
	struct step steps[STEPS];
	size_t flips; /* addresses whose rules change while they are in use */
	bool full;    /* a set has no room */
	bool overlap; /* an interval comes beside one that it overlaps and that goes, which the kernel refuses */
};

/* In which step elements of a role come, go, or change their value. */
static const struct {
	uint8_t come[2], go[2]; /* for allows of both sides; of one side */
} orders[] = {
    [ROLE_PEER] = {{FIRST, SECOND}, {THIRD, SECOND}},	[ROLE_PAIR] = {{FIRST, FIRST}, {THIRD, THIRD}},
    [ROLE_END] = {{SECOND, FIRST}, {SECOND, THIRD}},	[ROLE_KNOWN] = {{THIRD, THIRD}, {FIRST, FIRST}},
    [ROLE_DOOR] = {{SECOND, SECOND}, {SECOND, SECOND}},
};

static struct members *list_of(struct change *change, const struct member *member, bool come)
{
	enum role role = member->store->role;
	bool one_sided = change->l->one_sided;
	size_t step = come ? orders[role].come[one_sided] : orders[role].go[one_sided];
	return come ? &change->steps[step].added : &change->steps[step].deleted;
}

static bool is_built(const struct member *member)
{
	const struct class *class = member->store->owner;
	return class != NULL && (class->made || class->members == 0);
}

static void put(struct change *change, struct members *list, const struct member *member)
{
	list->arena = change->l->scratch;
	note(list, member->store, &member->element);
}

/* Whether a workload's ports in a set become others that overlap them. It has one address and protocol in each, so
 * these compare as a whole. */
static bool overlaps_gone(const struct members *gone, const struct member *member)
{
	const struct element *come = &member->element;
	for (size_t i = 0; member->store->form.interval && i < gone->count; i++) {
		const struct element *other = &gone->items[i].element;
		if (gone->items[i].store == member->store && memcmp(other->key, come->end, sizeof come->end) <= 0 &&
		    memcmp(come->key, other->end, sizeof come->key) <= 0)
			return true;
	}
	return false;
}

static void take_come(struct change *change, const struct member *member)
{
	struct store *store = member->store;
	if (is_built(member)) /* with its whole set, or not at all */
		return;
	store->count++;
	change->l->element_count++;
	change->full = change->full || (store->form.size != 0 && store->count > store->form.size);
	change->overlap = change->overlap || overlaps_gone(&change->l->gone, member);
	put(change, list_of(change, member, true), member);
}

static void take_gone(struct change *change, const struct member *member)
{
	if (is_built(member))
		return;
	member->store->count--;
	change->l->element_count--;
	put(change, list_of(change, member, false), member);
}

/* A key whose value changes is one look-up, before or after. */
static void take_flip(struct change *change, const struct member *gone, const struct member *come)
{
	change->flips++;
	put(change, &change->steps[SECOND].deleted, gone);
	put(change, &change->steps[SECOND].added, come);
}

static void compare(struct change *change)
{
	struct members *gone = &change->l->gone, *come = &change->l->come;
	tidy(gone);
	tidy(come);
	for (size_t i = 0, j = 0; i < gone->count || j < come->count;) {
		int order = i == gone->count   ? 1
			    : j == come->count ? -1
					       : compare_members(&gone->items[i], &come->items[j]);
		if (order == 0 && !same_chain(&gone->items[i], &come->items[j]))
			take_flip(change, &gone->items[i], &come->items[j]);
		else if (order < 0)
			take_gone(change, &gone->items[i]);
		else if (order > 0)
			take_come(change, &come->items[j]);
		i += order <= 0;
		j += order >= 0;
	}
}

/* ---- the plan ---- */

static struct operation *add(struct lowering *l, struct transaction *transaction, enum operation_kind kind,
			     const char *name)
{
	struct operation *operation = arena_push(l->scratch, transaction->operations, transaction->count);
	operation->kind = kind;
	memcpy(operation->name, name, strnlen(name, sizeof operation->name - 1));
	return operation;
}

/* One operation for each set: members of one stand side by side. */
static void add_elements(struct lowering *l, struct transaction *transaction, enum operation_kind kind,
			 const struct members *members, size_t *sum)
{
	struct operation *operation = NULL;
	struct element *elements = NULL;
	for (size_t i = 0; i < members->count; i++) {
		const struct member *member = &members->items[i];
		if (i == 0 || member->store != members->items[i - 1].store) {
			operation = add(l, transaction, kind, member->store->form.name);
			operation->set = &member->store->form;
			elements = NULL;
		}
		*arena_push(l->scratch, elements, operation->element_count) = member->element;
		operation->elements = elements;
	}
	*sum += members->count;
}

static void fill_element(void *context, struct store *store, const struct element *element)
{
	(void)context;
	store->filled->elements[store->filled->element_count++] = *element;
}

static void count_element(void *context, struct store *store, const struct element *element)
{
	(void)context;
	(void)element;
	store->count++;
}

/* A new class, which no packet meets yet: the map that names its chain comes later. */
static void build(struct lowering *l, struct transaction *transaction, struct class *class, size_t *sum)
{
	struct ruleset filled = {0};
	for_each_member(l, class, count_element, NULL);
	for (size_t i = 0; i < class->group_count; i++) {
		struct store *store = class->groups[i].store;
		store_size(store);
		store->filled = store_copy(l->scratch, store);
		*arena_push(l->scratch, filled.sets, filled.set_count) = store->filled;
	}
	for_each_member(l, class, fill_element, NULL);
	ruleset_sort(&filled);
	for (size_t i = 0; i < class->group_count; i++) {
		struct store *store = class->groups[i].store;
		store->count = store->filled->element_count;
		add(l, transaction, OPERATION_ADD_SET, store->form.name)->set = store->filled;
		*sum += store->count;
		l->element_count += store->count;
	}
	add(l, transaction, OPERATION_ADD_CHAIN, class->chain->name)->chain = class->chain;
	for (size_t i = 0; i < filled.set_count; i++) {
		if (filled.sets[i]->element_count == 0)
			continue;
		struct operation *operation = add(l, transaction, OPERATION_ADD_ELEMENTS, filled.sets[i]->name);
		operation->set = filled.sets[i];
		operation->elements = filled.sets[i]->elements;
		operation->element_count = filled.sets[i]->element_count;
	}
	add(l, transaction, OPERATION_ADD_RULES, class->chain->name)->chain = class->chain;
}

/* A class that no address has any more. */
static void delete_class(struct lowering *l, struct transaction *transaction, const struct class *class)
{
	add(l, transaction, OPERATION_FLUSH_CHAIN, class->chain->name);
	for (size_t i = 0; i < class->group_count; i++) {
		l->element_count -= class->groups[i].store->count;
		add(l, transaction, OPERATION_DELETE_SET, class->groups[i].store->form.name);
	}
	add(l, transaction, OPERATION_DELETE_CHAIN, class->chain->name);
}

static void take_classes(struct lowering *l, struct transaction *built, struct transaction *deleted, size_t *sum)
{
	struct class *class, *next;
	HASH_ITER(hh, l->classes, class, next)
	{
		if (class->members > 0 && class->made)
			build(l, built, class, sum);
		if (class->members == 0 && !class->made)
			delete_class(l, deleted, class);
	}
	HASH_ITER(hh, l->classes, class, next)
	{
		class->made = false;
		if (class->members > 0)
			continue;
		groups_forget(l, class);
		class_free(l, class);
	}
}

/* Whether the steps keep every packet from a third verdict. Each change by itself does; of those that change while they
 * are in use there may be one, since two of them could meet half-way. */
static bool is_stepwise(const struct change *change)
{
	const struct lowering *l = change->l;
	if (change->full || change->overlap || (change->flips > 0 && (l->entered_count > 1 || l->left_count > 2)))
		return false;
	return !l->one_sided || (change->flips == 0 && l->entered_count + l->left_count <= 1);
}

struct plan *lowering_finish(struct lowering *l, struct arena *arena)
{
	enum { BUILD, DELETE = STEPS + 1, TRANSACTIONS };
	struct transaction transactions[TRANSACTIONS] = {0};
	struct plan *plan = arena_alloc(arena, sizeof *plan);
	struct change change = {.l = l};
	change_begin(l);
	compare(&change);
	for (size_t i = 0; i < STEPS; i++) {
		struct transaction *transaction = &transactions[1 + i];
		add_elements(l, transaction, OPERATION_DELETE_ELEMENTS, &change.steps[i].deleted,
			     &plan->elements_deleted);
		add_elements(l, transaction, OPERATION_ADD_ELEMENTS, &change.steps[i].added, &plan->elements_added);
	}
	take_classes(l, &transactions[BUILD], &transactions[DELETE], &plan->elements_added);
	for (size_t i = 0; i < TRANSACTIONS; i++)
		if (transactions[i].count > 0)
			plan->transactions[plan->count++] = transactions[i];
	arena_pass(l->scratch, arena);
	l->scratch = NULL;
	bool stepwise = is_stepwise(&change) && l->budget.passed_by == NULL && l->element_count <= RULESET_ELEMENTS_MAX;
	return stepwise ? plan : NULL;
}
