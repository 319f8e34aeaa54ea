/* Pairs of ends as they mean (meanings.c), hashed: names, and where a statement stands, do not count. */
#include <ringfence/allowances.h>

#include "compiler/analysis/comparing.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 14695981039346656037ULL; /* FNV-1a: it stays the same from process to process */
	for (; *text != 0; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211ULL;
	return hash;
}

uint64_t selector_number(struct arena *arena, const struct service *service)
{
	const struct peer peer = {.kind = PEER_SERVICE, .service = service};
	struct peer from = peer;
	const struct flows flows = {.from = &from, .from_count = 1};
	return hash_text(flows_meaning(arena, &flows, '-'));
}

/* Whether two services of one namespace select the same workload, of those that there are. */
static bool overlap(const struct world *world, const struct service *a, const struct service *b)
{
	bool both = false;
	for (size_t i = 0; i < world->inventory->workload_count && !both; i++) {
		const struct workload *workload = world->inventory->workloads[i];
		both = strcmp(workload->name_space, a->name_space) == 0 &&
		       selector_matches(&a->workloads, &workload->labels) &&
		       selector_matches(&b->workloads, &workload->labels);
	}
	return both;
}

static bool speaks_of(const struct world *world, const struct peer *peer, const struct service *service)
{
	bool listed = peer->scope != NAMESPACES_LISTED;
	switch (peer->kind) {
	case PEER_SERVICE:
		return strcmp(peer->service->name_space, service->name_space) == 0 &&
		       (strcmp(peer->service->name, service->name) == 0 || overlap(world, peer->service, service));
	case PEER_LABELS:
		for (size_t i = 0; i < peer->namespace_count && !listed; i++)
			listed = strcmp(peer->namespaces[i], service->name_space) == 0;
		return listed;
	case PEER_ANY:
	case PEER_CLUSTER:
		return true;
	case PEER_NETWORK:
	case PEER_WORLD:
	case PEER_NODE:
		break;
	}
	return false;
}

static bool allow_speaks_of(const struct world *world, const struct flows *flows, const struct service *service)
{
	bool speaks = service == NULL;
	for (size_t i = 0; i < flows->from_count && !speaks; i++)
		speaks = speaks_of(world, &flows->from[i], service);
	for (size_t i = 0; i < flows->to_count && !speaks; i++)
		speaks = speaks_of(world, &flows->to[i].peer, service);
	return speaks;
}

static int compare_numbers(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

static void sort_once(struct allowances *allowances)
{
	size_t kept = 0;
	if (allowances->count > 1)
		qsort(allowances->items, allowances->count, sizeof *allowances->items, compare_numbers);
	for (size_t i = 0; i < allowances->count; i++)
		if (i == 0 || allowances->items[i] != allowances->items[i - 1])
			allowances->items[kept++] = allowances->items[i];
	allowances->count = kept;
}

struct allowances allowances_of(struct arena *arena, const struct world *world, const struct service *service)
{
	struct allowances found = {.selector = service != NULL ? selector_number(arena, service) : 0};
	struct arena *scratch = arena_create();
	for (size_t i = 0; i < world->policy->allow_count; i++) {
		const struct allow *allow = world->policy->allows[i];
		if (!is_alive(world, allow->until) || !allow_speaks_of(world, &allow->flows, service))
			continue;
		const struct meanings atoms = flows_atoms(scratch, &allow->flows, '-');
		for (size_t j = 0; j < atoms.count; j++)
			*arena_push(arena, found.items, found.count) =
			    hash_text(atoms.items[j].text) ^
			    (uint64_t)(allow->counts[EGRESS] * 2 + allow->counts[INGRESS]);
	}
	arena_free(scratch);
	sort_once(&found);
	if (service != NULL && found.count > ALLOWANCES_MOST) {
		uint64_t whole = found.count;
		for (size_t i = 0; i < found.count; i++)
			whole = (whole ^ found.items[i]) * 1099511628211ULL;
		found.items[0] = whole;
		found.count = 1;
	}
	return found;
}

bool allowances_hold(const struct allowances *all, const struct allowances *some)
{
	bool hold = true;
	for (size_t i = 0; i < some->count && hold; i++)
		hold = all->count > 0 &&
		       bsearch(&some->items[i], all->items, all->count, sizeof *all->items, compare_numbers) != NULL;
	return hold;
}
