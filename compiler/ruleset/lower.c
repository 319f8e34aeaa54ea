/* A policy and an inventory to a node's ruleset: calls the passes (lowering.h) in their order, and follows workloads
 * as they leave and enter. */
#include "compiler/ruleset/lowering.h"

#include <stdlib.h>
#include <string.h>

enum { SET_SIZE_LEAST = 64 };

/* ---- workloads ---- */

/* Joins or parts with the classes of each address that a local workload has, or of its cgroup. */
static void take_classes(struct lowering *l, struct identity *identity, const struct workload *workload, bool join)
{
	for (size_t i = 0; i < workload->address_count + workload_is_host(workload); i++) {
		const struct address *address = i < workload->address_count ? &workload->addresses[i] : NULL;
		if (!has_place(l, workload, i))
			continue;
		for (int direction = EGRESS; direction <= INGRESS; direction++) {
			if (join)
				class_join(l, identity, workload, address, direction);
			else
				class_part(l, identity, address, class_find(l, identity, workload, address, direction),
					   direction);
		}
	}
}

/* Returns whether the interface is the first with this name, or was the last. */
static bool take_interface(struct lowering *l, const char *interface, bool join, struct element *element)
{
	struct name *name = NULL;
	char text[16] = "";
	memcpy(text, interface, strnlen(interface, sizeof text - 1));
	*element = (struct element){0};
	put_part(element->key, 0, text, sizeof text);
	memcpy(element->end, element->key, sizeof element->end);
	HASH_FIND_STR(l->interfaces, text, name);
	if (name == NULL) {
		name = calloc(1, sizeof *name + sizeof text);
		if (name == NULL)
			abort();
		memcpy(name->text, text, sizeof text);
		HASH_ADD_STR(l->interfaces, text, name);
	}
	bool edge = join ? name->count++ == 0 : --name->count == 0;
	if (name->count == 0) {
		HASH_DEL(l->interfaces, name);
		free(name);
	}
	return edge;
}

/* Every interface of a local workload is guarded, also that of one in conflict, which may then send nothing. */
static void take_interfaces(struct lowering *l, const struct workload *workload, bool join)
{
	struct element element;
	for (size_t i = 0; i < workload->interface_count; i++)
		if (take_interface(l, workload->interfaces[i], join, &element))
			(join ? note_come : note_gone)(l, l->guarded, &element);
}

void lowering_enter(struct lowering *l, const struct workload *workload)
{
	struct identity *identity = identity_enter(l, workload);
	note_entering(l, workload);
	claim_enter(l, workload);
	if (!l->starting && identity->member_count == 1)
		slots_find(l, identity);
	if (is_local(l, workload)) {
		take_classes(l, identity, workload, true);
		l->unplaced = l->unplaced || (workload_is_host(workload) && host_level(l, workload) == NULL);
		take_interfaces(l, workload, true);
	}
	if (!l->starting)
		members_of(l, identity, workload, note_come, l);
}

void lowering_leave(struct lowering *l, const struct workload *workload)
{
	struct identity *identity = identity_find(l, workload);
	note_leaving(l, workload);
	members_of(l, identity, workload, note_gone, l);
	if (is_local(l, workload)) {
		take_classes(l, identity, workload, false);
		take_interfaces(l, workload, false);
	}
	identity_leave(l, identity, workload);
	claim_leave(l, workload);
}

/* ---- sets ---- */

void store_size(struct store *store)
{
	struct set *set = &store->form;
	if (set->interval || set->timeout || set->dynamic)
		return;
	set->size = SET_SIZE_LEAST;
	while (set->size < 2 * store->count)
		set->size *= 2;
}

struct set *store_copy(struct arena *arena, const struct store *store)
{
	struct set *set = arena_alloc(arena, sizeof *set);
	*set = store->form;
	set->elements = arena_alloc(arena, (store->count + 1) * sizeof *set->elements);
	if (set->element_count > 0)
		memcpy(set->elements, store->form.elements, set->element_count * sizeof *set->elements);
	return set;
}

/* What `members_of` gives, as far as it belongs to a class. */
struct of_class {
	const struct class *class;
	void (*call)(void *context, struct store *store, const struct element *element);
	void *context;
};

static void give_of_class(void *context, struct store *store, const struct element *element)
{
	const struct of_class *of = context;
	if (store->owner == &of->class->owner)
		of->call(of->context, store, element);
}

void for_each_member(struct lowering *l, const struct class *class,
		     void (*call)(void *context, struct store *store, const struct element *element), void *context)
{
	struct of_class of = {class, call, context};
	for (size_t i = 0; class != NULL && i < class->standing_count; i++)
		for (size_t j = 0; j < class->standing[i]->member_count; j++)
			members_of(l, class->standing[i], class->standing[i]->members[j], give_of_class, &of);
	if (class != NULL)
		return;
	for (const struct identity *identity = l->identities; identity != NULL; identity = identity->hh.next)
		for (size_t i = 0; i < identity->member_count; i++)
			members_of(l, identity, identity->members[i], call, context);
	for (const struct name *name = l->interfaces; name != NULL; name = name->hh.next) {
		struct element element = {0};
		put_part(element.key, 0, name->text, strlen(name->text));
		memcpy(element.end, element.key, sizeof element.end);
		call(context, l->guarded, &element);
	}
}

/* Calls for every set, those that all nodes have first. */
static void for_each_store(struct lowering *l, void (*call)(void *context, struct store *store), void *context)
{
	for (size_t i = 0; i < l->store_count; i++)
		call(context, l->stores[i]);
	for (struct peer_set *set = l->peer_sets; set != NULL; set = set->hh.next)
		for (size_t family = 0; set->users > 0 && family < 2; family++)
			call(context, set->stores[family]);
	for (struct class *class = l->classes; class != NULL; class = class->hh.next)
		for (size_t i = 0; i < class->group_count; i++)
			if (class->groups[i].peers == NULL)
				call(context, class->groups[i].store);
}

/* ---- a ruleset ---- */

struct filling {
	struct arena *arena;
	struct ruleset *ruleset;
	bool elements;
};

static void forget_count(void *context, struct store *store)
{
	(void)context;
	store->count = store->form.element_count;
}

static void count_element(void *context, struct store *store, const struct element *element)
{
	(void)context;
	(void)element;
	store->count++;
}

static void add_set(void *context, struct store *store)
{
	struct filling *filling = context;
	struct ruleset *ruleset = filling->ruleset;
	store->filled = filling->elements ? store_copy(filling->arena, store) : &store->form;
	*arena_push(filling->arena, ruleset->sets, ruleset->set_count) = store->filled;
}

static void fill_element(void *context, struct store *store, const struct element *element)
{
	(void)context;
	store->filled->elements[store->filled->element_count++] = *element;
}

static void note_count(void *context, struct store *store)
{
	(void)context;
	store->count = store->filled->element_count;
}

/* Chains stand behind those that they name: dead ends, classes, what every packet takes. */
static void add_chains(const struct lowering *l, struct filling *filling)
{
	struct ruleset *ruleset = filling->ruleset;
	for (size_t i = 0; i < l->chain_count; i++) {
		*arena_push(filling->arena, ruleset->chains, ruleset->chain_count) = l->chains[i];
		for (const struct class *class = l->classes; i + 1 == l->dead_end_count && class != NULL;
		     class = class->hh.next)
			*arena_push(filling->arena, ruleset->chains, ruleset->chain_count) = class->chain;
	}
}

struct ruleset *lowering_ruleset(struct lowering *l, struct arena *arena, bool elements)
{
	struct ruleset *ruleset = arena_alloc(arena, sizeof *ruleset);
	struct filling filling = {arena, ruleset, elements};
	ruleset->generation = l->generation;
	ruleset->at = l->world.at;
	counters_list(l, arena, ruleset);
	if (elements) {
		for_each_store(l, forget_count, NULL);
		for_each_member(l, NULL, count_element, NULL);
	}
	for_each_store(l, add_set, &filling);
	add_chains(l, &filling);
	if (!elements)
		return ruleset;
	for_each_member(l, NULL, fill_element, NULL);
	ruleset_sort(ruleset);
	for_each_store(l, note_count, NULL);
	return ruleset;
}

static void keep_size(void *context, struct store *store)
{
	(void)context;
	store->form.size = store->filled->size;
}

void lowering_keep_sizes(struct lowering *l)
{
	for_each_store(l, keep_size, NULL);
}

/* ---- start and end ---- */

static void sum_count(void *context, struct store *store)
{
	*(size_t *)context += store->count;
	store_size(store);
}

/* An allow of the set that has the most elements. */
static const struct allow *most_elements(const struct lowering *l)
{
	const struct group *most = NULL;
	for (const struct class *class = l->classes; class != NULL; class = class->hh.next)
		for (size_t i = 0; i < class->group_count; i++)
			if (most == NULL || class->groups[i].store->count > most->store->count)
				most = &class->groups[i];
	return most != NULL && most->allow_count > 0 ? most->allows[0] : NULL;
}

/* Says which allow is too much. */
static bool within_budget(struct lowering *l, struct diagnostics *diagnostics)
{
	const struct allow *allow = l->budget.passed_by;
	if (allow == NULL) {
		for_each_store(l, forget_count, NULL);
		for_each_member(l, NULL, count_element, NULL);
		for_each_store(l, sum_count, &l->element_count);
	}
	if (allow == NULL && l->element_count <= RULESET_ELEMENTS_MAX)
		return true;
	if (allow == NULL)
		allow = most_elements(l);
	struct span span = allow != NULL ? allow->span : (struct span){0};
	diagnostics_error(diagnostics, span, "the ruleset would have more than %d elements", RULESET_ELEMENTS_MAX);
	diagnostics_rule(diagnostics, DIAGNOSTIC_LIMIT);
	diagnostics_help(diagnostics, "a set has an element for each peer and port: name a network in place of its "
				      "workloads, or ports: [any], or split the node's workloads");
	return false;
}

FILE *print_begin(const struct lowering *l)
{
	rewind(l->stream);
	return l->stream;
}

const char *print_end(const struct lowering *l)
{
	fputc(0, l->stream); /* behind it is what is left of a longer one */
	fflush(l->stream);
	return l->text;
}

struct lowering *lowering_create(const struct world *world, const char *node, uint32_t generation,
				 const struct ruleset *like, struct diagnostics *diagnostics)
{
	struct lowering *l = calloc(1, sizeof *l);
	if (l == NULL)
		abort();
	*l = (struct lowering){.arena = arena_create(),
			       .world = *world,
			       .node = node,
			       .generation = generation,
			       .budget = {.left = RULESET_ELEMENTS_MAX},
			       .uses = label_index_create(),
			       .labelled = label_index_create(),
			       .starting = true};
	l->stream = open_memstream(&l->text, &l->text_size);
	if (l->stream == NULL)
		abort();
	identities_prepare(l);
	classes_prepare(l);
	counters_prepare(l);
	common_sets(l);
	common_chains(l);
	for (size_t i = 0; i < world->inventory->workload_count && l->budget.passed_by == NULL; i++)
		lowering_enter(l, world->inventory->workloads[i]);
	sharing_choose(l, like);
	for (struct class *class = l->classes; class != NULL; class = class->hh.next)
		class_complete(l, class);
	sharing_settle(l);
	counters_begin(l);
	for (struct identity *identity = l->identities; identity != NULL; identity = identity->hh.next)
		slots_find(l, identity);
	for (struct class *class = l->classes; class != NULL; class = class->hh.next)
		class->owner.made = class->touched = false;
	l->touched = NULL;
	l->starting = false;
	change_begin(l);
	arena_free(l->scratch);
	l->scratch = NULL;
	if (within_budget(l, diagnostics))
		return l;
	lowering_destroy(l);
	return NULL;
}

static void free_names(struct name **table)
{
	struct name *name, *next;
	HASH_ITER(hh, *table, name, next)
	{
		HASH_DEL(*table, name);
		free(name);
	}
}

/* Frees all but what a ruleset is made of, which goes to `heir` where there is one. */
static void dissolve(struct lowering *l, struct arena *heir)
{
	struct identity *identity, *next_identity;
	struct class *class, *next_class;
	HASH_ITER(hh, l->identities, identity, next_identity) identity_free(l, identity);
	HASH_CLEAR(named, l->class_names);
	HASH_CLEAR(hh, l->peer_sets);
	HASH_CLEAR(hh, l->counters);
	HASH_ITER(hh, l->classes, class, next_class)
	{
		struct arena *arena = class->arena;
		HASH_DEL(l->classes, class);
		arena_pass(arena, heir);
	}
	free_names(&l->keys);
	free_names(&l->ports);
	free_names(&l->interfaces);
	claims_free(l);
	table_finish(&l->members);
	label_index_destroy(l->allows[EGRESS]);
	label_index_destroy(l->allows[INGRESS]);
	label_index_destroy(l->isolations);
	label_index_destroy(l->uses);
	label_index_destroy(l->labelled);
	arena_free(l->scratch);
	fclose(l->stream);
	free(l->text);
	arena_pass(l->arena, heir);
	free(l);
}

void lowering_destroy(struct lowering *l)
{
	if (l != NULL)
		dissolve(l, NULL);
}

void lowering_leave_to(struct lowering *l, struct arena *arena)
{
	dissolve(l, arena);
}

uint32_t lowering_generation(const struct lowering *l)
{
	return l->generation;
}

bool lowering_is_outgrown(const struct lowering *l)
{
	return l->outgrown;
}

size_t lowering_elements(const struct lowering *l)
{
	return l->element_count;
}

struct ruleset *ruleset_lower(struct arena *arena, const struct world *world, const char *node, uint32_t generation,
			      struct diagnostics *diagnostics)
{
	struct lowering *l = lowering_create(world, node, generation, NULL, diagnostics);
	if (l == NULL)
		return NULL;
	struct ruleset *ruleset = lowering_ruleset(l, arena, true);
	lowering_leave_to(l, arena);
	return ruleset;
}
