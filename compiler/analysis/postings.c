/* Postings and holders: sorted arrays of hashes. */
#include "compiler/analysis/postings.h"
#include "compiler/analysis/meet.h"

#include <ringfence/arena.h>

#include <stdlib.h>

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) /* FNV-1a */
{
	for (size_t i = 0; i < count; i++)
		hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static const uint64_t start = UINT64_C(0xcbf29ce484222325);

uint64_t posting_key(const char *name_space, const char *key, const char *value)
{
	const char *const texts[] = {name_space, key, value};
	uint64_t hash = start;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const char *text = texts[i] != NULL ? texts[i] : "\n";
		for (; *text != 0; text++)
			hash = hash_bytes(hash, text, 1);
		hash = hash_bytes(hash, text, 1);
	}
	return hash;
}

static uint64_t kind_key(enum peer_kind kind)
{
	unsigned char bytes[] = {'k', (unsigned char)kind};
	return hash_bytes(start, bytes, sizeof bytes);
}

static uint64_t prefix_key(const struct address *address, uint8_t length)
{
	unsigned char bytes[18] = {address->family, length};
	for (size_t i = 0; i < length / 8U; i++)
		bytes[2 + i] = address->bytes[i];
	if (length % 8 != 0)
		bytes[2 + length / 8] = (unsigned char)(address->bytes[length / 8] & ~(0xff >> length % 8));
	return hash_bytes(start, bytes, sizeof bytes);
}

static int compare_postings(const void *left, const void *right)
{
	const struct posting *a = left, *b = right;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

void postings_add(struct arena *arena, struct postings *postings, uint64_t key, size_t number)
{
	*arena_push(arena, postings->items, postings->count) = (struct posting){key, number};
}

void postings_sort(struct postings *postings)
{
	if (postings->count > 1)
		qsort(postings->items, postings->count, sizeof *postings->items, compare_postings);
}

/* The first posting whose key is not less. */
static size_t lower_bound(const struct postings *postings, uint64_t key)
{
	size_t low = 0, high = postings->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (postings->items[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct postings postings_find(const struct postings *postings, uint64_t key)
{
	size_t first = lower_bound(postings, key);
	size_t end = key == UINT64_MAX ? postings->count : lower_bound(postings, key + 1);
	return (struct postings){postings->items + first, end - first};
}

/* ---- holders ---- */

/* The namespace that the posting of a peer names, one after the other; NULL where any may match. */
static const char *space_of(const struct peer *peer, size_t number)
{
	if (peer->kind == PEER_SERVICE)
		return peer->service->name_space;
	return peer->scope == NAMESPACES_LISTED ? peer->namespaces[number] : NULL;
}

static size_t space_count(const struct peer *peer)
{
	return peer->kind == PEER_LABELS && peer->scope == NAMESPACES_LISTED ? peer->namespace_count : 1;
}

/* Adds a posting for each value that `item` lists, or one where nothing is asked for. */
static void add_item(struct arena *arena, struct postings *postings, const struct peer *peer,
		     const struct requirement *item, size_t number)
{
	for (size_t i = 0; i < space_count(peer); i++) {
		if (item == NULL)
			postings_add(arena, postings, posting_key(space_of(peer, i), NULL, NULL), number);
		for (size_t j = 0; item != NULL && j < item->value_count; j++)
			postings_add(arena, postings, posting_key(space_of(peer, i), item->key, item->values[j]),
				     number);
	}
}

static bool has_selector(const struct peer *peer)
{
	return peer->kind == PEER_SERVICE || peer->kind == PEER_LABELS;
}

void holders_add(struct holders *holders, const struct peer *peer, size_t number)
{
	const struct selector *selector = peer_selector(peer);
	*arena_push(holders->arena, holders->items, holders->count) = (struct holder){peer, number};
	for (size_t i = 0; has_selector(peer) && i < selector->count; i++)
		if (selector->items[i].kind == REQUIRE_IN)
			add_item(holders->arena, &holders->frequencies, peer, &selector->items[i], number);
}

/* The list of values that the fewest peers ask for, as far as one namespace tells. */
static const struct requirement *rarest(const struct holders *holders, const struct peer *peer)
{
	const struct selector *selector = peer_selector(peer);
	const struct requirement *best = NULL;
	size_t least = SIZE_MAX;
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		size_t count = 0;
		for (size_t j = 0; item->kind == REQUIRE_IN && j < item->value_count; j++)
			count += postings_find(&holders->frequencies,
					       posting_key(space_of(peer, 0), item->key, item->values[j]))
				     .count;
		if (item->kind == REQUIRE_IN && count < least) {
			least = count;
			best = item;
		}
	}
	return best;
}

void holders_sort(struct holders *holders)
{
	postings_sort(&holders->frequencies);
	for (size_t i = 0; i < holders->count; i++) {
		const struct peer *peer = holders->items[i].peer;
		size_t number = holders->items[i].number;
		if (has_selector(peer))
			add_item(holders->arena, &holders->postings, peer, rarest(holders, peer), number);
		else if (peer->kind != PEER_NETWORK)
			postings_add(holders->arena, &holders->postings, kind_key(peer->kind), number);
		for (size_t j = 0; peer->kind == PEER_NETWORK && j < peer->network->cidr_count; j++) {
			const struct prefix *cidr = &peer->network->cidrs[j];
			postings_add(holders->arena, &holders->postings, prefix_key(&cidr->address, cidr->length),
				     number);
		}
	}
	postings_sort(&holders->postings);
}

static void add_list(const struct holders *holders, struct candidates *candidates, uint64_t key)
{
	struct postings found = postings_find(&holders->postings, key);
	if (found.count == 0)
		return;
	*arena_push(holders->arena, candidates->lists, candidates->count) = found;
	candidates->total += found.count;
}

/* A value of a list that whoever the selector matches may have. */
static const char *possible_value(const struct selector *selector, const struct requirement *item)
{
	for (size_t i = 0; i < item->value_count; i++)
		if (value_passes(&selector, 1, item->key, item->values[i]))
			return item->values[i];
	return NULL;
}

static void find_by_selector(const struct holders *holders, struct candidates *candidates, const struct peer *inner,
			     const char *name_space)
{
	const struct selector *selector = peer_selector(inner);
	add_list(holders, candidates, posting_key(name_space, NULL, NULL));
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		const char *value = item->kind == REQUIRE_IN ? possible_value(selector, item) : NULL;
		if (value != NULL)
			add_list(holders, candidates, posting_key(name_space, item->key, value));
	}
}

struct candidates holders_find(const struct holders *holders, const struct peer *inner)
{
	struct candidates candidates = {0};
	add_list(holders, &candidates, kind_key(PEER_ANY));
	if (inner->kind == PEER_NETWORK) {
		const struct prefix *cidr = inner->network->cidrs;
		for (unsigned length = 0; inner->network->cidr_count > 0 && length <= cidr->length; length++)
			add_list(holders, &candidates, prefix_key(&cidr->address, (uint8_t)length));
	} else if (has_selector(inner)) {
		add_list(holders, &candidates, kind_key(PEER_CLUSTER));
		find_by_selector(holders, &candidates, inner, NULL);
		if (space_count(inner) > 0 && space_of(inner, 0) != NULL)
			find_by_selector(holders, &candidates, inner, space_of(inner, 0));
	} else if (inner->kind != PEER_ANY) {
		add_list(holders, &candidates, kind_key(inner->kind));
	}
	return candidates;
}
