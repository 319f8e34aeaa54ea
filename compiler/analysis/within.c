/* Containment of selectors, peers and ports. Each rule here must be right for every workload, namespace and address
 * that could exist: verdict.c says what matches what. */
#include "compiler/analysis/within.h"
#include "compiler/analysis/meet.h"

#include <string.h>

/* ---- selectors ---- */

/* Whether whoever `inner` matches passes `item`. */
static bool implies(const struct selector *inner, const struct requirement *item)
{
	struct key_demand demand = key_demand_of(&inner, 1, item->key);
	switch (item->kind) {
	case REQUIRE_EXISTS:
		return demand.needed;
	case REQUIRE_ABSENT:
		return demand.refused;
	case REQUIRE_IN:
		for (size_t i = 0; demand.in != NULL && i < demand.in->value_count; i++)
			if (value_passes(&inner, 1, item->key, demand.in->values[i]) &&
			    !requirement_lists(item, demand.in->values[i]))
				return false;
		return demand.in != NULL;
	case REQUIRE_NOT_IN:
		for (size_t i = 0; !demand.refused && i < item->value_count; i++)
			if (value_passes(&inner, 1, item->key, item->values[i]))
				return false;
		return true;
	}
	return false;
}

bool selector_within(const struct selector *inner, const struct selector *outer)
{
	for (size_t i = 0; i < outer->count; i++)
		if (!implies(inner, &outer->items[i]))
			return false;
	return true;
}

/* ---- peers ---- */

static bool lists_name(const struct peer *peer, const char *name)
{
	for (size_t i = 0; i < peer->namespace_count; i++)
		if (strcmp(peer->namespaces[i], name) == 0)
			return true;
	return false;
}

/* Whether every namespace of `inner` (a service or labels) is one of `outer`'s (labels). */
static bool scope_within(const struct peer *inner, const struct peer *outer)
{
	static const struct selector everything = {0};
	bool listed = inner->kind == PEER_SERVICE || inner->scope == NAMESPACES_LISTED;
	if (outer->scope == NAMESPACES_ANY)
		return true;
	if (outer->scope == NAMESPACES_LABELS)
		return listed ? outer->namespace_labels.count == 0
			      : selector_within(inner->scope == NAMESPACES_ANY ? &everything : &inner->namespace_labels,
						&outer->namespace_labels);
	if (inner->kind == PEER_SERVICE)
		return lists_name(outer, inner->service->name_space);
	for (size_t i = 0; listed && i < inner->namespace_count; i++)
		if (!lists_name(outer, inner->namespaces[i]))
			return false;
	return listed;
}

/* Whether every workload of `inner` is one of `outer`'s; both are services or labels. */
static bool workloads_within(const struct peer *inner, const struct peer *outer)
{
	if (outer->kind == PEER_LABELS)
		return scope_within(inner, outer) && selector_within(peer_selector(inner), &outer->labels);
	if (inner->kind == PEER_SERVICE && inner->service == outer->service)
		return true;
	const char *own = outer->service->name_space;
	bool in_scope = inner->kind == PEER_SERVICE ? strcmp(inner->service->name_space, own) == 0
						    : inner->scope == NAMESPACES_LISTED;
	for (size_t i = 0; inner->kind == PEER_LABELS && i < inner->namespace_count; i++)
		in_scope = in_scope && strcmp(inner->namespaces[i], own) == 0;
	return in_scope && selector_within(peer_selector(inner), &outer->service->workloads);
}

static bool prefix_within(const struct prefix *inner, const struct prefix *outer)
{
	return inner->length >= outer->length && prefix_contains(outer, &inner->address);
}

static bool any_holds(const struct prefix *prefixes, size_t count, const struct prefix *prefix)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_within(prefix, &prefixes[i]))
			return true;
	return false;
}

/* A prefix of `inner` lies in one of `outer`, and what `outer` excepts of it `inner` excepts too. */
static bool network_within(const struct network *inner, const struct network *outer)
{
	for (size_t i = 0; i < inner->cidr_count; i++) {
		if (!any_holds(outer->cidrs, outer->cidr_count, &inner->cidrs[i]))
			return false;
		for (size_t j = 0; j < outer->except_count; j++) {
			const struct prefix *except = &outer->except[j];
			bool apart =
			    !prefix_within(except, &inner->cidrs[i]) && !prefix_within(&inner->cidrs[i], except);
			if (!apart && !any_holds(inner->except, inner->except_count, except) &&
			    !any_holds(inner->except, inner->except_count, &inner->cidrs[i]))
				return false;
		}
	}
	return true;
}

bool peer_within(const struct peer *inner, const struct peer *outer)
{
	bool workloads = inner->kind == PEER_SERVICE || inner->kind == PEER_LABELS;
	switch (outer->kind) {
	case PEER_ANY:
		return true;
	case PEER_CLUSTER:
		return workloads || inner->kind == PEER_CLUSTER;
	case PEER_SERVICE:
	case PEER_LABELS:
		return workloads && workloads_within(inner, outer);
	case PEER_NETWORK:
		return inner->kind == PEER_NETWORK && network_within(inner->network, outer->network);
	case PEER_WORLD:
	case PEER_NODE:
		return inner->kind == outer->kind;
	}
	return false;
}

/* ---- ports ---- */

bool ports_within(const struct port_range *range, const struct port_range *ranges, size_t count)
{
	uint32_t next = range->first; /* the first port that is not found yet */
	for (bool found = true; found && next <= range->last;) {
		found = false;
		for (size_t i = 0; i < count; i++) {
			if (ranges[i].protocol == PROTOCOL_ANY)
				return true;
			if (ranges[i].protocol != range->protocol || ranges[i].first > next || ranges[i].last < next)
				continue;
			next = ranges[i].last + 1U;
			found = true;
		}
	}
	return next > range->last;
}
