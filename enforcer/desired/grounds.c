/* Nodes, namespaces and hosts: copied, merged and compared. */
#include "enforcer/desired/grounds.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- one source ---- */

static const char *copy_text(struct arena *arena, const char *text)
{
	return arena_copy(arena, text, strlen(text));
}

static void copy_namespace(struct grounds *grounds, const struct name_space *from)
{
	struct arena *arena = grounds->arena;
	struct name_space *space = arena_alloc(arena, sizeof *space);
	space->name = copy_text(arena, from->name);
	for (size_t i = 0; i < from->labels.count; i++)
		*arena_push(arena, space->labels.items, space->labels.count) = (struct label){
		    copy_text(arena, from->labels.items[i].key), copy_text(arena, from->labels.items[i].value)};
	*arena_push(arena, grounds->namespaces, grounds->namespace_count) = space;
}

static void copy_node(struct grounds *grounds, const struct node *from)
{
	struct arena *arena = grounds->arena;
	struct node *node = arena_alloc(arena, sizeof *node);
	node->name = copy_text(arena, from->name);
	node->deny = from->deny;
	for (size_t i = 0; i < from->address_count; i++)
		*arena_push(arena, node->addresses, node->address_count) = from->addresses[i];
	for (size_t i = 0; i < from->pool_count; i++)
		*arena_push(arena, node->pools, node->pool_count) = from->pools[i];
	*arena_push(arena, grounds->nodes, grounds->node_count) = node;
}

struct grounds *grounds_create(const struct inventory *inventory)
{
	size_t count = inventory->namespace_count;
	for (size_t i = 0; i < inventory->node_count; i++)
		count += !inventory->nodes[i]->told;
	if (count == 0)
		return NULL;
	struct arena *arena = arena_create();
	struct grounds *grounds = arena_alloc(arena, sizeof *grounds);
	grounds->arena = arena;
	for (size_t i = 0; i < inventory->namespace_count; i++)
		copy_namespace(grounds, inventory->namespaces[i]);
	for (size_t i = 0; i < inventory->node_count; i++)
		if (!inventory->nodes[i]->told)
			copy_node(grounds, inventory->nodes[i]);
	return grounds;
}

void grounds_free(struct grounds *grounds)
{
	if (grounds != NULL)
		arena_free(grounds->arena);
}

/* ---- all of them ---- */

/* What two sources say of one node holds together: a pool that one of them names is closed. Where they differ in how it
 * denies, it tells less. */
static void merge_node(const struct node *from, struct inventory *inventory, struct table *by_name, struct arena *arena)
{
	uint32_t hash = table_hash_text(0, from->name);
	struct table_slot *slot = table_first(by_name, hash);
	while (slot != NULL && strcmp(((struct node *)slot->item)->name, from->name) != 0)
		slot = table_next(by_name, slot);
	struct node *node = slot != NULL ? slot->item : arena_alloc(arena, sizeof *node);
	if (slot == NULL) {
		node->name = from->name;
		table_add(by_name, hash, node, 0);
		*arena_push(arena, inventory->nodes, inventory->node_count) = node;
	}
	for (size_t i = 0; i < from->address_count; i++) {
		bool known = false;
		for (size_t j = 0; j < node->address_count && !known; j++)
			known = address_compare(&node->addresses[j], &from->addresses[i]) == 0;
		if (!known)
			*arena_push(arena, node->addresses, node->address_count) = from->addresses[i];
	}
	for (size_t i = 0; i < from->pool_count; i++) {
		bool known = false;
		for (size_t j = 0; j < node->pool_count && !known; j++)
			known = node->pools[j].length == from->pools[i].length &&
				address_compare(&node->pools[j].address, &from->pools[i].address) == 0;
		if (!known)
			*arena_push(arena, node->pools, node->pool_count) = from->pools[i];
	}
	if (from->deny != DENY_UNSAID && node->deny != DENY_DROP)
		node->deny = from->deny;
}

void grounds_merge(const struct grounds *grounds, struct inventory *inventory, struct table *by_name,
		   struct arena *arena)
{
	for (size_t i = 0; i < grounds->namespace_count; i++)
		*arena_push(arena, inventory->namespaces, inventory->namespace_count) = grounds->namespaces[i];
	for (size_t i = 0; i < grounds->node_count; i++)
		merge_node(grounds->nodes[i], inventory, by_name, arena);
}

static bool same_namespace(const struct name_space *a, const struct name_space *b)
{
	bool same = strcmp(a->name, b->name) == 0 && a->labels.count == b->labels.count;
	for (size_t i = 0; same && i < a->labels.count; i++)
		same = strcmp(a->labels.items[i].key, b->labels.items[i].key) == 0 &&
		       strcmp(a->labels.items[i].value, b->labels.items[i].value) == 0;
	return same;
}

bool grounds_are_same(const struct inventory *a, const struct inventory *b)
{
	bool same = a->node_count == b->node_count && a->namespace_count == b->namespace_count;
	for (size_t i = 0; same && i < a->node_count; i++)
		same = strcmp(a->nodes[i]->name, b->nodes[i]->name) == 0 && a->nodes[i]->deny == b->nodes[i]->deny &&
		       node_same_addresses(a->nodes[i], b->nodes[i]);
	for (size_t i = 0; same && i < a->namespace_count; i++)
		same = same_namespace(a->namespaces[i], b->namespaces[i]);
	return same;
}

/* ---- hosts ---- */

static bool same_host(const struct host *a, const struct host *b)
{
	return address_compare(&a->address, &b->address) == 0 && strcmp(a->node, b->node) == 0;
}

/* The host at or behind `*at` that is not the one before it (each pod of a list tells it), and moves `*at` behind it.
 */
static const struct host *next_host(const struct inventory *inventory, size_t *at)
{
	const struct host *hosts = inventory->hosts;
	while (*at > 0 && *at < inventory->host_count && same_host(&hosts[*at - 1], &hosts[*at]))
		++*at;
	return *at < inventory->host_count ? &hosts[(*at)++] : NULL;
}

static bool hosts_are(const struct hosts *hosts, const struct inventory *inventory)
{
	const struct host *host;
	size_t count = 0;
	for (size_t at = 0; (host = next_host(inventory, &at)) != NULL; count++)
		if (count == hosts->count || !same_host(&hosts->items[count], host))
			return false;
	return count == hosts->count;
}

static struct hosts *make(const struct inventory *inventory)
{
	const struct host *host;
	size_t count = 0, size = 0;
	for (size_t at = 0; (host = next_host(inventory, &at)) != NULL; count++)
		size += sizeof *host + strlen(host->node) + 1;
	struct hosts *hosts = calloc(1, sizeof *hosts + size);
	if (hosts == NULL)
		abort();
	char *text = (char *)(hosts->items + count);
	for (size_t at = 0; (host = next_host(inventory, &at)) != NULL;) {
		hosts->items[hosts->count++] =
		    (struct host){.node = text, .address = host->address, .span = {.file = ""}};
		text = stpcpy(text, host->node) + 1;
	}
	return hosts;
}

struct hosts *hosts_take(struct table *all, const struct inventory *inventory, bool *changed)
{
	if (inventory->host_count == 0)
		return NULL;
	uint32_t hash = 0;
	const struct host *host;
	for (size_t at = 0; (host = next_host(inventory, &at)) != NULL;)
		hash = table_hash(table_hash_text(hash, host->node), &host->address, sizeof host->address);
	struct table_slot *slot = table_first(all, hash);
	while (slot != NULL && !hosts_are(slot->item, inventory))
		slot = table_next(all, slot);
	if (slot == NULL) {
		slot = table_add(all, hash, make(inventory), 0);
		((struct hosts *)slot->item)->hash = hash;
		*changed = true;
	}
	struct hosts *hosts = slot->item;
	hosts->users++;
	return hosts;
}

void hosts_drop(struct table *all, struct hosts *hosts, bool *changed)
{
	if (hosts == NULL || --hosts->users > 0)
		return;
	struct table_slot *slot = table_first(all, hosts->hash);
	while (slot->item != hosts)
		slot = table_next(all, slot);
	table_remove(all, slot);
	free(hosts);
	*changed = true;
}
