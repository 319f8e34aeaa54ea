/* The part of a policy that may speak of a flow.
 *
 * Most allows speak of services at both ends. Which services a workload is of is looked up by its labels, and which
 * allows name a service by the service; only peers of other kinds are asked one by one. What matches is asked of the
 * verdict's own functions. */
#include "compiler/analysis/narrowing.h"
#include "compiler/analysis/comparing.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION HASH_OAT /* the default falls through cases, of which clang warns */
#include <uthash.h>

/* Statements as source, as destination, and isolations. */
enum { LIST_ISOLATIONS = DIRECTIONS, LISTS };

struct scope {
	uint32_t *numbers; /* the lists, one behind the other */
	size_t counts[LISTS];
	UT_hash_handle hh;
};

/* An allow that has a service as an end. */
struct naming {
	const struct service *service;
	uint32_t allow;
};

struct namings {
	struct naming *items; /* sorted */
	size_t count;
};

struct numbers {
	uint32_t *items;
	size_t count;
};

struct narrowing {
	struct arena *arena;
	const struct world *whole;
	struct selecting *selecting;
	struct namings services[DIRECTIONS];
	struct numbers others[DIRECTIONS]; /* allows with a peer that is no service */
	struct scope *scopes;		   /* by their numbers */
	struct policy policy;
	struct world world; /* of `policy` */
};

static int compare_namings(const void *left, const void *right)
{
	const struct naming *a = left, *b = right;
	uintptr_t first = (uintptr_t)a->service, second = (uintptr_t)b->service;
	return first != second ? (first > second) - (first < second) : (a->allow > b->allow) - (a->allow < b->allow);
}

static size_t peer_count(const struct allow *allow, enum direction end)
{
	return end == EGRESS ? allow->flows.from_count : allow->flows.to_count;
}

static const struct peer *peer_at(const struct allow *allow, enum direction end, size_t i)
{
	return end == EGRESS ? &allow->flows.from[i] : &allow->flows.to[i].peer;
}

static void index_allow(struct narrowing *narrowing, uint32_t number, enum direction end)
{
	const struct allow *allow = narrowing->whole->policy->allows[number];
	bool other = false;
	for (size_t i = 0; i < peer_count(allow, end); i++) {
		const struct peer *peer = peer_at(allow, end, i);
		struct namings *namings = &narrowing->services[end];
		if (peer->kind == PEER_SERVICE)
			*arena_push(narrowing->arena, namings->items, namings->count) =
			    (struct naming){peer->service, number};
		other = other || peer->kind != PEER_SERVICE;
	}
	if (other)
		*arena_push(narrowing->arena, narrowing->others[end].items, narrowing->others[end].count) = number;
}

struct narrowing *narrowing_create(struct arena *arena, const struct world *world)
{
	const struct policy *policy = world->policy;
	struct narrowing *narrowing = arena_alloc(arena, sizeof *narrowing);
	*narrowing = (struct narrowing){.arena = arena, .whole = world, .policy = *policy, .world = *world};
	narrowing->world.policy = &narrowing->policy;
	narrowing->selecting = selecting_create(arena, policy);
	narrowing->policy.allows = arena_alloc(arena, (policy->allow_count + 1) * sizeof(struct allow *));
	narrowing->policy.isolations = arena_alloc(arena, (policy->isolation_count + 1) * sizeof(struct isolation *));
	for (int end = EGRESS; end <= INGRESS; end++) {
		struct namings *namings = &narrowing->services[end];
		for (uint32_t i = 0; i < policy->allow_count; i++)
			if (is_alive(world, policy->allows[i]->until))
				index_allow(narrowing, i, (enum direction)end);
		if (namings->count > 1)
			qsort(namings->items, namings->count, sizeof *namings->items, compare_namings);
	}
	return narrowing;
}

void narrowing_finish(struct narrowing *narrowing)
{
	HASH_CLEAR(hh, narrowing->scopes); /* the arena has the rest */
}

/* ---- the scope of an end ---- */

static int compare_numbers(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	return (a > b) - (a < b);
}

static void sort_once(struct numbers *numbers)
{
	size_t kept = 0;
	if (numbers->count > 1)
		qsort(numbers->items, numbers->count, sizeof *numbers->items, compare_numbers);
	for (size_t i = 0; i < numbers->count; i++)
		if (kept == 0 || numbers->items[kept - 1] != numbers->items[i])
			numbers->items[kept++] = numbers->items[i];
	numbers->count = kept;
}

static bool speaks_of(const struct narrowing *narrowing, const struct allow *allow, enum direction end,
		      const struct endpoints *endpoints)
{
	for (size_t i = 0; i < endpoints->count; i++)
		for (size_t j = 0; j < peer_count(allow, end); j++)
			if (peer_at(allow, end, j)->kind != PEER_SERVICE &&
			    peer_may_match(narrowing->whole, peer_at(allow, end, j), &endpoints->items[i]))
				return true;
	return false;
}

static void add_services(const struct narrowing *narrowing, struct arena *scratch, enum direction end,
			 const struct numbers *isolations, struct numbers *allows)
{
	const struct namings *namings = &narrowing->services[end];
	for (size_t i = 0; i < isolations->count; i++) {
		const struct naming wanted = {narrowing->whole->policy->isolations[isolations->items[i]]->service, 0};
		size_t low = 0, high = namings->count;
		while (low < high) {
			size_t middle = low + (high - low) / 2;
			if (compare_namings(&namings->items[middle], &wanted) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		for (; wanted.service != NULL && low < namings->count && namings->items[low].service == wanted.service;
		     low++)
			*arena_push(scratch, allows->items, allows->count) = namings->items[low].allow;
	}
}

/* Keeps equal scopes once: there may be a million addresses of which the same is said. */
static const struct scope *keep(struct narrowing *narrowing, struct arena *scratch, const struct numbers lists[LISTS])
{
	size_t length = LISTS, at = LISTS; /* how long the lists are stands before them */
	for (size_t i = 0; i < LISTS; i++)
		length += lists[i].count;
	uint32_t *key = arena_alloc(scratch, length * sizeof *key);
	for (size_t i = 0; i < LISTS; i++) {
		key[i] = (uint32_t)lists[i].count;
		if (lists[i].count > 0)
			memcpy(key + at, lists[i].items, lists[i].count * sizeof *key);
		at += lists[i].count;
	}
	struct scope *scope;
	HASH_FIND(hh, narrowing->scopes, key, length * sizeof *key, scope);
	if (scope != NULL)
		return scope;
	scope = arena_alloc(narrowing->arena, sizeof *scope);
	uint32_t *kept = arena_alloc(narrowing->arena, length * sizeof *kept);
	memcpy(kept, key, length * sizeof *kept);
	scope->numbers = kept + LISTS;
	for (size_t i = 0; i < LISTS; i++)
		scope->counts[i] = lists[i].count;
	HASH_ADD_KEYPTR(hh, narrowing->scopes, kept, length * sizeof *kept, scope);
	return scope;
}

const struct scope *narrowing_scope(struct narrowing *narrowing, const struct endpoints *endpoints)
{
	struct arena *scratch = arena_create();
	struct numbers lists[LISTS] = {0}, *isolations = &lists[LIST_ISOLATIONS];
	for (size_t i = 0; i < endpoints->count; i++) {
		const struct workload *workload = endpoints->items[i].workload;
		size_t count = 0;
		const size_t *found = workload == NULL || (i > 0 && workload == endpoints->items[i - 1].workload)
					  ? NULL
					  : selecting_numbers(narrowing->selecting, scratch, workload, &count);
		for (size_t j = 0; j < count; j++)
			*arena_push(scratch, isolations->items, isolations->count) = (uint32_t)found[j];
	}
	sort_once(isolations);
	for (int end = EGRESS; end <= INGRESS; end++) {
		const struct numbers *others = &narrowing->others[end];
		add_services(narrowing, scratch, (enum direction)end, isolations, &lists[end]);
		for (size_t i = 0; i < others->count; i++)
			if (speaks_of(narrowing, narrowing->whole->policy->allows[others->items[i]],
				      (enum direction)end, endpoints))
				*arena_push(scratch, lists[end].items, lists[end].count) = others->items[i];
		sort_once(&lists[end]);
	}
	const struct scope *scope = keep(narrowing, scratch, lists);
	arena_free(scratch);
	return scope;
}

/* ---- a pair ---- */

static const uint32_t *list_of(const struct scope *scope, size_t list)
{
	const uint32_t *numbers = scope->numbers;
	for (size_t i = 0; i < list; i++)
		numbers += scope->counts[i];
	return numbers;
}

const struct service *narrowing_service(const struct narrowing *narrowing, const struct scope *scope)
{
	const uint32_t *isolations = list_of(scope, LIST_ISOLATIONS);
	for (size_t i = 0; i < scope->counts[LIST_ISOLATIONS]; i++) {
		const struct isolation *isolation = narrowing->whole->policy->isolations[isolations[i]];
		if (isolation->service != NULL)
			return isolation->service;
	}
	return NULL;
}

const struct world *narrowing_world(struct narrowing *narrowing, const struct scope *from, const struct scope *to)
{
	const struct policy *whole = narrowing->whole->policy;
	struct policy *policy = &narrowing->policy;
	const uint32_t *a = list_of(from, EGRESS), *b = list_of(to, INGRESS);
	const uint32_t *end_a = a + from->counts[EGRESS], *end_b = b + to->counts[INGRESS];
	policy->allow_count = policy->isolation_count = 0;
	while (a < end_a && b < end_b) {
		if (*a == *b)
			policy->allows[policy->allow_count++] = whole->allows[*a];
		uint32_t first = *a, second = *b;
		a += first <= second;
		b += second <= first;
	}
	a = list_of(from, LIST_ISOLATIONS);
	b = list_of(to, LIST_ISOLATIONS);
	end_a = a + from->counts[LIST_ISOLATIONS];
	end_b = b + to->counts[LIST_ISOLATIONS];
	while (a < end_a || b < end_b) {
		uint32_t first = a < end_a ? *a : UINT32_MAX, second = b < end_b ? *b : UINT32_MAX;
		policy->isolations[policy->isolation_count++] = whole->isolations[first < second ? first : second];
		a += first <= second;
		b += second <= first;
	}
	return &narrowing->world;
}
