/* A change of some workloads to a plan: few transactions, in an order in which no packet that is judged alike before
 * and after is judged otherwise in between (dataplane.md, "What atomic takes").
 *
 * The kernel takes each transaction at once for each look-up, but a packet makes several, and may meet the first before
 * and the second after. It asks in the order of enum role. Who comes is named as a peer before its own rules hold, and
 * who goes the other way round: with allows that hold for both ends or for none, a pair that is denied before and after
 * stands in no set meanwhile, and one that is allowed finds itself at any time. Where a rule counts on one side only,
 * and for who is closed and still a peer of others, own rules come before anyone names the workload, and go after that.
 * What a packet asks first comes with what it asks next, but goes before it.
 *
 * Who is at an address for workloads is no part of the world before anything else of it holds, and until all else is
 * gone: where it is unknown it is closed, and must not be taken for the world where it is half known.
 *
 * One packet is taken to meet one transaction on its way, not two: what it asks last can come after what it asks first
 * and has not found.
 *
 * All that is about one end that changes. A pair of which both change could meet half of each, so several workloads
 * change together only where they all come, all go, or have no rules here. */
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
	l->left = l->entered = (struct addresses){0};
	l->closing = false;
}

static void note_workload(struct lowering *l, const struct workload *workload, struct addresses *addresses)
{
	l->closing = l->closing || workload->conflict || quarantine_of(&l->world, workload) != NULL;
	for (size_t i = 0; i < workload->address_count; i++)
		*arena_push(l->scratch, addresses->items, addresses->count) = workload->addresses[i];
}

void note_leaving(struct lowering *l, const struct workload *workload)
{
	change_begin(l);
	l->left_count++;
	note_workload(l, workload, &l->left);
}

void note_entering(struct lowering *l, const struct workload *workload)
{
	change_begin(l);
	if (l->starting)
		return; /* nothing is in force that would change */
	l->entered_count++;
	note_workload(l, workload, &l->entered);
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

enum { BUILD, FIRST, SECOND, THIRD, FOURTH, STEPS };

struct change {
	struct lowering *l;
	struct members come, gone;	  /* what differs */
	struct members flipped, flips;	  /* keys whose value changes: before, after */
	bool flips_rules;		  /* what holds for one is another's then, and not only what counts it */
	size_t comes[ROLES], goes[ROLES]; /* elements, by role */
	bool full;			  /* a set has no room */
	bool overlap; /* an interval comes beside one that it overlaps and that goes, which the kernel refuses */
	struct step steps[STEPS];
};

/* In which step elements of a role come and go. */
static const struct {
	uint8_t come[2], go[2]; /* where both ends allow a pair or none does; where one may */
} orders[] = {
    [ROLE_DOOR] = {{SECOND, FIRST}, {FIRST, FIRST}},  [ROLE_GUARD] = {{SECOND, FIRST}, {SECOND, SECOND}},
    [ROLE_END] = {{SECOND, FIRST}, {THIRD, THIRD}},   [ROLE_PEER] = {{FIRST, SECOND}, {FOURTH, SECOND}},
    [ROLE_SELF] = {{FIRST, FIRST}, {FOURTH, FOURTH}}, [ROLE_KNOWN] = {{THIRD, THIRD}, {FIRST, FIRST}},
    [ROLE_INSIDE] = {{THIRD, THIRD}, {THIRD, FIRST}}, [ROLE_INSIDE_POOL] = {{BUILD, BUILD}, {FOURTH, FOURTH}},
};

static enum role role_of(const struct lowering *l, const struct member *member)
{
	struct address address = {.family = member->store->form.key == KEY_ADDRESS6 ? 6 : 4};
	if (member->store->role != ROLE_INSIDE)
		return member->store->role;
	memcpy(address.bytes, member->element.key, address_size(address.family));
	return in_pools(l, &address) ? ROLE_INSIDE_POOL : ROLE_INSIDE;
}

static bool is_built(const struct member *member)
{
	return member->store->owner != NULL && member->store->owner->made;
}

/* Whether a workload's ports in a set become others that overlap them. It has one address and protocol in each, so
 * these compare as a whole; and what goes does not overlap, so it is one of the two that `member` would stand between,
 * the second at `place`. */
static bool overlaps_gone(const struct members *gone, size_t place, const struct member *member)
{
	const struct element *come = &member->element;
	for (size_t i = place > 0 ? place - 1 : 0; member->store->form.interval && i < gone->count && i <= place; i++) {
		const struct element *other = &gone->items[i].element;
		if (gone->items[i].store == member->store && memcmp(other->key, come->end, sizeof come->end) <= 0 &&
		    memcmp(come->key, other->end, sizeof come->key) <= 0)
			return true;
	}
	return false;
}

static void take_come(struct change *change, size_t place, const struct member *member)
{
	struct store *store = member->store;
	if (is_built(member)) /* with its whole set, or not at all */
		return;
	store->count++;
	change->full = change->full || (store->form.size != 0 && store->count > store->form.size);
	change->overlap = change->overlap || overlaps_gone(&change->l->gone, place, member);
	change->comes[store->role]++;
	note(&change->come, store, &member->element);
}

static void take_gone(struct change *change, const struct member *member)
{
	if (is_built(member))
		return;
	change->goes[member->store->role]++;
	note(&change->gone, member->store, &member->element);
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
		if (order < 0) {
			take_gone(change, &gone->items[i]);
		} else if (order > 0) {
			take_come(change, i, &come->items[j]);
		} else if (!same_chain(&gone->items[i], &come->items[j])) {
			change->flips_rules = change->flips_rules || gone->items[i].store->form.map;
			change->overlap = change->overlap || gone->items[i].store->form.interval;
			note(&change->flipped, gone->items[i].store, &gone->items[i].element);
			note(&change->flips, come->items[j].store, &come->items[j].element);
		}
		i += order <= 0;
		j += order >= 0;
	}
	for (size_t i = 0; i < change->gone.count; i++) /* a set has to hold both meanwhile */
		change->gone.items[i].store->count--;
	change->l->element_count += change->come.count;
	change->l->element_count -= change->gone.count;
}

static bool differs(const struct change *change, enum role role)
{
	return change->comes[role] + change->goes[role] > 0;
}

static bool changes_rules(const struct change *change)
{
	return differs(change, ROLE_END) || change->flips_rules;
}

/* Whether a pair with an end that changes may be allowed by one of its ends only. */
static bool is_uneven(const struct change *change)
{
	return changes_rules(change) && (change->l->one_sided || change->l->closing);
}

static bool holds_all(const struct addresses *addresses, const struct addresses *others)
{
	size_t found = 0;
	for (size_t i = 0; i < others->count; i++)
		for (size_t j = 0; j < addresses->count; j++)
			if (address_compare(&addresses->items[j], &others->items[i]) == 0) {
				found++;
				break;
			}
	return found == others->count;
}

/* Whether some address comes and another goes. */
static bool is_mixed(const struct lowering *l)
{
	return !holds_all(&l->left, &l->entered) && !holds_all(&l->entered, &l->left);
}

static void arrange(struct change *change)
{
	bool uneven = is_uneven(change);
	struct step *steps = change->steps;
	for (size_t i = 0; i < STEPS; i++)
		steps[i].added.arena = steps[i].deleted.arena = change->l->scratch;
	for (size_t i = 0; i < change->come.count; i++) {
		const struct member *member = &change->come.items[i];
		note(&steps[orders[role_of(change->l, member)].come[uneven]].added, member->store, &member->element);
	}
	for (size_t i = 0; i < change->gone.count; i++) {
		const struct member *member = &change->gone.items[i];
		note(&steps[orders[role_of(change->l, member)].go[uneven]].deleted, member->store, &member->element);
	}
	for (size_t i = 0; i < change->flips.count; i++) { /* one look-up each, before or after */
		note(&steps[SECOND].deleted, change->flipped.items[i].store, &change->flipped.items[i].element);
		note(&steps[SECOND].added, change->flips.items[i].store, &change->flips.items[i].element);
	}
}

/* Whether the steps keep every packet from a third verdict; see above. */
static bool is_stepwise(const struct change *change)
{
	const struct lowering *l = change->l;
	if (change->full || change->overlap || l->unplaced)
		return false;
	bool own = changes_rules(change) || differs(change, ROLE_KNOWN) || differs(change, ROLE_INSIDE) ||
		   differs(change, ROLE_GUARD);
	if (own && l->entered_count > 0 && l->left_count > 0)
		return l->entered_count == 1 && l->left_count == 1 && !is_mixed(l) &&
		       (!is_uneven(change) || !differs(change, ROLE_PEER));
	return !is_uneven(change) || l->entered_count + l->left_count == 1;
}

/* ---- the plan ---- */

struct operation *operation_add(struct lowering *l, struct transaction *transaction, enum operation_kind kind,
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
			operation = operation_add(l, transaction, kind, member->store->form.name);
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
		if (class->groups[i].peers != NULL)
			continue;
		store_size(store);
		store->filled = store_copy(l->scratch, store);
		*arena_push(l->scratch, filled.sets, filled.set_count) = store->filled;
	}
	for_each_member(l, class, fill_element, NULL);
	ruleset_sort(&filled);
	counters_add(l, class, transaction);
	for (size_t i = 0; i < class->group_count; i++) {
		struct store *store = class->groups[i].store;
		if (class->groups[i].peers != NULL)
			continue;
		store->count = store->filled->element_count;
		operation_add(l, transaction, OPERATION_ADD_SET, store->form.name)->set = store->filled;
		*sum += store->count;
		l->element_count += store->count;
	}
	operation_add(l, transaction, OPERATION_ADD_CHAIN, class->chain->name)->chain = class->chain;
	for (size_t i = 0; i < filled.set_count; i++) {
		if (filled.sets[i]->element_count == 0)
			continue;
		struct operation *operation =
		    operation_add(l, transaction, OPERATION_ADD_ELEMENTS, filled.sets[i]->name);
		operation->set = filled.sets[i];
		operation->elements = filled.sets[i]->elements;
		operation->element_count = filled.sets[i]->element_count;
	}
	operation_add(l, transaction, OPERATION_ADD_RULES, class->chain->name)->chain = class->chain;
}

/* Builds the classes that are new; one that is empty already never was in the kernel. */
static void take_classes(struct lowering *l, struct transaction *built, struct transaction *deleted, size_t *sum)
{
	struct class *next;
	for (struct class *class = l->touched; class != NULL; class = class->next_touched)
		if (class->members > 0 && class->owner.made)
			build(l, built, class, sum);
	for (struct class *class = l->touched; class != NULL; class = next) {
		bool made = class->owner.made;
		next = class->next_touched;
		class->owner.made = class->touched = false;
		class->standing = NULL; /* it was the scratch arena's */
		class->standing_count = 0;
		if (class->members == 0 && made) {
			counters_leave(l, class);
			groups_forget(l, class);
			class_free(l, class);
		} else if (class->members == 0 && !class->empty) {
			class_empty(l, class);
		}
	}
	l->touched = NULL;
	empties_limit(l, deleted);
}

struct plan *lowering_finish(struct lowering *l, struct arena *arena)
{
	struct transaction transactions[STEPS] = {0};
	struct plan *plan = arena_alloc(arena, sizeof *plan);
	change_begin(l);
	struct members none = {.arena = l->scratch};
	struct change change = {.l = l, .come = none, .gone = none, .flipped = none, .flips = none};
	compare(&change);
	arrange(&change);
	for (size_t i = 0; i < STEPS; i++) {
		struct transaction *transaction = &transactions[i];
		add_elements(l, transaction, OPERATION_DELETE_ELEMENTS, &change.steps[i].deleted,
			     &plan->elements_deleted);
		add_elements(l, transaction, OPERATION_ADD_ELEMENTS, &change.steps[i].added, &plan->elements_added);
	}
	take_classes(l, &transactions[BUILD], &transactions[FOURTH], &plan->elements_added);
	for (size_t i = 0; i < STEPS; i++)
		if (transactions[i].count > 0)
			plan->transactions[plan->count++] = transactions[i];
	arena_pass(l->scratch, arena);
	l->scratch = NULL;
	bool stepwise = is_stepwise(&change) && l->budget.passed_by == NULL && l->element_count <= RULESET_ELEMENTS_MAX;
	return stepwise ? plan : NULL;
}
