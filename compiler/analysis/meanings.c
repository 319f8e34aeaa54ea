/* Statements to bytes that are equal where the statements mean the same: names resolved, lists in order, the text
 * around them forgotten. Different bytes may still mean the same; then verdicts decide. */
#include "compiler/analysis/comparing.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists of texts, in order and each once ---- */

struct texts {
	const char **items;
	size_t count;
};

static int compare_texts(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Joins the texts, each once and in order. None of them holds a byte below 0x20 but the separators of deeper levels. */
static const char *join(struct arena *arena, struct texts *texts, char separator)
{
	size_t size = 1;
	if (texts->count > 1)
		qsort(texts->items, texts->count, sizeof *texts->items, compare_texts);
	for (size_t i = 0; i < texts->count; i++)
		size += strlen(texts->items[i]) + 1;
	char *joined = arena_alloc(arena, size), *at = joined;
	for (size_t i = 0; i < texts->count; i++) {
		if (i > 0 && strcmp(texts->items[i - 1], texts->items[i]) == 0)
			continue;
		at = stpcpy(at, texts->items[i]);
		*at++ = separator;
	}
	*at = 0;
	return joined;
}

static void add(struct arena *arena, struct texts *texts, const char *text)
{
	*arena_push(arena, texts->items, texts->count) = text;
}

/* ---- parts of statements ---- */

/* Separators, from the innermost level to the outermost. */
enum { OF_VALUES = 1, OF_REQUIREMENTS, OF_PARTS, OF_ENDS, OF_SIDES };

static const char *selector_text(struct arena *arena, const struct selector *selector)
{
	struct texts requirements = {0};
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		struct texts values = {0};
		for (size_t j = 0; j < item->value_count; j++)
			add(arena, &values, item->values[j]);
		add(arena, &requirements,
		    arena_printf(arena, "%d%s=%s", (int)item->kind, item->key, join(arena, &values, OF_VALUES)));
	}
	return join(arena, &requirements, OF_REQUIREMENTS);
}

static const char *prefixes_text(struct arena *arena, const struct prefix *prefixes, size_t count)
{
	struct texts texts = {0};
	char text[ADDRESS_TEXT_SIZE];
	for (size_t i = 0; i < count; i++)
		add(arena, &texts, arena_printf(arena, "%s", prefix_format(&prefixes[i], text)));
	return join(arena, &texts, OF_VALUES);
}

static const char *labels_text(struct arena *arena, const struct peer *peer, char tag)
{
	struct texts names = {0};
	for (size_t i = 0; i < peer->namespace_count; i++)
		add(arena, &names, peer->namespaces[i]);
	const char *labels = selector_text(arena, &peer->labels);
	switch (peer->scope) {
	case NAMESPACES_LISTED:
		break;
	case NAMESPACES_ANY:
		return arena_printf(arena, "any%c%s", OF_PARTS, labels);
	case NAMESPACES_LABELS:
		return arena_printf(arena, "labels %c%s%c%s", tag, selector_text(arena, &peer->namespace_labels),
				    OF_PARTS, labels);
	}
	return arena_printf(arena, "in %s%c%s", join(arena, &names, OF_VALUES), OF_PARTS, labels);
}

static const char *peer_text(struct arena *arena, const struct peer *peer, char tag)
{
	switch (peer->kind) {
	case PEER_SERVICE:
		return arena_printf(arena, "in %s%c%c%s", peer->service->name_space, OF_VALUES, OF_PARTS,
				    selector_text(arena, &peer->service->workloads));
	case PEER_LABELS:
		return labels_text(arena, peer, tag);
	case PEER_NETWORK:
		return arena_printf(arena, "net %s%c%s",
				    prefixes_text(arena, peer->network->cidrs, peer->network->cidr_count), OF_PARTS,
				    prefixes_text(arena, peer->network->except, peer->network->except_count));
	case PEER_ANY:
		return "everything";
	case PEER_CLUSTER:
		return "cluster";
	case PEER_WORLD:
		return "world";
	case PEER_NODE:
		return "node";
	}
	return "";
}

static const char *port_text(struct arena *arena, const struct target *target, size_t number)
{
	if (number >= target->port_count) {
		const struct port_name *name = &target->container_ports[number - target->port_count];
		return arena_printf(arena, "%u %s", name->protocol, name->name);
	}
	const struct port_range *port = &target->ports[number];
	return arena_printf(arena, "%u %u-%u", port->protocol, port->first, port->last);
}

static size_t port_count(const struct target *target)
{
	return target->port_count + target->container_port_count;
}

const char *flows_meaning(struct arena *arena, const struct flows *flows, char tag)
{
	struct texts from = {0}, to = {0};
	for (size_t i = 0; i < flows->from_count; i++)
		add(arena, &from, peer_text(arena, &flows->from[i], tag));
	for (size_t i = 0; i < flows->to_count; i++) {
		struct texts ports = {0};
		for (size_t j = 0; j < port_count(&flows->to[i]); j++)
			add(arena, &ports, port_text(arena, &flows->to[i], j));
		add(arena, &to,
		    arena_printf(arena, "%s%c%s", peer_text(arena, &flows->to[i].peer, tag), OF_PARTS,
				 join(arena, &ports, OF_VALUES)));
	}
	return arena_printf(arena, "%s%c%s", join(arena, &from, OF_ENDS), OF_SIDES, join(arena, &to, OF_ENDS));
}

int meanings_order(const void *left, const void *right)
{
	return strcmp(((const struct meaning *)left)->text, ((const struct meaning *)right)->text);
}

struct meanings flows_atoms(struct arena *arena, const struct flows *flows, char tag)
{
	struct meanings atoms = {0};
	for (size_t i = 0; i < flows->from_count; i++)
		for (size_t j = 0; j < flows->to_count; j++)
			for (size_t k = 0; k < port_count(&flows->to[j]); k++)
				arena_push(arena, atoms.items, atoms.count)->text =
				    arena_printf(arena, "%s%c%s%c%s", peer_text(arena, &flows->from[i], tag), OF_SIDES,
						 peer_text(arena, &flows->to[j].peer, tag), OF_PARTS,
						 port_text(arena, &flows->to[j], k));
	return atoms;
}

/* ---- all allows ---- */

static void find_version(struct comparing *comparing, enum version version)
{
	const struct policy *policy = comparing->worlds[version]->policy;
	struct meanings *meanings = &comparing->meanings[version];
	char tag = comparing->namespaces_differ ? "on"[version] : '-';
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct allow *allow = policy->allows[i];
		*arena_push(comparing->arena, meanings->items, meanings->count) = (struct meaning){
		    arena_printf(comparing->arena, "%d%d%s", allow->counts[EGRESS], allow->counts[INGRESS],
				 flows_meaning(comparing->arena, &allow->flows, tag)),
		    allow, i};
	}
	if (meanings->count > 1)
		qsort(meanings->items, meanings->count, sizeof *meanings->items, meanings_order);
	comparing->changed[version] = arena_alloc(comparing->arena, policy->allow_count + 1);
}

/* The end of those that mean the same as the one at `start`, and whether one of them is alive. */
static size_t alike(const struct world *world, const struct meanings *meanings, size_t start, bool *alive)
{
	size_t end = start;
	*alive = false;
	for (; end < meanings->count && meanings_order(&meanings->items[start], &meanings->items[end]) == 0; end++)
		*alive = *alive || is_alive(world, meanings->items[end].allow->until);
	return end;
}

static void mark(struct comparing *comparing, enum version version, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		comparing->changed[version][comparing->meanings[version].items[i].number] = true;
}

void meanings_find(struct comparing *comparing)
{
	size_t at[VERSIONS] = {0};
	for (int i = VERSION_OLD; i <= VERSION_NEW; i++)
		find_version(comparing, (enum version)i);
	const struct meanings *lists = comparing->meanings;
	while (at[VERSION_OLD] < lists[VERSION_OLD].count || at[VERSION_NEW] < lists[VERSION_NEW].count) {
		size_t ends[VERSIONS];
		bool alive[VERSIONS] = {false, false};
		int order = at[VERSION_OLD] == lists[VERSION_OLD].count ? 1
			    : at[VERSION_NEW] == lists[VERSION_NEW].count
				? -1
				: meanings_order(&lists[VERSION_OLD].items[at[VERSION_OLD]],
						 &lists[VERSION_NEW].items[at[VERSION_NEW]]);
		for (int i = VERSION_OLD; i <= VERSION_NEW; i++) {
			bool here = i == VERSION_OLD ? order <= 0 : order >= 0;
			ends[i] = here ? alike(comparing->worlds[i], &lists[i], at[i], &alive[i]) : at[i];
		}
		for (int i = VERSION_OLD; i <= VERSION_NEW; i++) {
			if (alive[VERSION_OLD] != alive[VERSION_NEW])
				mark(comparing, (enum version)i, at[i], ends[i]);
			at[i] = ends[i];
		}
	}
}
