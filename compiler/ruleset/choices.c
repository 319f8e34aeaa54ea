/* What each pass has chosen, and why, in words: for `compile --format json`. */
#include "compiler/ruleset/lowering.h"

#include <stdio.h>
#include <string.h>

struct telling {
	struct arena *arena;
	struct choice *items;
	size_t count;
};

static struct choice *tell(struct telling *t, const char *pass, const char *subject)
{
	struct choice *choice = arena_push(t->arena, t->items, t->count);
	choice->pass = pass;
	choice->subject = subject;
	return choice;
}

static void tell_identities(const struct lowering *l, struct telling *t)
{
	size_t workloads = 0;
	for (const struct identity *identity = l->identities; identity != NULL; identity = identity->hh.next)
		workloads += identity->member_count;
	struct choice *choice = tell(t, "identities", "workloads");
	choice->chosen = arena_printf(t->arena, "%zu for %zu workloads", (size_t)HASH_COUNT(l->identities), workloads);
	choice->why = "labels and ports of which no statement speaks tell nobody apart";
}

static void tell_node(const struct lowering *l, struct telling *t)
{
	size_t local = 0, peers = 0, others = 0;
	for (const struct identity *identity = l->identities; identity != NULL; identity = identity->hh.next) {
		bool is_peer = identity->slots[0].count + identity->slots[1].count > 0;
		*(is_local(l, identity->members[0]) ? &local : is_peer ? &peers : &others) += identity->member_count;
	}
	struct choice *choice = tell(t, "node", l->node != NULL ? l->node : "every node");
	choice->chosen = arena_printf(t->arena, "%zu workloads run here, %zu others are their peers", local, peers);
	choice->why = arena_printf(t->arena, "%zu workloads can meet none that runs here, and are left out", others);
}

static void tell_class(const struct class *class, struct telling *t)
{
	struct choice *choice = tell(t, "classes", class->chain->name);
	choice->chosen = arena_printf(t->arena, "one chain for %zu addresses", class->members);
	choice->why = class->closed
			  ? "they are closed: in conflict or in quarantine"
			  : arena_printf(t->arena, "the same %zu entries of allows count for their %s",
					 class->entry_count, class->direction == EGRESS ? "egress" : "ingress");
}

static void tell_shared(const struct peer_set *set, struct telling *t)
{
	struct choice *choice = tell(t, "sharing", set->use.peer->name != NULL ? set->use.peer->name : "peers");
	choice->chosen = arena_printf(t->arena, "one set for %zu rules: %s, %s", set->users, set->stores[0]->form.name,
				      set->stores[1]->form.name);
	choice->why = set->ranges
			  ? "a range of ports is a rule, which needs no intervals for each address"
			  : arena_printf(t->arena, "%zu addresses, which would have been %zu elements with their ports",
					 set->members, set->members * set->keys);
}

static void tell_group(const struct group *group, struct telling *t)
{
	static const struct {
		const char *chosen, *why;
	} words[] = {
	    [SHAPE_KEYED] = {"hash of address, protocol and port", "workloads, and single ports"},
	    [SHAPE_HOSTS] = {"hash of addresses", "workloads, and any port"},
	    [SHAPE_SPANS] = {"intervals of ports for each address", "ranges of ports, more than rules should have"},
	    [SHAPE_RANGES] = {"intervals of addresses and ports", "networks, which no workload changes"},
	    [SHAPE_NETS] = {"intervals of addresses", "networks, and any port"},
	    [SHAPE_PEERS] = {"hash of addresses, shared", "the rule says the ports"},
	};
	struct choice *choice = tell(t, "shapes", group->store->form.name);
	choice->chosen = words[group->shape].chosen;
	choice->why = words[group->shape].why;
}

static void tell_size(const struct store *store, struct telling *t)
{
	struct choice *choice = tell(t, "sizes", store->form.name);
	if (store->form.size == 0) {
		choice->chosen = "none";
		choice->why = store->form.interval ? "the kernel's intervals have none"
						   : "elements that expire are never in the fixed hash";
		return;
	}
	choice->chosen = arena_printf(t->arena, "%u", store->form.size);
	choice->why = store->form.dynamic
			  ? "so many sources at once"
			  : arena_printf(t->arena, "at least twice its %zu elements: a fixed hash", store->count);
}

const struct choice *lowering_choices(const struct lowering *l, struct arena *arena, size_t *count)
{
	struct telling t = {.arena = arena};
	tell_identities(l, &t);
	tell_node(l, &t);
	for (const struct class *class = l->classes; class != NULL; class = class->hh.next)
		tell_class(class, &t);
	for (const struct peer_set *set = l->peer_sets; set != NULL; set = set->hh.next)
		tell_shared(set, &t);
	for (const struct class *class = l->classes; class != NULL; class = class->hh.next)
		for (size_t i = 0; i < class->group_count; i++)
			tell_group(&class->groups[i], &t);
	for (size_t i = 0; i < l->store_count; i++)
		tell_size(l->stores[i], &t);
	for (const struct peer_set *set = l->peer_sets; set != NULL; set = set->hh.next)
		for (size_t family = 0; family < 2; family++)
			tell_size(set->stores[family], &t);
	for (const struct class *class = l->classes; class != NULL; class = class->hh.next)
		for (size_t i = 0; i < class->group_count; i++)
			if (class->groups[i].peers == NULL)
				tell_size(class->groups[i].store, &t);
	*count = t.count;
	return t.items;
}
