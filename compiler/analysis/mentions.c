/* What the policy and the inventory name, as one sorted list. */
#include "compiler/analysis/mentions.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

enum mention_kind { MENTION_LABEL, MENTION_KEY, MENTION_SPACE, MENTION_PORT };

struct mention {
	enum mention_kind kind;
	const char *name, *value; /* value: of a label, else "" */
};

struct mentions {
	struct arena *arena;
	struct mention *items;
	size_t count;
};

static void add(struct mentions *mentions, enum mention_kind kind, const char *name, const char *value)
{
	*arena_push(mentions->arena, mentions->items, mentions->count) = (struct mention){kind, name, value};
}

static void add_label(struct mentions *mentions, const char *key, const char *value)
{
	add(mentions, MENTION_LABEL, key, value);
	add(mentions, MENTION_KEY, key, "");
}

static void add_selector(struct mentions *mentions, const struct selector *selector)
{
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		add(mentions, MENTION_KEY, item->key, "");
		for (size_t j = 0; j < item->value_count; j++)
			add_label(mentions, item->key, item->values[j]);
	}
}

static void add_peer(struct mentions *mentions, const struct peer *peer)
{
	if (peer->kind != PEER_LABELS)
		return; /* a service is an isolation too */
	add_selector(mentions, &peer->labels);
	for (size_t i = 0; i < peer->namespace_count; i++)
		add(mentions, MENTION_SPACE, peer->namespaces[i], "");
}

static void add_flows(struct mentions *mentions, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		add_peer(mentions, &flows->from[i]);
	for (size_t i = 0; i < flows->to_count; i++) {
		add_peer(mentions, &flows->to[i].peer);
		for (size_t j = 0; j < flows->to[i].container_port_count; j++)
			add(mentions, MENTION_PORT, flows->to[i].container_ports[j].name, "");
	}
}

static void add_policy(struct mentions *mentions, const struct policy *policy)
{
	for (size_t i = 0; i < policy->isolation_count; i++) {
		add(mentions, MENTION_SPACE, policy->isolations[i]->name_space, "");
		add_selector(mentions, &policy->isolations[i]->workloads);
	}
	for (size_t i = 0; i < policy->service_count; i++)
		for (size_t j = 0; j < policy->services[i]->port_count; j++)
			add(mentions, MENTION_PORT, policy->services[i]->ports[j].name, "");
	for (size_t i = 0; i < policy->allow_count; i++)
		add_flows(mentions, &policy->allows[i]->flows);
	for (size_t i = 0; i < policy->never_count; i++)
		add_flows(mentions, &policy->nevers[i]->flows);
}

static void add_inventory(struct mentions *mentions, const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->namespace_count; i++)
		add(mentions, MENTION_SPACE, inventory->namespaces[i]->name, "");
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		add(mentions, MENTION_SPACE, workload->name_space, "");
		for (size_t j = 0; j < workload->labels.count; j++)
			add_label(mentions, workload->labels.items[j].key, workload->labels.items[j].value);
		for (size_t j = 0; j < workload->port_count; j++)
			add(mentions, MENTION_PORT, workload->ports[j].name, "");
	}
}

static int compare_mentions(const void *left, const void *right)
{
	const struct mention *a = left, *b = right;
	int order = (int)a->kind - (int)b->kind;
	if (order == 0)
		order = strcmp(a->name, b->name);
	return order != 0 ? order : strcmp(a->value, b->value);
}

struct mentions *mentions_create(struct arena *arena, const struct world *world)
{
	struct mentions *mentions = arena_alloc(arena, sizeof *mentions);
	mentions->arena = arena;
	add_policy(mentions, world->policy);
	add_inventory(mentions, world->inventory);
	if (mentions->count > 1)
		qsort(mentions->items, mentions->count, sizeof *mentions->items, compare_mentions);
	return mentions;
}

static bool has(const struct mentions *mentions, enum mention_kind kind, const char *name, const char *value)
{
	const struct mention wanted = {kind, name, value};
	return mentions->count > 0 &&
	       bsearch(&wanted, mentions->items, mentions->count, sizeof *mentions->items, compare_mentions) != NULL;
}

bool mentions_label(const struct mentions *mentions, const char *key, const char *value)
{
	return has(mentions, MENTION_LABEL, key, value);
}

bool mentions_key(const struct mentions *mentions, const char *key)
{
	return has(mentions, MENTION_KEY, key, "");
}

bool mentions_space(const struct mentions *mentions, const char *name)
{
	return has(mentions, MENTION_SPACE, name, "");
}

bool mentions_port(const struct mentions *mentions, const char *name)
{
	return has(mentions, MENTION_PORT, name, "");
}
