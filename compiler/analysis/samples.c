/* One of each kind, so that a question about everything becomes a few questions.
 *
 * The address space is cut where a prefix of the policy begins or ends, the ports where a range does; no statement
 * tells two members of one piece apart. Workloads are in sample_workloads.c. */
#include "compiler/analysis/samples.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void policy_each_flows(const struct world *world, void (*call)(void *context, const struct flows *flows), void *context)
{
	const struct policy *policy = world->policy;
	for (size_t i = 0; i < policy->allow_count; i++)
		if (is_alive(world, policy->allows[i]->until))
			call(context, &policy->allows[i]->flows);
	for (size_t i = 0; i < policy->never_count; i++)
		call(context, &policy->nevers[i]->flows);
	for (size_t i = 0; i < policy->test_count; i++)
		call(context, &policy->tests[i]->flows);
}

/* ---- addresses ---- */

/* Where the address space is cut, and by which statement; NULL: by a network, or by nature. */
struct cut {
	struct address at;
	const struct flows *by;
};

struct cutting {
	struct arena *arena;
	struct cut *cuts;
	size_t cut_count;
	struct port_range *ranges;
	size_t range_count;
};

static void cut_at(struct cutting *cutting, struct address at, const struct flows *by)
{
	*arena_push(cutting->arena, cutting->cuts, cutting->cut_count) = (struct cut){at, by};
}

static void cut_prefixes(struct cutting *cutting, const struct prefix *prefixes, size_t count, const struct flows *by)
{
	for (size_t i = 0; i < count; i++) {
		struct address_range range = prefix_range(&prefixes[i]);
		cut_at(cutting, range.first, by);
		if (address_next(&range.last))
			cut_at(cutting, range.last, by);
	}
}

static void cut_network(struct cutting *cutting, const struct network *network, const struct flows *by)
{
	if (network == NULL)
		return;
	cut_prefixes(cutting, network->cidrs, network->cidr_count, by);
	cut_prefixes(cutting, network->except, network->except_count, by);
}

static void cut_flows(void *context, const struct flows *flows)
{
	struct cutting *cutting = context;
	for (size_t i = 0; i < flows->from_count; i++)
		cut_network(cutting, flows->from[i].network, flows);
	for (size_t i = 0; i < flows->to_count; i++) {
		cut_network(cutting, flows->to[i].peer.network, flows);
		for (size_t j = 0; j < flows->to[i].port_count; j++)
			*arena_push(cutting->arena, cutting->ranges, cutting->range_count) = flows->to[i].ports[j];
	}
}

static int compare_cuts(const void *left, const void *right)
{
	return address_compare(&((const struct cut *)left)->at, &((const struct cut *)right)->at);
}

static const struct prefix *pool_at(const struct inventory *inventory, const struct address *address)
{
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->pool_count; j++)
			if (prefix_contains(&inventory->nodes[i]->pools[j], address))
				return &inventory->nodes[i]->pools[j];
	return NULL;
}

/* Moves `*at` behind what is known there. Returns false when the address is outside and stays. */
static bool step_over_known(const struct inventory *inventory, struct address *at, bool *more)
{
	const struct prefix *pool = pool_at(inventory, at);
	if (pool != NULL)
		*at = prefix_range(pool).last;
	else if (inventory_at(inventory, at) == NULL && inventory_node_at(inventory, at) == NULL)
		return false;
	*more = address_next(at);
	return true;
}

/* An address of the piece from `first` to `last`: one that people know for an example when it lies there, else the
 * first behind the piece's first that nobody has. */
static struct address_sample sample_piece(const struct inventory *inventory, struct address first, struct address last)
{
	static const char *const examples[] = {"198.51.100.1", "203.0.113.1", "192.0.2.1", "2001:db8::1"};
	struct address at;
	bool more = true;
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		struct address behind;
		if (address_parse(&at, examples[i]) != NULL || address_compare(&first, &at) > 0 ||
		    address_compare(&at, &last) > 0)
			continue;
		behind = at;
		if (!step_over_known(inventory, &behind, &more))
			return (struct address_sample){at, true, true};
	}
	at = first;
	if (address_compare(&first, &last) != 0)
		address_next(&at); /* the first of a network is nobody's */
	for (more = true; more && address_compare(&at, &last) <= 0;)
		if (!step_over_known(inventory, &at, &more))
			return (struct address_sample){at, true, false};
	at = first;
	return (struct address_sample){first, !step_over_known(inventory, &at, &more), false};
}

static void sample_addresses(struct samples *samples, struct cutting *cutting, const struct inventory *inventory)
{
	struct arena *arena = cutting->arena;
	size_t kept = 0;
	for (uint8_t family = 4; family <= 6; family += 2)
		cut_at(cutting, (struct address){.family = family}, NULL);
	qsort(cutting->cuts, cutting->cut_count, sizeof *cutting->cuts, compare_cuts);
	samples->cuts = arena_alloc(arena, cutting->cut_count * sizeof *samples->cuts);
	samples->cut_by = arena_alloc(arena, cutting->cut_count * sizeof(const struct flows *));
	for (size_t i = 0; i < cutting->cut_count; i++) {
		const struct cut *cut = &cutting->cuts[i];
		bool again = kept > 0 && address_compare(&samples->cuts[kept - 1], &cut->at) == 0;
		kept += !again;
		samples->cuts[kept - 1] = cut->at;
		samples->cut_by[kept - 1] = again && samples->cut_by[kept - 1] != cut->by ? NULL : cut->by;
	}
	samples->address_count = kept;
	samples->addresses = arena_alloc(arena, kept * sizeof *samples->addresses);
	for (size_t i = 0; i < kept; i++) {
		struct prefix all = {{.family = samples->cuts[i].family}, 0};
		struct address last = prefix_range(&all).last;
		if (i + 1 < kept && samples->cuts[i + 1].family == samples->cuts[i].family) {
			last = samples->cuts[i + 1];
			address_previous(&last);
		}
		samples->addresses[i] = sample_piece(inventory, samples->cuts[i], last);
	}
}

/* Of each piece that holds some, so that no statement tells others from them. */
static void sample_loopbacks(struct samples *samples, struct arena *arena)
{
	static const char *const first[] = {"127.0.0.1", "::1"};
	struct address address;
	for (size_t i = 0; i < LOOPBACKS_FIRST; i++)
		if (address_parse(&address, first[i]) == NULL)
			*arena_push(arena, samples->loopbacks, samples->loopback_count) = address;
	for (size_t i = 0; i < samples->address_count; i++)
		if (address_is_loopback(&samples->cuts[i]))
			*arena_push(arena, samples->loopbacks, samples->loopback_count) = samples->cuts[i];
}

size_t samples_piece(const struct samples *samples, const struct address *address)
{
	size_t low = 0, high = samples->address_count;
	while (low + 1 < high) {
		size_t middle = low + (high - low) / 2;
		if (address_compare(&samples->cuts[middle], address) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* ---- ports ---- */

static int compare_numbers(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	return (a > b) - (a < b);
}

static void cut_protocol(struct arena *arena, struct port_list *pieces, uint16_t protocol,
			 const struct port_range *ranges, size_t count)
{
	uint32_t *cuts = NULL;
	size_t cut_count = 0;
	*arena_push(arena, cuts, cut_count) = 1;
	for (size_t i = 0; i < count; i++) {
		if (ranges[i].protocol != protocol)
			continue;
		*arena_push(arena, cuts, cut_count) = ranges[i].first > 0 ? ranges[i].first : 1U;
		*arena_push(arena, cuts, cut_count) = ranges[i].last + 1U;
	}
	qsort(cuts, cut_count, sizeof *cuts, compare_numbers);
	for (size_t i = 0; i < cut_count && cuts[i] <= 65535; i++) {
		uint32_t next = i + 1 < cut_count ? cuts[i + 1] : 65536;
		if (cuts[i] < next)
			*arena_push(arena, pieces->items, pieces->count) =
			    (struct port_range){protocol, (uint16_t)cuts[i], (uint16_t)(next - 1)};
	}
}

struct port_list ports_cut(struct arena *arena, const struct port_range *ranges, size_t count)
{
	static const uint16_t protocols[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP};
	static const struct port_range messages[] = {{PROTOCOL_ICMP, 0, 65535}, {PROTOCOL_ICMPV6, 0, 65535}};
	struct port_list pieces = {0};
	for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
		cut_protocol(arena, &pieces, protocols[i], ranges, count);
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		uint16_t requests[8];
		size_t request_count = icmp_requests(&messages[i], requests);
		for (size_t j = 0; j < request_count; j++)
			*arena_push(arena, pieces.items, pieces.count) =
			    (struct port_range){messages[i].protocol, requests[j], requests[j]};
	}
	return pieces;
}

uint16_t port_sample(const struct port_range *range)
{
	uint16_t requests[8];
	if (icmp_requests(range, requests) > 0)
		return requests[0];
	if (range->first <= 1 && range->last == 65535)
		return 443;
	return range->first == 0 ? 1 : range->first;
}

/* Whether `other` may meet `end`, where that is a host workload at a loopback address: it is of the same node. */
static bool loopback_fits(const struct endpoint *end, const struct endpoint *other)
{
	if (end->workload == NULL || !end->has_address || !workload_is_host(end->workload) ||
	    !address_is_loopback(&end->address))
		return true;
	if (other->workload != NULL)
		return workload_is_host(other->workload) && workloads_share_node(end->workload, other->workload);
	return !other->has_address || address_is_loopback(&other->address);
}

bool ends_fit(const struct endpoint *from, const struct endpoint *to, uint16_t protocol)
{
	uint8_t a = from->address.family, b = to->address.family;
	if ((a != 0 && b != 0 && a != b) || !loopback_fits(from, to) || !loopback_fits(to, from))
		return false;
	uint8_t family = a != 0 ? a : b;
	return family == 0 || (protocol != PROTOCOL_ICMP && protocol != PROTOCOL_ICMPV6) ||
	       (protocol == PROTOCOL_ICMP) == (family == 4);
}

/* ---- all of it ---- */

void samples_init(struct samples *samples, struct arena *arena, const struct world *world)
{
	struct cutting cutting = {.arena = arena};
	*samples = (struct samples){0};
	for (size_t i = 0; i < world->policy->network_count; i++)
		cut_network(&cutting, world->policy->networks[i], NULL);
	policy_each_flows(world, cut_flows, &cutting);
	for (size_t i = 0; i < world->inventory->workload_count; i++)
		for (size_t j = 0; j < world->inventory->workloads[i]->port_count; j++)
			*arena_push(arena, cutting.ranges, cutting.range_count) =
			    world->inventory->workloads[i]->ports[j].port;
	sample_addresses(samples, &cutting, world->inventory);
	samples->ports = ports_cut(arena, cutting.ranges, cutting.range_count);
	sample_loopbacks(samples, arena);
	samples_find_workloads(samples, arena, world);
}
