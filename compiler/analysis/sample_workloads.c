/* Workloads by kind: of one kind are those of which the same statements speak.
 *
 * A host workload is the node to others on its node and an address to all else, so which of two run on one node counts
 * as well. Of each two kinds that meet on a node such a pair is kept; a pair that is apart may not do more. */
#include "compiler/analysis/samples.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIKE_KEPT = 2 }; /* two of a kind, since a workload always reaches itself */

struct kind {
	const char *text; /* equal for workloads of one kind */
	size_t text_size;
	const struct workload *workload;
	size_t place; /* in the inventory */
	bool kept;
};

/* The keys of labels that some selector asks for. Others tell nobody apart, and often each workload has its own value.
 */
struct keys {
	struct arena *arena;
	const char **items; /* sorted, each once */
	size_t count;
};

static int compare_keys(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void add_keys(struct keys *keys, const struct selector *selector)
{
	for (size_t i = 0; i < selector->count; i++)
		*arena_push(keys->arena, keys->items, keys->count) = selector->items[i].key;
}

static void add_flows_keys(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		add_keys(context, &flows->from[i].labels);
	for (size_t i = 0; i < flows->to_count; i++)
		add_keys(context, &flows->to[i].peer.labels);
}

static struct keys find_keys(struct arena *arena, const struct world *world)
{
	struct keys keys = {.arena = arena};
	size_t kept = 0;
	for (size_t i = 0; i < world->policy->isolation_count; i++)
		add_keys(&keys, &world->policy->isolations[i]->workloads);
	policy_each_flows(world, add_flows_keys, &keys);
	if (keys.count > 1)
		qsort(keys.items, keys.count, sizeof *keys.items, compare_keys);
	for (size_t i = 0; i < keys.count; i++)
		if (kept == 0 || strcmp(keys.items[kept - 1], keys.items[i]) != 0)
			keys.items[kept++] = keys.items[i];
	keys.count = kept;
	return keys;
}

static bool is_asked_for(const struct keys *keys, const char *key)
{
	return keys->count > 0 && bsearch(&key, keys->items, keys->count, sizeof *keys->items, compare_keys) != NULL;
}

static int compare_labels(const void *left, const void *right)
{
	const struct label *a = left, *b = right;
	return strcmp(a->key, b->key);
}

/* The node counts by where its addresses lie, not by its name: a statement can only say `node`, or an address. */
static void write_kind(FILE *stream, const struct samples *samples, const struct world *world,
		       const struct workload *workload, const struct keys *keys, struct label *labels)
{
	size_t count = 0;
	const struct node *node = workload->node != NULL ? inventory_node(world->inventory, workload->node) : NULL;
	for (size_t i = 0; i < workload->labels.count; i++)
		if (is_asked_for(keys, workload->labels.items[i].key))
			labels[count++] = workload->labels.items[i];
	qsort(labels, count, sizeof *labels, compare_labels);
	fprintf(stream, "%s%c%d%d%d%c", workload->name_space, 0, workload->conflict,
		quarantine_of(world, workload) != NULL, workload_is_host(workload), 0);
	for (size_t i = 0; i < count; i++)
		fprintf(stream, "%s%c%s%c", labels[i].key, 0, labels[i].value, 0);
	fputc('\n', stream);
	for (size_t i = 0; i < workload->port_count; i++)
		fprintf(stream, "%s %u %u %u%c", workload->ports[i].name, workload->ports[i].port.protocol,
			workload->ports[i].port.first, workload->ports[i].port.last, 0);
	fputc('\n', stream);
	for (size_t i = 0; i < workload->address_count; i++)
		fprintf(stream, "%zu ", samples_piece(samples, &workload->addresses[i]));
	fputc('\n', stream);
	for (size_t i = 0; node != NULL && i < node->address_count; i++)
		fprintf(stream, "%zu ", samples_piece(samples, &node->addresses[i]));
}

static int compare_kinds(const void *left, const void *right)
{
	const struct kind *a = left, *b = right;
	size_t common = a->text_size < b->text_size ? a->text_size : b->text_size;
	int order = memcmp(a->text, b->text, common);
	if (order == 0)
		order = (a->text_size > b->text_size) - (a->text_size < b->text_size);
	return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static int compare_places(const void *left, const void *right)
{
	const struct kind *a = left, *b = right;
	return (a->place > b->place) - (a->place < b->place);
}

static bool same_kind(const struct kind *a, const struct kind *b)
{
	return a->text_size == b->text_size && memcmp(a->text, b->text, a->text_size) == 0;
}

/* ---- host workloads ---- */

void samples_add_workload(const struct samples *samples, struct arena *arena, const struct world *world,
			  struct endpoints *endpoints, const struct workload *workload)
{
	endpoints_add_workload(arena, world->inventory, endpoints, workload);
	for (size_t i = LOOPBACKS_FIRST; workload_is_host(workload) && i < samples->loopback_count; i++)
		*arena_push(arena, endpoints->items, endpoints->count) =
		    (struct endpoint){workload, true, samples->loopbacks[i], PEER_SERVICE};
}

bool workloads_share_node(const struct workload *a, const struct workload *b)
{
	return a->node != NULL && b->node != NULL && strcmp(a->node, b->node) == 0;
}

bool inventory_has_hosts(const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->workload_count; i++)
		if (workload_is_host(inventory->workloads[i]))
			return true;
	return false;
}

static int compare_nodes(const void *left, const void *right)
{
	const struct kind *a = *(struct kind *const *)left, *b = *(struct kind *const *)right;
	int order = strcmp(a->workload->node, b->workload->node);
	return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/* A bit for each two kinds of which a pair on one node is kept. */
struct neighbours {
	struct arena *arena;
	const struct samples *samples;
	uint64_t **rows; /* by kind of host workloads, made when first needed */
};

static void keep_pair(struct neighbours *neighbours, struct kind *host, struct kind *other)
{
	const struct samples *samples = neighbours->samples;
	size_t bit = samples->kinds[other->place];
	uint64_t **row = &neighbours->rows[samples->kinds[host->place]];
	if (*row == NULL)
		*row = arena_alloc(neighbours->arena, (samples->kind_count / 64 + 1) * sizeof **row);
	if (host == other || ((*row)[bit / 64] >> bit % 64 & 1) != 0)
		return;
	(*row)[bit / 64] |= UINT64_C(1) << bit % 64;
	host->kept = other->kept = true;
}

static void keep_neighbours(const struct samples *samples, struct arena *arena, struct kind *kinds, size_t count)
{
	struct neighbours neighbours = {arena, samples, arena_alloc(arena, (count + 1) * sizeof(uint64_t *))};
	struct kind **placed = arena_alloc(arena, (count + 1) * sizeof(struct kind *));
	size_t placed_count = 0;
	for (size_t i = 0; i < count; i++)
		if (kinds[i].workload->node != NULL)
			placed[placed_count++] = &kinds[i];
	if (placed_count > 1)
		qsort(placed, placed_count, sizeof(struct kind *), compare_nodes);
	for (size_t i = 0, next; i < placed_count; i = next) {
		for (next = i;
		     next < placed_count && workloads_share_node(placed[i]->workload, placed[next]->workload);)
			next++;
		for (size_t j = i; j < next; j++)
			for (size_t k = i; k < next && workload_is_host(placed[j]->workload); k++)
				keep_pair(&neighbours, placed[j], placed[k]);
	}
}

void samples_find_workloads(struct samples *samples, struct arena *arena, const struct world *world)
{
	const struct inventory *inventory = world->inventory;
	size_t count = inventory->workload_count;
	struct kind *kinds = arena_alloc(arena, (count + 1) * sizeof *kinds);
	const struct keys keys = find_keys(arena, world);
	for (size_t i = 0; i < count; i++) {
		const struct workload *workload = inventory->workloads[i];
		struct label *labels = arena_alloc(arena, (workload->labels.count + 1) * sizeof *labels);
		char *text = NULL;
		size_t size = 0;
		FILE *stream = open_memstream(&text, &size);
		if (stream == NULL)
			abort();
		write_kind(stream, samples, world, workload, &keys, labels);
		if (fclose(stream) != 0)
			abort();
		kinds[i] = (struct kind){arena_copy(arena, text, size), size, workload, i, false};
		free(text);
	}
	if (count > 1)
		qsort(kinds, count, sizeof *kinds, compare_kinds);
	for (size_t i = 0; i < count; i++)
		kinds[i].kept = i < ALIKE_KEPT || !same_kind(&kinds[i - ALIKE_KEPT], &kinds[i]);
	samples->kinds = arena_alloc(arena, (count + 1) * sizeof *samples->kinds);
	for (size_t i = 0; i < count; i++) {
		samples->kind_count += i == 0 || !same_kind(&kinds[i - 1], &kinds[i]);
		samples->kinds[kinds[i].place] = samples->kind_count - 1;
	}
	if (count > 1)
		qsort(kinds, count, sizeof *kinds, compare_places);
	if (inventory_has_hosts(inventory))
		keep_neighbours(samples, arena, kinds, count);
	for (size_t i = 0; i < count; i++)
		if (kinds[i].kept)
			*arena_push(arena, samples->workloads, samples->workload_count) = kinds[i].workload;
}
