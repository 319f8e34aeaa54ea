/* Who may be named for the end of a flow: what the policy defines, as narrow as it can be said.
 *
 * A workload is its services, or where none selects it, its labels in its namespace. An address is the smallest network
 * that holds it, the node of the other end, or itself. A network counts only where it is one outside: not as wide as
 * the lint `whole-network-egress` finds, and without the address of a workload or a node. */
#include "compiler/analysis/suggesting.h"

#include "compiler/analysis/selecting.h"

#include <ringfence/lint.h>

#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION HASH_OAT /* the default falls through cases, of which clang warns */
#include <uthash.h>

struct named {
	size_t number;
	UT_hash_handle hh;
};

struct kept_kind {
	struct kind kind;
	UT_hash_handle hh;
};

/* An end that was asked for. */
struct known_end {
	const struct endpoints *end;
	const struct kind *kind;
	const void *unit;
	const struct node *node; /* whose address it is */
	UT_hash_handle hh;
};

struct candidates {
	struct arena *arena;
	const struct world *world;
	struct selecting *selecting;
	struct candidate **items; /* the services first, as the policy has them */
	size_t count;
	struct named *names;
	struct kept_kind *kinds;
	struct known_end *ends;
	struct network **networks; /* that count, smallest first */
	size_t network_count;
	const struct kind *node;
};

static const char a_node; /* stands for any */

size_t candidates_count(const struct candidates *candidates)
{
	return candidates->count;
}

struct candidate *candidate_at(const struct candidates *candidates, size_t number)
{
	return candidates->items[number];
}

/* ---- candidates by their keys ---- */

/* Finds or adds one; `*is_new` says that the rest is to be filled. */
static size_t find(struct candidates *candidates, const char *key, bool *is_new)
{
	struct named *named;
	HASH_FIND_STR(candidates->names, key, named);
	*is_new = named == NULL;
	if (named != NULL)
		return named->number;
	struct candidate *candidate = arena_alloc(candidates->arena, sizeof *candidate);
	candidate->key = arena_copy(candidates->arena, key, strlen(key));
	candidate->ends = 1;
	named = arena_alloc(candidates->arena, sizeof *named);
	named->number = candidates->count;
	HASH_ADD_KEYPTR(hh, candidates->names, candidate->key, strlen(candidate->key), named);
	*arena_push(candidates->arena, candidates->items, candidates->count) = candidate;
	return named->number;
}

static void add_service(struct candidates *candidates, const struct service *service)
{
	bool is_new;
	const char *key = arena_printf(candidates->arena, "%s/%s", service->name_space, service->name);
	struct candidate *candidate = candidate_at(candidates, find(candidates, key, &is_new));
	candidate->peer = (struct peer){.kind = PEER_SERVICE, .service = service, .name = candidate->key};
	candidate->name_space = service->name_space;
}

static size_t of_network(struct candidates *candidates, const struct network *network)
{
	bool is_new;
	const char *key = arena_printf(candidates->arena, "%s/%s", network->name_space, network->name);
	size_t number = find(candidates, key, &is_new);
	struct candidate *candidate = candidate_at(candidates, number);
	candidate->peer = (struct peer){.kind = PEER_NETWORK, .network = network, .name = candidate->key};
	return number;
}

static size_t of_node(struct candidates *candidates)
{
	bool is_new;
	size_t number = find(candidates, "node", &is_new);
	candidate_at(candidates, number)->peer = (struct peer){.kind = PEER_NODE, .name = "node"};
	return number;
}

static size_t of_address(struct candidates *candidates, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	bool is_new;
	struct arena *arena = candidates->arena;
	size_t number = find(candidates, arena_printf(arena, "{cidr: %s}", address_format(address, text)), &is_new);
	struct candidate *candidate = candidate_at(candidates, number);
	if (!is_new)
		return number;
	struct network *network = arena_alloc(arena, sizeof *network);
	*arena_push(arena, network->cidrs, network->cidr_count) =
	    (struct prefix){*address, (uint8_t)(8 * address_size(address->family))};
	candidate->peer = (struct peer){.kind = PEER_NETWORK, .network = network, .name = candidate->key};
	candidate->is_address = true;
	return number;
}

static int compare_labels(const void *left, const void *right)
{
	return strcmp(((const struct label *)left)->key, ((const struct label *)right)->key);
}

/* Labels in one order, whichever they were written in. */
static const struct labels *sort_labels(struct arena *arena, const struct labels *labels)
{
	struct labels *sorted = arena_alloc(arena, sizeof *sorted);
	for (size_t i = 0; i < labels->count; i++)
		*arena_push(arena, sorted->items, sorted->count) = labels->items[i];
	if (sorted->count > 1)
		qsort(sorted->items, sorted->count, sizeof *sorted->items, compare_labels);
	return sorted;
}

static size_t of_labels(struct candidates *candidates, const struct workload *workload)
{
	struct arena *arena = candidates->arena;
	const struct labels *labels = sort_labels(arena, &workload->labels);
	const char *key = arena_printf(arena, "{namespaces: %s", workload->name_space);
	bool is_new;
	for (size_t i = 0; i < labels->count; i++)
		key = arena_printf(arena, "%s, %s: %s", key, labels->items[i].key, labels->items[i].value);
	size_t number = find(candidates, arena_printf(arena, "%s}", key), &is_new);
	struct candidate *candidate = candidate_at(candidates, number);
	if (!is_new)
		return number;
	struct peer *peer = &candidate->peer;
	*peer = (struct peer){.kind = PEER_LABELS, .scope = NAMESPACES_LISTED, .name = candidate->key};
	candidate->name_space = workload->name_space;
	*arena_push(arena, peer->namespaces, peer->namespace_count) = workload->name_space;
	for (size_t i = 0; i < labels->count; i++) {
		const char **value = arena_alloc(arena, sizeof *value);
		*value = labels->items[i].value;
		*arena_push(arena, peer->labels.items, peer->labels.count) =
		    (struct requirement){REQUIRE_IN, labels->items[i].key, value, 1};
	}
	return number;
}

/* ---- whom they mean ---- */

/* Looks up the workloads of those from `first` on that mean workloads. */
static void find_workloads(struct candidates *candidates, size_t first)
{
	struct arena *scratch = arena_create();
	struct policy policy = {0}; /* what the candidates select, as if it isolated */
	struct candidate **selecting = NULL;
	size_t count = 0;
	for (size_t i = first; i < candidates->count; i++) {
		struct candidate *candidate = candidates->items[i];
		const struct peer *peer = &candidate->peer;
		if (peer->kind != PEER_SERVICE && peer->kind != PEER_LABELS)
			continue;
		struct isolation *isolation = arena_alloc(scratch, sizeof *isolation);
		isolation->name_space = candidate->name_space;
		isolation->workloads = peer->kind == PEER_SERVICE ? peer->service->workloads : peer->labels;
		*arena_push(scratch, policy.isolations, policy.isolation_count) = isolation;
		*arena_push(scratch, selecting, count) = candidate;
	}
	const struct selecting *lookup = selecting_create(scratch, &policy);
	struct arena *each = arena_create();
	for (size_t i = 0; i < candidates->world->inventory->workload_count; i++) {
		const struct workload *workload = candidates->world->inventory->workloads[i];
		size_t found_count;
		arena_clear(each);
		const size_t *found = selecting_numbers(lookup, each, workload, &found_count);
		for (size_t j = 0; j < found_count; j++) {
			struct candidate *candidate = selecting[found[j]];
			*arena_push(candidates->arena, candidate->workloads, candidate->workload_count) = workload;
			candidate->ends = candidate->workload_count;
		}
	}
	arena_free(each);
	arena_free(scratch);
}

/* ---- networks ---- */

static double network_size(const struct network *network)
{
	double size = 0;
	for (size_t i = 0; i < network->cidr_count; i++) {
		int bits = (network->cidrs[i].address.family == 4 ? 32 : 128) - network->cidrs[i].length;
		double addresses = 1;
		while (bits-- > 0)
			addresses *= 2;
		size += addresses;
	}
	return size;
}

static int compare_networks(const void *left, const void *right)
{
	const struct network *a = *(struct network *const *)left, *b = *(struct network *const *)right;
	double first = network_size(a), second = network_size(b);
	if (first < second || first > second)
		return first < second ? -1 : 1;
	int order = strcmp(a->name_space, b->name_space);
	return order != 0 ? order : strcmp(a->name, b->name);
}

static bool holds_ours(const struct inventory *inventory, const struct network *network)
{
	size_t count;
	const struct place *places = inventory_places(inventory, &count);
	for (size_t i = 0; i < count; i++)
		if (network_contains(network, &places[i].address))
			return true;
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			if (network_contains(network, &inventory->nodes[i]->addresses[j]))
				return true;
	return false;
}

struct candidates *candidates_create(struct arena *arena, const struct world *world)
{
	const struct policy *policy = world->policy;
	struct candidates *candidates = arena_alloc(arena, sizeof *candidates);
	*candidates = (struct candidates){.arena = arena, .world = world};
	for (size_t i = 0; i < policy->service_count; i++)
		add_service(candidates, policy->services[i]);
	find_workloads(candidates, 0);
	candidates->selecting = selecting_create(arena, policy);
	for (size_t i = 0; i < policy->network_count; i++)
		if (network_widest(policy->networks[i]) == NULL && !holds_ours(world->inventory, policy->networks[i]))
			*arena_push(arena, candidates->networks, candidates->network_count) = policy->networks[i];
	if (candidates->network_count > 1)
		qsort(candidates->networks, candidates->network_count, sizeof(struct network *), compare_networks);
	return candidates;
}

void candidates_finish(struct candidates *candidates)
{
	HASH_CLEAR(hh, candidates->names); /* the arena has the rest */
	HASH_CLEAR(hh, candidates->kinds);
	HASH_CLEAR(hh, candidates->ends);
}

/* ---- the end of a flow ---- */

static const struct kind *keep_kind(struct candidates *candidates, const size_t *numbers, size_t count,
				    const char *problem)
{
	struct kept_kind *kept;
	size_t size = count * sizeof *numbers;
	if (problem != NULL) {
		kept = arena_alloc(candidates->arena, sizeof *kept);
		kept->kind.problem = problem;
		return &kept->kind;
	}
	HASH_FIND(hh, candidates->kinds, numbers, size, kept);
	if (kept != NULL)
		return &kept->kind;
	kept = arena_alloc(candidates->arena, sizeof *kept);
	kept->kind = (struct kind){arena_alloc(candidates->arena, size), count, HASH_COUNT(candidates->kinds), NULL};
	memcpy(kept->kind.numbers, numbers, size);
	HASH_ADD_KEYPTR(hh, candidates->kinds, kept->kind.numbers, size, kept);
	return &kept->kind;
}

static bool is_narrower(const struct candidate *a, const struct candidate *b)
{
	return a->ends != b->ends ? a->ends < b->ends : strcmp(a->key, b->key) < 0;
}

/* The services of a workload, the narrowest first. */
static size_t find_services(struct candidates *candidates, const struct workload *workload, size_t *numbers)
{
	struct arena *scratch = arena_create();
	size_t found_count, count = 0;
	struct isolation **found = selecting_find(candidates->selecting, scratch, workload, &found_count);
	for (size_t i = 0; i < found_count; i++) {
		const struct service *service = found[i]->service;
		bool is_new;
		if (service == NULL)
			continue;
		size_t number =
		    find(candidates, arena_printf(scratch, "%s/%s", service->name_space, service->name), &is_new);
		size_t at = count < SUGGEST_SERVICES_MOST ? count++ : SUGGEST_SERVICES_MOST;
		for (; at > 0 && is_narrower(candidates->items[number], candidates->items[numbers[at - 1]]); at--)
			if (at < SUGGEST_SERVICES_MOST)
				numbers[at] = numbers[at - 1];
		if (at < SUGGEST_SERVICES_MOST)
			numbers[at] = number;
	}
	arena_free(scratch);
	return count;
}

static const struct kind *kind_of_workload(struct candidates *candidates, const struct workload *workload)
{
	size_t numbers[SUGGEST_SERVICES_MOST], count = find_services(candidates, workload, numbers);
	if (count == 0 && workload->labels.count == 0)
		return keep_kind(candidates, NULL, 0,
				 arena_printf(candidates->arena, "no service selects %s/%s, and it has no labels",
					      workload->name_space, workload->name));
	if (count == 0)
		numbers[count++] = of_labels(candidates, workload);
	return keep_kind(candidates, numbers, count, NULL);
}

static size_t of_stranger(struct candidates *candidates, const struct address *address)
{
	for (size_t i = 0; i < candidates->network_count; i++)
		if (network_contains(candidates->networks[i], address))
			return of_network(candidates, candidates->networks[i]);
	return of_address(candidates, address);
}

static void find_kind(struct candidates *candidates, struct known_end *known)
{
	const struct endpoints *end = known->end;
	const struct endpoint *first = &end->items[0];
	size_t number;
	bool is_new;
	if (end->service != NULL) {
		number = find(candidates,
			      arena_printf(candidates->arena, "%s/%s", end->service->name_space, end->service->name),
			      &is_new);
		known->kind = keep_kind(candidates, &number, 1, NULL);
		known->unit = end->service;
	} else if (first->workload != NULL) {
		known->kind = kind_of_workload(candidates, first->workload);
		known->unit = first->workload;
	} else if (end->count == 1 && first->has_address) {
		known->node = inventory_node_at(candidates->world->inventory, &first->address);
		number = of_stranger(candidates, &first->address);
		known->kind = keep_kind(candidates, &number, 1, NULL);
		known->unit = candidates->items[number];
	} else {
		known->kind =
		    keep_kind(candidates, NULL, 0, "a built-in peer is nobody that could be named: give addresses");
	}
}

static struct known_end *know(struct candidates *candidates, const struct endpoints *end)
{
	struct known_end *known;
	HASH_FIND_PTR(candidates->ends, &end, known);
	if (known != NULL)
		return known;
	known = arena_alloc(candidates->arena, sizeof *known);
	known->end = end;
	find_kind(candidates, known);
	HASH_ADD_PTR(candidates->ends, end, known);
	return known;
}

/* Whether every workload of an end runs on `node`. */
static bool all_run_on(const struct endpoints *end, const struct node *node)
{
	for (size_t i = 0; i < end->count; i++) {
		const struct workload *workload = end->items[i].workload;
		if (workload == NULL || workload->node == NULL || strcmp(workload->node, node->name) != 0)
			return false;
	}
	return true;
}

const struct kind *candidates_of(struct candidates *candidates, const struct endpoints *end,
				 const struct endpoints *other, const void **unit)
{
	const struct known_end *known = know(candidates, end);
	*unit = known->unit;
	if (known->node == NULL || !all_run_on(other, known->node))
		return known->kind;
	*unit = &a_node;
	if (candidates->node == NULL) {
		size_t number = of_node(candidates);
		candidates->node = keep_kind(candidates, &number, 1, NULL);
	}
	return candidates->node;
}

/* ---- when all are known ---- */

static int compare_times(const void *left, const void *right)
{
	const struct candidate *a = *(struct candidate *const *)left, *b = *(struct candidate *const *)right;
	if (a->times != b->times)
		return (a->times < b->times) - (a->times > b->times);
	return address_compare(&a->peer.network->cidrs[0].address, &b->peer.network->cidrs[0].address);
}

void candidates_close(struct candidates *candidates)
{
	struct arena *scratch = arena_create();
	struct candidate **addresses = NULL;
	size_t count = 0;
	find_workloads(candidates, candidates->world->policy->service_count);
	for (size_t i = 0; i < candidates->count; i++)
		if (candidates->items[i]->is_address)
			*arena_push(scratch, addresses, count) = candidates->items[i];
	if (count > SUGGEST_ADDRESSES_MOST)
		qsort(addresses, count, sizeof(struct candidate *), compare_times);
	for (size_t i = SUGGEST_ADDRESSES_MOST; i < count; i++)
		addresses[i]->is_dropped = true;
	arena_free(scratch);
}
