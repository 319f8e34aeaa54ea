/* Who reaches whom directly. A pair of ends is asked of verdict_of, against the statements that may speak of it; the
 * others say nothing of it. It is open where some workload, address and port of the two is: a breach needs one.
 *
 * Pairs of which no allow speaks are open where both ends pass without one, and are not asked one by one. */
#include "compiler/analysis/hops.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* A pair of ends, and the part of the policy that may speak of it. */
struct pair {
	const struct hops *hops;
	struct endpoints from, to;
	struct policy policy;
	struct world world;
};

static size_t allow_words(const struct hops *hops)
{
	return hops->world->policy->allow_count / 64 + 1;
}

/* ---- a pair ---- */

static void add(const struct hops *hops, struct endpoints *endpoints, const struct address *address)
{
	*arena_push(hops->arena, endpoints->items, endpoints->count) =
	    (struct endpoint){.has_address = true, .address = *address};
}

/* Of the other nodes one address of each piece: they are told apart by nothing else. */
static void add_other_node(const struct hops *hops, struct endpoints *endpoints, const struct address *address)
{
	size_t piece = samples_piece(&hops->samples, address);
	for (size_t i = 0; i < endpoints->count; i++)
		if (samples_piece(&hops->samples, &endpoints->items[i].address) == piece)
			return;
	add(hops, endpoints, address);
}

static struct endpoints node_endpoints(const struct hops *hops, const struct workload *of, bool own)
{
	const struct inventory *inventory = hops->world->inventory;
	const struct node *node = of->node != NULL ? inventory_node(inventory, of->node) : NULL;
	struct endpoints endpoints = {0};
	for (size_t i = 0; own && node != NULL && i < node->address_count; i++)
		add(hops, &endpoints, &node->addresses[i]);
	for (size_t i = 0; !own && i < inventory->node_count; i++)
		for (size_t j = 0; inventory->nodes[i] != node && j < inventory->nodes[i]->address_count; j++)
			add_other_node(hops, &endpoints, &inventory->nodes[i]->addresses[j]);
	for (size_t i = 0; own && workload_is_host(of) && i < hops->samples.loopback_count; i++)
		add(hops, &endpoints, &hops->samples.loopbacks[i]);
	if (own && endpoints.count == 0)
		*arena_push(hops->arena, endpoints.items, endpoints.count) = (struct endpoint){.stands_for = PEER_NODE};
	return endpoints;
}

/* Another workload of the kind of `end` than `than`, which is of it. */
static struct endpoints twin_endpoints(const struct hops *hops, const struct hop_end *end, const struct workload *than)
{
	struct endpoints endpoints = {0};
	const struct workload *twin = NULL;
	for (size_t i = 0; i < end->member_count && twin == NULL; i++)
		twin = end->members[i] != than ? end->members[i] : NULL;
	if (twin != NULL)
		samples_add_workload(&hops->samples, hops->arena, hops->world, &endpoints, twin);
	return endpoints;
}

static struct endpoints destinations(const struct hops *hops, const struct hop_end *from, const struct hop_end *to)
{
	switch (to->kind) {
	case HOP_WORKLOADS:
		return to->workload == from->workload ? twin_endpoints(hops, to, from->workload) : to->at;
	case HOP_OUTSIDE:
		return from->workload != NULL ? to->at : (struct endpoints){0};
	case HOP_OWN_NODE:
	case HOP_OTHER_NODE:
		break;
	}
	return from->workload != NULL ? node_endpoints(hops, from->workload, to->kind == HOP_OWN_NODE)
				      : (struct endpoints){0};
}

/* The isolations that select either end; of an end that is no workload there are none. */
static void pair_isolations(struct pair *pair, const struct hop_end *from, const struct hop_end *to)
{
	struct isolation **room = pair->hops->isolations;
	size_t count = 0;
	for (size_t i = 0; i < from->isolation_count; i++)
		room[count++] = from->isolations[i];
	for (size_t i = 0; i < to->isolation_count; i++)
		room[count++] = to->isolations[i];
	pair->policy.isolations = room;
	pair->policy.isolation_count = count;
}

static void pair_allows(struct pair *pair, const struct hop_end *from, const struct hop_end *to)
{
	const struct hops *hops = pair->hops;
	pair->policy.allows = hops->allows;
	pair->policy.allow_count = 0;
	for (size_t i = 0; i < allow_words(hops); i++)
		for (uint64_t both = from->speaks[EGRESS][i] & to->speaks[INGRESS][i]; both != 0; both &= both - 1)
			pair->policy.allows[pair->policy.allow_count++] =
			    hops->world->policy->allows[i * 64 + (size_t)__builtin_ctzll(both)];
}

static void pair_init(struct pair *pair, const struct hops *hops, const struct hop_end *from, const struct hop_end *to)
{
	*pair = (struct pair){.hops = hops, .from = from->at, .policy = *hops->world->policy};
	pair->to = destinations(hops, from, to);
	pair_isolations(pair, from, to);
	pair_allows(pair, from, to);
	pair->world = (struct world){&pair->policy, hops->world->inventory, hops->world->at};
}

/* Whether some workload or address of the one end reaches one of the other; the verdict of the first that does. */
static bool is_open(const struct pair *pair, uint16_t protocol, uint16_t port, struct verdict *verdict)
{
	for (size_t i = 0; i < pair->from.count; i++)
		for (size_t j = 0; j < pair->to.count; j++) {
			const struct flow flow = {pair->from.items[i], pair->to.items[j], protocol, port};
			if (!ends_fit(&flow.from, &flow.to, protocol))
				continue;
			*verdict = verdict_of(&pair->world, &flow);
			if (verdict->allowed)
				return true;
		}
	return false;
}

/* Where ranges of ports overlap, one of them begins: it is enough to ask where each does. */
static bool is_open_in(const struct pair *pair, const struct port_range *range)
{
	struct verdict verdict;
	uint16_t requests[8];
	size_t count = icmp_requests(range, requests);
	if (range->protocol == PROTOCOL_ANY)
		return is_open(pair, PROTOCOL_TCP, 1, &verdict);
	for (size_t i = 0; i < count; i++)
		if (is_open(pair, range->protocol, requests[i], &verdict))
			return true;
	return count == 0 && is_open(pair, range->protocol, range->first > 0 ? range->first : 1, &verdict);
}

static bool pair_is_open(const struct pair *pair)
{
	static const struct port_range any = {PROTOCOL_ANY, 0, 65535};
	const struct workload *workload = pair->to.count > 0 ? pair->to.items[0].workload : NULL;
	for (size_t i = 0; i < pair->policy.allow_count; i++) {
		const struct flows *flows = &pair->policy.allows[i]->flows;
		for (size_t j = 0; j < flows->to_count; j++)
			for (size_t k = 0; k < flows->to[j].port_count; k++)
				if (is_open_in(pair, &flows->to[j].ports[k]))
					return true;
	}
	for (size_t i = 0; workload != NULL && i < workload->port_count; i++)
		if (is_open_in(pair, &workload->ports[i].port))
			return true;
	return is_open_in(pair, &any);
}

/* ---- a row ---- */

static void add_row(uint64_t *row, const uint64_t *more, size_t words)
{
	for (size_t i = 0; i < words; i++)
		row[i] |= more[i];
}

/* Whether the one is the node of the other, as a host workload to its neighbours is. */
static bool are_neighbours(const struct hop_end *from, const struct hop_end *to)
{
	return from->workload != NULL && to->workload != NULL && workloads_share_node(from->workload, to->workload) &&
	       (workload_is_host(from->workload) || workload_is_host(to->workload));
}

/* The ends to ask about. A pod and its node may reach each other without any statement. */
static void find_candidates(const struct hops *hops, const struct hop_end *from, uint64_t *row)
{
	for (size_t i = 0; i < allow_words(hops); i++)
		for (uint64_t bits = from->speaks[EGRESS][i]; bits != 0; bits &= bits - 1)
			add_row(row, hops->targets[i * 64 + (size_t)__builtin_ctzll(bits)], hops->words);
	for (size_t i = hops->workload_ends; i < hops->end_count; i++)
		if (hops->ends[i].kind == HOP_OWN_NODE || hops->ends[i].kind == HOP_OTHER_NODE)
			hops_set(row, i);
	for (size_t i = 0; i < hops->workload_ends; i++)
		if (are_neighbours(from, &hops->ends[i]))
			hops_set(row, i);
}

/* The ends that are open to `from` since both pass without an allow. */
static void find_unasked(const struct hops *hops, const struct hop_end *from, uint64_t *row)
{
	for (unsigned family = 0; family < 2; family++)
		if (from->open[EGRESS] && (from->families >> family & 1) != 0)
			add_row(row, hops->open_in[family], hops->words);
	for (size_t i = 0; i < hops->end_count; i++) {
		const struct hop_end *to = &hops->ends[i];
		bool self = to->workload != NULL && to->workload == from->workload && to->member_count < 2;
		if (self || (from->workload == NULL && to->workload == NULL))
			row[i / 64] &= ~(UINT64_C(1) << i % 64);
	}
}

static uint64_t *make_row(struct hops *hops, const struct hop_end *from)
{
	uint64_t *row = arena_alloc(hops->arena, hops->words * sizeof *row);
	uint64_t *candidates = arena_alloc(hops->arena, hops->words * sizeof *row);
	find_unasked(hops, from, row);
	find_candidates(hops, from, candidates);
	for (size_t i = 0; i < hops->words; i++)
		for (uint64_t bits = candidates[i] & ~row[i]; bits != 0; bits &= bits - 1) {
			size_t number = i * 64 + (size_t)__builtin_ctzll(bits);
			struct pair pair;
			pair_init(&pair, hops, from, &hops->ends[number]);
			if (pair_is_open(&pair))
				hops_set(row, number);
		}
	return row;
}

const uint64_t *hops_row(struct hops *hops, const struct hop_end *from)
{
	size_t number = (size_t)(from - hops->ends);
	bool is_ours = from >= hops->ends && number < hops->end_count;
	if (!is_ours)
		return make_row(hops, from);
	if (hops->rows[number] == NULL)
		hops->rows[number] = make_row(hops, from);
	return hops->rows[number];
}

void hops_init(struct hops *hops, struct arena *arena, const struct world *world, bool possible)
{
	*hops = (struct hops){.arena = arena, .world = world};
	samples_init(&hops->samples, arena, world);
	hops_find_ends(hops, possible);
	hops->words = hops->end_count / 64 + 1;
	hops->rows = arena_alloc(arena, (hops->end_count + 1) * sizeof *hops->rows);
	hops->allows = arena_alloc(arena, (world->policy->allow_count + 1) * sizeof(struct allow *));
	hops->isolations = arena_alloc(arena, (2 * world->policy->isolation_count + 1) * sizeof(struct isolation *));
	hops->targets = arena_alloc(arena, (world->policy->allow_count + 1) * sizeof *hops->targets);
	for (size_t i = 0; i < world->policy->allow_count; i++)
		hops->targets[i] = arena_alloc(arena, hops->words * sizeof(uint64_t));
	for (size_t i = 0; i < 2; i++)
		hops->open_in[i] = arena_alloc(arena, hops->words * sizeof(uint64_t));
	for (size_t i = 0; i < hops->end_count; i++) {
		const struct hop_end *end = &hops->ends[i];
		for (size_t j = 0; j < allow_words(hops); j++)
			for (uint64_t bits = end->speaks[INGRESS][j]; bits != 0; bits &= bits - 1)
				hops_set(hops->targets[j * 64 + (size_t)__builtin_ctzll(bits)], i);
		for (unsigned family = 0; family < 2; family++)
			if (end->open[INGRESS] && (end->families >> family & 1) != 0)
				hops_set(hops->open_in[family], i);
	}
}

/* ---- what a hop goes through ---- */

static void add_ports(const struct pair *pair, struct port_list *named)
{
	const struct workload *workload = pair->to.count > 0 ? pair->to.items[0].workload : NULL;
	struct arena *arena = pair->hops->arena;
	for (size_t i = 0; i < pair->policy.allow_count; i++) {
		const struct flows *flows = &pair->policy.allows[i]->flows;
		for (size_t j = 0; j < flows->to_count; j++)
			for (size_t k = 0; k < flows->to[j].port_count; k++)
				*arena_push(arena, named->items, named->count) = flows->to[j].ports[k];
	}
	for (size_t i = 0; workload != NULL && i < workload->port_count; i++)
		*arena_push(arena, named->items, named->count) = workload->ports[i].port;
}

static void add_statement(struct arena *arena, struct hop *hop, const struct allow *allow)
{
	for (size_t i = 0; allow != NULL && i < hop->statement_count; i++)
		if (compare_spans(&hop->statements[i], &allow->span) == 0)
			return;
	if (allow != NULL)
		*arena_push(arena, hop->statements, hop->statement_count) = allow->span;
}

static int order_spans(const void *left, const void *right)
{
	return compare_spans(left, right);
}

static bool can_be_asked(const struct pair *pair, uint16_t protocol)
{
	for (size_t i = 0; i < pair->from.count; i++)
		for (size_t j = 0; j < pair->to.count; j++)
			if (ends_fit(&pair->from.items[i], &pair->to.items[j], protocol))
				return true;
	return false;
}

/* Adds the open pieces of one protocol, merged. Returns whether it is open as a whole, or cannot be asked about. */
static bool describe_protocol(const struct pair *pair, const struct port_range *pieces, size_t count, struct hop *hop)
{
	struct arena *arena = pair->hops->arena;
	size_t before = hop->port_count, open = 0;
	for (size_t i = 0; i < count; i++) {
		struct verdict verdict;
		struct port_range *last = hop->port_count > before ? &hop->ports[hop->port_count - 1] : NULL;
		if (!is_open(pair, pieces[i].protocol, port_sample(&pieces[i]), &verdict))
			continue;
		add_statement(arena, hop, verdict.egress.allow);
		add_statement(arena, hop, verdict.ingress.allow);
		open++;
		if (last != NULL && last->last + 1U == pieces[i].first)
			last->last = pieces[i].last;
		else
			*arena_push(arena, hop->ports, hop->port_count) = pieces[i];
	}
	if (open == count) {
		hop->port_count = before;
		*arena_push(arena, hop->ports, hop->port_count) = (struct port_range){pieces[0].protocol, 0, 65535};
	}
	return open == count || !can_be_asked(pair, pieces[0].protocol);
}

void hops_describe(const struct hops *hops, const struct hop_end *from, const struct hop_end *to, struct hop *hop)
{
	struct pair pair;
	struct port_list named = {0};
	bool all = true;
	pair_init(&pair, hops, from, to);
	add_ports(&pair, &named);
	const struct port_list pieces = ports_cut(hops->arena, named.items, named.count);
	*hop = (struct hop){.from = from->name, .to = to->name};
	for (size_t i = 0, next; i < pieces.count; i = next) {
		for (next = i; next < pieces.count && pieces.items[next].protocol == pieces.items[i].protocol;)
			next++;
		all = describe_protocol(&pair, &pieces.items[i], next - i, hop) && all;
	}
	if (all) {
		hop->port_count = 0;
		*arena_push(hops->arena, hop->ports, hop->port_count) = (struct port_range){PROTOCOL_ANY, 0, 65535};
	}
	if (hop->statement_count > 1)
		qsort(hop->statements, hop->statement_count, sizeof *hop->statements, order_spans);
}
