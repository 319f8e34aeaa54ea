/* Pass "sharing": which peers have one set of addresses for all classes, with the ports in short rules, where most have
 * keys of address and port in each class.
 *
 * One set is smaller where many rules of a node name a large peer, and it is the only way but intervals for a workload
 * with a range of ports. Each such rule is one more look-up for a packet, so a class has few of them. The choice is
 * made with the generation and holds as long: what the kernel holds already says it by the names of its sets. */
#include "compiler/ruleset/lowering.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARED_ELEMENTS_LEAST = 1024 /* saved, or it is not worth a look-up */ };

static void print_selector(FILE *stream, const struct selector *selector)
{
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		fprintf(stream, " %d:%zu:%s", item->kind, strlen(item->key), item->key);
		for (size_t j = 0; j < item->value_count; j++)
			fprintf(stream, "=%zu:%s", strlen(item->values[j]), item->values[j]);
	}
}

static void print_prefixes(FILE *stream, const struct prefix *prefixes, size_t count)
{
	char text[ADDRESS_TEXT_SIZE];
	for (size_t i = 0; i < count; i++)
		fprintf(stream, " %s", prefix_format(&prefixes[i], text));
}

void peer_print(FILE *stream, const struct peer *peer)
{
	fprintf(stream, "%d", peer->kind);
	if (peer->kind == PEER_SERVICE) {
		fprintf(stream, " %s", peer->service->name_space);
		print_selector(stream, &peer->service->workloads);
	} else if (peer->kind == PEER_LABELS) {
		for (size_t i = 0; i < peer->namespace_count; i++)
			fprintf(stream, " %s", peer->namespaces[i]);
		fprintf(stream, " %d", peer->scope);
		print_selector(stream, &peer->namespace_labels);
		fputs(" of", stream);
		print_selector(stream, &peer->labels);
	} else if (peer->kind == PEER_NETWORK) {
		print_prefixes(stream, peer->network->cidrs, peer->network->cidr_count);
		fputs(" but", stream);
		print_prefixes(stream, peer->network->except, peer->network->except_count);
	}
}

/* The same for peers that mean the same workloads as long; until the next text is printed. */
static const char *peer_key(const struct lowering *l, const struct peer *peer, int64_t until)
{
	FILE *stream = print_begin(l);
	fprintf(stream, "%lld ", (long long)until);
	peer_print(stream, peer);
	return print_end(l);
}

static bool can_share(const struct peer *peer)
{
	return peer->kind == PEER_SERVICE || peer->kind == PEER_LABELS || peer->kind == PEER_CLUSTER;
}

struct peer_set *sharing_find(const struct lowering *l, const struct peer *peer, int64_t until)
{
	struct peer_set *set = NULL;
	if (l->peer_sets == NULL || !can_share(peer))
		return NULL;
	const char *key = peer_key(l, peer, until);
	HASH_FIND_STR(l->peer_sets, key, set);
	return set;
}

/* ---- the choice ---- */

static const char *set_name(const struct lowering *l, struct arena *arena, const char *key, size_t family)
{
	uint32_t hash = 2166136261; /* FNV-1a */
	for (const char *at = key; *at != 0; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619;
	return arena_printf(arena, "g%u_peers_%08x.%d", l->generation, hash, family == 0 ? 4 : 6);
}

static void note_peer(struct lowering *l, const struct class_entry *entry, const struct peer *peer,
		      const struct port_range *ports, size_t count)
{
	struct peer_set *set = NULL;
	if (!can_share(peer))
		return;
	const char *key = peer_key(l, peer, entry->allow->until);
	HASH_FIND_STR(l->peer_sets, key, set);
	if (set == NULL) {
		set = arena_alloc(l->arena, sizeof *set);
		*set = (struct peer_set){.key = arena_copy(l->arena, key, strlen(key)),
					 .until = entry->allow->until,
					 .use = {.peer = peer, .shared = set}};
		HASH_ADD_STR(l->peer_sets, key, set);
	}
	set->keys += count;
	for (size_t i = 0; i < count; i++)
		set->ranges =
		    set->ranges || (ports[i].protocol != PROTOCOL_ANY && ports[i].first != ports[i].last &&
				    ports[i].protocol != PROTOCOL_ICMP && ports[i].protocol != PROTOCOL_ICMPV6);
}

struct counting {
	struct lowering *l;
	const struct identity *identity;
};

static void count_members(void *context, const void *user)
{
	const struct counting *counting = context;
	const struct endpoint end = {.workload = counting->identity->members[0]}, other = {.stands_for = PEER_ANY};
	struct peer_set *set = ((const struct use *)user)->shared;
	if (!peer_matches(&counting->l->world, set->use.peer, &end, &other))
		return;
	for (size_t i = 0; i < counting->identity->member_count; i++)
		set->members += counting->identity->members[i]->address_count;
}

/* Counts the addresses of the peers that more than one key would be made for. */
static void count_all(struct lowering *l)
{
	struct label_index *index = label_index_create();
	for (struct peer_set *set = l->peer_sets; set != NULL; set = set->hh.next)
		if (set->keys > 1)
			label_index_add(index, set->use.peer, &set->use);
	for (const struct identity *identity = l->identities; identity != NULL; identity = identity->hh.next) {
		struct counting counting = {l, identity};
		label_index_find(index, identity->members[0], count_members, &counting);
	}
	label_index_destroy(index);
}

static bool is_worth_it(struct lowering *l, const struct peer_set *set, const struct ruleset_index *like)
{
	bool worth_it = set->ranges || (set->keys > 1 && set->members * (set->keys - 1) >= SHARED_ELEMENTS_LEAST);
	if (like == NULL)
		return worth_it;
	bool shared = ruleset_index_set(like, set_name(l, l->arena, set->key, 0)) != NULL;
	l->outgrown = l->outgrown || (worth_it && !shared);
	return shared;
}

/* Two names in the kernel are one set, of the addresses of both: whoever chooses a label could stand in the set of
 * others, since a hash of 32 bits is soon met. */
static bool is_name_taken(const struct lowering *l, const struct peer_set *set)
{
	const char *name = set_name(l, l->arena, set->key, 0);
	for (const struct peer_set *other = l->peer_sets; other != set; other = other->hh.next)
		if (strcmp(other->stores[0]->form.name, name) == 0)
			return true;
	return false;
}

static void make(struct lowering *l, struct peer_set *set)
{
	for (size_t family = 0; family < 2; family++) {
		struct store *store =
		    store_create(l->arena, set_name(l, l->arena, set->key, family), address_keys[family], ROLE_PEER);
		store->until = set->until;
		store->form.timeout = set->until != 0;
		set->stores[family] = store;
	}
	label_index_add(l->uses, set->use.peer, &set->use);
}

void sharing_choose(struct lowering *l, const struct ruleset *like)
{
	struct peer_set *set, *next;
	for (struct class *class = l->classes; class != NULL; class = class->hh.next)
		for (size_t i = 0; i < class->entry_count; i++) {
			const struct class_entry *entry = &class->entries[i];
			size_t count = 0;
			const struct port_range *ports = entry_ports(class->arena, class, entry, NULL, &count);
			if (class->direction == EGRESS)
				note_peer(l, entry, &entry->target->peer, ports, count);
			for (size_t j = 0; class->direction == INGRESS && j < entry->allow->flows.from_count; j++)
				note_peer(l, entry, &entry->allow->flows.from[j], ports, count);
		}
	count_all(l);
	struct arena *scratch = arena_create();
	const struct ruleset_index *index =
	    like != NULL && like->generation == l->generation ? ruleset_index(scratch, like) : NULL;
	HASH_ITER(hh, l->peer_sets, set, next)
	{
		if (is_worth_it(l, set, index) && !is_name_taken(l, set))
			make(l, set);
		else
			HASH_DEL(l->peer_sets, set);
	}
	arena_free(scratch);
}

void sharing_settle(struct lowering *l)
{
	struct peer_set *set, *next;
	HASH_ITER(hh, l->peer_sets, set, next)
	if (set->users == 0)
		sharing_forget(l, set);
}
