/* Which statements may speak of an end, without asking each: most peers ask for a value of some label, and are looked
 * up by it. Whether a peer found so may match is asked of peer_may_match. */
#include "compiler/analysis/speaking.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* A peer of a statement, and a value that it asks for. */
struct spoken {
	const char *key, *value;
	const struct peer *peer;
	size_t number; /* of the statement */
};

struct spoken_list {
	struct spoken *items;
	size_t count;
};

struct speaking {
	const struct world *world;
	size_t count;
	struct spoken_list wanted[2]; /* by side, sorted */
	struct spoken_list others[2]; /* peers that ask for no value */
};

static int compare_spoken(const void *left, const void *right)
{
	const struct spoken *a = left, *b = right;
	int order = strcmp(a->value, b->value);
	return order != 0 ? order : strcmp(a->key, b->key);
}

static void add_peer(struct speaking *speaking, struct arena *arena, const struct peer *peer, size_t number, int side)
{
	const struct selector *selector = peer->kind == PEER_SERVICE  ? &peer->service->workloads
					  : peer->kind == PEER_LABELS ? &peer->labels
								      : NULL;
	const struct requirement *item = NULL;
	for (size_t i = 0; selector != NULL && i < selector->count && item == NULL; i++)
		if (selector->items[i].kind == REQUIRE_IN)
			item = &selector->items[i];
	struct spoken_list *list = item != NULL ? &speaking->wanted[side] : &speaking->others[side];
	for (size_t i = 0; item != NULL && i < item->value_count; i++)
		*arena_push(arena, list->items, list->count) =
		    (struct spoken){item->key, item->values[i], peer, number};
	if (item == NULL)
		*arena_push(arena, list->items, list->count) = (struct spoken){NULL, NULL, peer, number};
}

struct speaking *speaking_create(struct arena *arena, const struct world *world, const struct flows *const *flows,
				 size_t count)
{
	struct speaking *speaking = arena_alloc(arena, sizeof *speaking);
	*speaking = (struct speaking){.world = world, .count = count};
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < flows[i]->from_count; j++)
			add_peer(speaking, arena, &flows[i]->from[j], i, EGRESS);
		for (size_t j = 0; j < flows[i]->to_count; j++)
			add_peer(speaking, arena, &flows[i]->to[j].peer, i, INGRESS);
	}
	for (int i = EGRESS; i <= INGRESS; i++)
		if (speaking->wanted[i].count > 1)
			qsort(speaking->wanted[i].items, speaking->wanted[i].count, sizeof(struct spoken),
			      compare_spoken);
	return speaking;
}

size_t speaking_words(const struct speaking *speaking)
{
	return speaking->count / 64 + 1;
}

/* The first that asks for the same, or the end. */
static size_t find_first(const struct spoken_list *list, const struct spoken *wanted)
{
	size_t low = 0, high = list->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_spoken(&list->items[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void try_one(const struct speaking *speaking, const struct spoken *spoken, const struct endpoint *end,
		    uint64_t *words)
{
	if (peer_may_match(speaking->world, spoken->peer, end))
		words[spoken->number / 64] |= UINT64_C(1) << spoken->number % 64;
}

uint64_t *speaking_find(const struct speaking *speaking, struct arena *arena, const struct endpoint *end,
			enum direction side)
{
	const struct spoken_list *wanted = &speaking->wanted[side], *others = &speaking->others[side];
	uint64_t *words = arena_alloc(arena, speaking_words(speaking) * sizeof *words);
	for (size_t i = 0; end->workload != NULL && i < end->workload->labels.count; i++) {
		const struct label *label = &end->workload->labels.items[i];
		const struct spoken asked = {.key = label->key, .value = label->value};
		for (size_t j = find_first(wanted, &asked);
		     j < wanted->count && compare_spoken(&wanted->items[j], &asked) == 0; j++)
			try_one(speaking, &wanted->items[j], end, words);
	}
	for (size_t i = 0; i < others->count; i++)
		try_one(speaking, &others->items[i], end, words);
	return words;
}
