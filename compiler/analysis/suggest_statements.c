/* From allows of one source, one destination and one port to few statements that mean just the same.
 *
 * Ports of one source and destination are put together, then ends: sources that share destinations and ports, and
 * destinations that share sources and ports. Which of the two comes first is tried both ways. */
#include "compiler/analysis/suggesting.h"

#include <stdlib.h>
#include <string.h>

/* Every source with every destination on every port. */
struct block {
	const char *name_space; /* of the document */
	const char *ports;	/* as text; equal for equal ones */
	const char **port_words;
	size_t port_count;
	size_t *ends[2], counts[2]; /* candidates, sorted by name */
	const char *texts[2];	    /* the same as text */
	size_t *atoms, atom_count;
};

struct blocks {
	struct arena *arena;
	const struct candidates *candidates;
	struct block *items;
	size_t count;
};

/* ---- a source and a destination ---- */

/* A port as a person writes it: by the name that the destination service has for just this port. */
static const char *port_word(struct arena *arena, const struct candidate *to, const struct port_range *port)
{
	char text[48];
	const struct service *service = to->peer.kind == PEER_SERVICE ? to->peer.service : NULL;
	for (size_t i = 0; service != NULL && i < service->port_count; i++)
		if (memcmp(&service->ports[i].port, port, sizeof *port) == 0)
			return service->ports[i].name;
	return arena_printf(arena, "%s", port_range_format(port, text));
}

static const char *document_of(const struct candidate *from, const struct candidate *to)
{
	const char *name_space = to->name_space != NULL ? to->name_space : from->name_space;
	return name_space != NULL ? name_space : "default";
}

static void add_port(struct blocks *blocks, struct block *block, const struct atom *atom, size_t number)
{
	const struct port_range port = {atom->protocol, atom->port, atom->port};
	const char *word = port_word(blocks->arena, candidate_at(blocks->candidates, atom->ends[INGRESS]), &port);
	*arena_push(blocks->arena, block->port_words, block->port_count) = word;
	block->ports = arena_printf(blocks->arena, "%s%s,", block->ports, word);
	*arena_push(blocks->arena, block->atoms, block->atom_count) = number;
}

/* One for each source and destination; the atoms are sorted by them. */
static void add_blocks(struct blocks *blocks, const struct atom *atoms, size_t count)
{
	struct block *block = NULL;
	const size_t *ends = NULL;
	for (size_t i = 0; i < count; i++) {
		if (!atoms[i].chosen)
			continue;
		if (ends == NULL || memcmp(ends, atoms[i].ends, sizeof atoms[i].ends) != 0) {
			block = arena_push(blocks->arena, blocks->items, blocks->count);
			block->ports = "";
			for (int end = EGRESS; end <= INGRESS; end++) {
				*arena_push(blocks->arena, block->ends[end], block->counts[end]) = atoms[i].ends[end];
				block->texts[end] = candidate_at(blocks->candidates, atoms[i].ends[end])->key;
			}
			block->name_space = document_of(candidate_at(blocks->candidates, atoms[i].ends[EGRESS]),
							candidate_at(blocks->candidates, atoms[i].ends[INGRESS]));
			ends = atoms[i].ends;
		}
		add_port(blocks, block, &atoms[i], i);
	}
}

/* ---- putting ends together ---- */

/* By all that must be equal, and then by the end that need not. */
static int compare_blocks(const struct block *a, const struct block *b, enum direction merged)
{
	int order = strcmp(a->name_space, b->name_space);
	if (order == 0)
		order = strcmp(a->texts[1 - merged], b->texts[1 - merged]);
	return order != 0 ? order : strcmp(a->ports, b->ports);
}

static int compare_for(const void *left, const void *right, enum direction merged)
{
	const struct block *a = left, *b = right;
	int order = compare_blocks(a, b, merged);
	return order != 0 ? order : strcmp(a->texts[merged], b->texts[merged]);
}

static int compare_for_sources(const void *left, const void *right)
{
	return compare_for(left, right, EGRESS);
}

static int compare_for_destinations(const void *left, const void *right)
{
	return compare_for(left, right, INGRESS);
}

static const char *list_text(const struct blocks *blocks, const struct block *block, enum direction end)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	for (size_t i = 0; i < block->counts[end]; i++)
		fprintf(stream, "%s%s", i > 0 ? "; " : "", candidate_at(blocks->candidates, block->ends[end][i])->key);
	if (fclose(stream) != 0)
		abort();
	const char *copy = arena_copy(blocks->arena, text, size);
	free(text);
	return copy;
}

static struct blocks merge(const struct blocks *blocks, enum direction end)
{
	struct blocks merged = {blocks->arena, blocks->candidates, NULL, 0};
	struct block *items = arena_alloc(blocks->arena, (blocks->count + 1) * sizeof *items);
	for (size_t i = 0; i < blocks->count; i++)
		items[i] = blocks->items[i];
	if (blocks->count > 1)
		qsort(items, blocks->count, sizeof *items,
		      end == EGRESS ? compare_for_sources : compare_for_destinations);
	for (size_t i = 0, next; i < blocks->count; i = next) {
		struct block *block = arena_push(merged.arena, merged.items, merged.count);
		*block = items[i];
		block->ends[end] = block->atoms = NULL;
		block->counts[end] = block->atom_count = 0;
		for (next = i; next < blocks->count && compare_blocks(&items[i], &items[next], end) == 0; next++) {
			for (size_t j = 0; j < items[next].counts[end]; j++)
				*arena_push(merged.arena, block->ends[end], block->counts[end]) =
				    items[next].ends[end][j];
			for (size_t j = 0; j < items[next].atom_count; j++)
				*arena_push(merged.arena, block->atoms, block->atom_count) = items[next].atoms[j];
		}
		block->texts[end] = list_text(&merged, block, end);
	}
	return merged;
}

static struct blocks merge_both(const struct blocks *blocks, enum direction first)
{
	const struct blocks half = merge(blocks, first);
	return merge(&half, first == EGRESS ? INGRESS : EGRESS);
}

/* ---- statements ---- */

/* The peers of an end; addresses become one. */
static struct peer *peers_of(const struct blocks *blocks, const struct block *block, enum direction end, size_t *count)
{
	struct peer *peers = NULL;
	struct network *addresses = NULL;
	*count = 0;
	for (size_t i = 0; i < block->counts[end]; i++) {
		const struct candidate *candidate = candidate_at(blocks->candidates, block->ends[end][i]);
		if (!candidate->is_address) {
			*arena_push(blocks->arena, peers, *count) = candidate->peer;
			continue;
		}
		if (addresses == NULL) {
			addresses = arena_alloc(blocks->arena, sizeof *addresses);
			*arena_push(blocks->arena, peers, *count) =
			    (struct peer){.kind = PEER_NETWORK, .network = addresses, .name = "addresses"};
		}
		*arena_push(blocks->arena, addresses->cidrs, addresses->cidr_count) = candidate->peer.network->cidrs[0];
	}
	return peers;
}

/* What a word of port_word means at a destination. */
static struct port_range port_of(const struct peer *to, const char *word)
{
	struct port_range range = {0};
	const struct service *service = to->kind == PEER_SERVICE ? to->service : NULL;
	if (port_range_parse(&range, word) == NULL)
		return range;
	for (size_t i = 0; service != NULL && i < service->port_count; i++)
		if (strcmp(service->ports[i].name, word) == 0)
			return service->ports[i].port;
	return range;
}

static const struct allow *allow_of(const struct blocks *blocks, const struct block *block)
{
	struct allow *allow = arena_alloc(blocks->arena, sizeof *allow);
	size_t count;
	allow->counts[EGRESS] = allow->counts[INGRESS] = true;
	allow->span = (struct span){.file = "the suggestion"};
	allow->flows.from = peers_of(blocks, block, EGRESS, &allow->flows.from_count);
	const struct peer *to = peers_of(blocks, block, INGRESS, &count);
	for (size_t i = 0; i < count; i++) {
		struct target *target = arena_push(blocks->arena, allow->flows.to, allow->flows.to_count);
		target->peer = to[i];
		for (size_t j = 0; j < block->port_count; j++)
			*arena_push(blocks->arena, target->ports, target->port_count) =
			    port_of(&to[i], block->port_words[j]);
	}
	return allow;
}

static int compare_pointers(const void *left, const void *right)
{
	uintptr_t a = (uintptr_t) * (const struct workload *const *)left;
	uintptr_t b = (uintptr_t) * (const struct workload *const *)right;
	return (a > b) - (a < b);
}

/* Workloads that an end means, each once, and how many ends beside them. */
struct meant {
	const struct workload **workloads;
	size_t workload_count, others;
};

static struct meant meant_by(struct arena *scratch, const struct blocks *blocks, const struct block *block,
			     enum direction end)
{
	struct meant meant = {0};
	size_t kept = 0;
	for (size_t i = 0; i < block->counts[end]; i++) {
		const struct candidate *candidate = candidate_at(blocks->candidates, block->ends[end][i]);
		meant.others += candidate->workload_count == 0;
		for (size_t j = 0; j < candidate->workload_count; j++)
			*arena_push(scratch, meant.workloads, meant.workload_count) = candidate->workloads[j];
	}
	if (meant.workload_count > 1)
		qsort(meant.workloads, meant.workload_count, sizeof *meant.workloads, compare_pointers);
	for (size_t i = 0; i < meant.workload_count; i++)
		if (kept == 0 || meant.workloads[kept - 1] != meant.workloads[i])
			meant.workloads[kept++] = meant.workloads[i];
	meant.workload_count = kept;
	return meant;
}

/* A workload with itself is no pair. */
static size_t count_opened(const struct blocks *blocks, const struct block *block)
{
	struct arena *scratch = arena_create();
	const struct meant from = meant_by(scratch, blocks, block, EGRESS),
			   to = meant_by(scratch, blocks, block, INGRESS);
	size_t same = 0;
	for (size_t i = 0, j = 0; i < from.workload_count && j < to.workload_count;) {
		int order = compare_pointers(&from.workloads[i], &to.workloads[j]);
		same += order == 0;
		i += order <= 0;
		j += order >= 0;
	}
	size_t opened = (from.workload_count + from.others) * (to.workload_count + to.others) - same;
	arena_free(scratch);
	return opened;
}

static int compare_for_reading(const void *left, const void *right)
{
	const struct block *a = left, *b = right;
	int order = strcmp(a->name_space, b->name_space);
	if (order == 0)
		order = strcmp(a->texts[INGRESS], b->texts[INGRESS]);
	if (order == 0)
		order = strcmp(a->texts[EGRESS], b->texts[EGRESS]);
	return order != 0 ? order : strcmp(a->ports, b->ports);
}

void statements_make(struct arena *arena, const struct candidates *candidates, struct atom *atoms, size_t atom_count,
		     struct suggestion *suggestion)
{
	struct blocks single = {arena, candidates, NULL, 0};
	add_blocks(&single, atoms, atom_count);
	struct blocks blocks = merge_both(&single, EGRESS);
	const struct blocks other = merge_both(&single, INGRESS);
	if (other.count < blocks.count)
		blocks = other;
	if (blocks.count > 1)
		qsort(blocks.items, blocks.count, sizeof *blocks.items, compare_for_reading);
	for (size_t i = 0; i < blocks.count; i++) {
		const struct block *block = &blocks.items[i];
		struct suggested_allow *allow = arena_push(arena, suggestion->allows, suggestion->allow_count);
		allow->name_space = block->name_space;
		allow->allow = allow_of(&blocks, block);
		allow->ports = block->port_words;
		allow->port_count = block->port_count;
		allow->pairs_opened = count_opened(&blocks, block);
		for (size_t j = 0; j < block->atom_count; j++)
			atoms[block->atoms[j]].statement = i;
	}
}
