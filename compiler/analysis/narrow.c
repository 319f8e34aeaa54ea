/* Which statements can decide a flow: allows are looked up by the services that they name, isolations by the labels
 * that they ask for (selecting.c); what names no service is asked one by one, once for each set of ends. */
#include "compiler/analysis/narrow.h"
#include "compiler/analysis/selecting.h"

#include <ringfence/arena.h>

#include <stdlib.h>

/* An allow that names a service as its source, or as its destination. */
struct naming {
	const struct service *service;
	size_t allow;
};

struct namings {
	struct naming *items; /* sorted by service */
	size_t count;
};

struct numbers {
	size_t *items;
	size_t count;
};

struct narrowing {
	struct arena *arena;
	const struct world *world;
	struct selecting *selecting;
	struct namings namings[2]; /* by direction */
	struct numbers others[2];  /* allows with a peer that is no service */
};

static void set_bit(uint64_t *bits, size_t number)
{
	bits[number / 64] |= UINT64_C(1) << number % 64;
}

static size_t words_for(size_t count)
{
	return count / 64 + 1;
}

static size_t peer_count(const struct flows *flows, enum direction direction)
{
	return direction == EGRESS ? flows->from_count : flows->to_count;
}

static const struct peer *peer_of(const struct flows *flows, enum direction direction, size_t number)
{
	return direction == EGRESS ? &flows->from[number] : &flows->to[number].peer;
}

/* ---- the index ---- */

static int compare_namings(const void *left, const void *right)
{
	uintptr_t a = (uintptr_t)((const struct naming *)left)->service;
	uintptr_t b = (uintptr_t)((const struct naming *)right)->service;
	return (a > b) - (a < b);
}

static void add_allow(struct narrowing *narrowing, size_t number, enum direction direction)
{
	const struct flows *flows = &narrowing->world->policy->allows[number]->flows;
	struct namings *namings = &narrowing->namings[direction];
	struct numbers *others = &narrowing->others[direction];
	bool other = false;
	for (size_t i = 0; i < peer_count(flows, direction); i++) {
		const struct peer *peer = peer_of(flows, direction, i);
		if (peer->kind == PEER_SERVICE)
			*arena_push(narrowing->arena, namings->items, namings->count) =
			    (struct naming){peer->service, number};
		other = other || peer->kind != PEER_SERVICE;
	}
	if (other)
		*arena_push(narrowing->arena, others->items, others->count) = number;
}

struct narrowing *narrowing_create(struct arena *arena, const struct world *world)
{
	struct narrowing *narrowing = arena_alloc(arena, sizeof *narrowing);
	narrowing->arena = arena;
	narrowing->world = world;
	narrowing->selecting = selecting_create(arena, world->policy);
	for (int direction = EGRESS; direction <= INGRESS; direction++) {
		struct namings *namings = &narrowing->namings[direction];
		for (size_t i = 0; i < world->policy->allow_count; i++)
			if (is_alive(world, world->policy->allows[i]->until))
				add_allow(narrowing, i, (enum direction)direction);
		if (namings->count > 1)
			qsort(namings->items, namings->count, sizeof *namings->items, compare_namings);
	}
	return narrowing;
}

/* ---- what ends involve ---- */

static void involve_service(const struct namings *namings, const struct service *service, uint64_t *allows)
{
	const struct naming wanted = {.service = service};
	size_t low = 0, high = namings->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_namings(&namings->items[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < namings->count && namings->items[low].service == service; low++)
		set_bit(allows, namings->items[low].allow);
}

/* Whether a peer that is no service may match one of `ends`; `node` depends on the other end, so it may match what is
 * no workload. */
static bool may_match(const struct world *world, const struct peer *peer, const struct endpoints *ends)
{
	const struct endpoint nobody = {.stands_for = PEER_ANY};
	for (size_t i = 0; i < ends->count && peer->kind != PEER_SERVICE; i++)
		if (peer->kind == PEER_NODE ? ends->items[i].workload == NULL
					    : peer_matches(world, peer, &ends->items[i], &nobody))
			return true;
	return false;
}

static void involve_other(const struct narrowing *narrowing, size_t number, const struct endpoints *ends,
			  enum direction direction, uint64_t *allows)
{
	const struct flows *flows = &narrowing->world->policy->allows[number]->flows;
	bool may = false;
	for (size_t i = 0; i < peer_count(flows, direction) && !may; i++)
		may = may_match(narrowing->world, peer_of(flows, direction, i), ends);
	if (may)
		set_bit(allows, number);
}

struct involved narrowing_involve(const struct narrowing *narrowing, struct arena *arena, const struct endpoints *ends,
				  enum direction direction)
{
	const struct policy *policy = narrowing->world->policy;
	struct involved involved = {
	    .allows = arena_alloc(arena, words_for(policy->allow_count) * sizeof(uint64_t)),
	    .isolations = arena_alloc(arena, words_for(policy->isolation_count) * sizeof(uint64_t)),
	};
	for (size_t i = 0; i < ends->count; i++) {
		if (ends->items[i].workload == NULL ||
		    (i > 0 && ends->items[i].workload == ends->items[i - 1].workload))
			continue;
		size_t count;
		const size_t *selected =
		    selecting_find(narrowing->selecting, narrowing->arena, ends->items[i].workload, &count);
		for (size_t j = 0; j < count; j++) {
			const struct service *service = policy->isolations[selected[j]]->service;
			set_bit(involved.isolations, selected[j]);
			if (service != NULL)
				involve_service(&narrowing->namings[direction], service, involved.allows);
		}
	}
	for (size_t i = 0; i < narrowing->others[direction].count; i++)
		involve_other(narrowing, narrowing->others[direction].items[i], ends, direction, involved.allows);
	return involved;
}

/* ---- the smaller world ---- */

/* The lowest bit that is set in a word which is not zero. */
static size_t first_bit(uint64_t word)
{
	return (size_t)__builtin_ctzll(word);
}

struct narrow *narrow_create(struct arena *arena, const struct narrowing *narrowing)
{
	const struct policy *whole = narrowing->world->policy;
	struct narrow *narrow = arena_alloc(arena, sizeof *narrow);
	narrow->policy = *whole;
	narrow->policy.allows = arena_alloc(arena, (whole->allow_count + 1) * sizeof(struct allow *));
	narrow->policy.isolations = arena_alloc(arena, (whole->isolation_count + 1) * sizeof(struct isolation *));
	narrow->world = *narrowing->world;
	narrow->world.policy = &narrow->policy;
	return narrow;
}

void narrow_to(struct narrow *narrow, const struct narrowing *narrowing, const struct involved *sources,
	       const struct involved *destinations)
{
	const struct policy *whole = narrowing->world->policy;
	struct policy *policy = &narrow->policy;
	policy->allow_count = policy->isolation_count = 0;
	for (size_t i = 0; i < words_for(whole->allow_count); i++)
		for (uint64_t bits = sources->allows[i] & destinations->allows[i]; bits != 0; bits &= bits - 1)
			policy->allows[policy->allow_count++] = whole->allows[64 * i + first_bit(bits)];
	for (size_t i = 0; i < words_for(whole->isolation_count); i++)
		for (uint64_t bits = sources->isolations[i] | destinations->isolations[i]; bits != 0; bits &= bits - 1)
			policy->isolations[policy->isolation_count++] = whole->isolations[64 * i + first_bit(bits)];
}
