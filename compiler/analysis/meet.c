/* Two statements meet where some end, existing or not, is spoken of by both.
 *
 * Labels are solved key by key: the lists of IN intersect, NOT_IN takes values away, and a workload without the key
 * passes NOT_IN. Namespaces of the inventory have the labels it gives them; others have their name and could have any.
 */
#include "compiler/analysis/meet.h"

#include <ringfence/arena.h>

#include <string.h>

#define NAME_LABEL "kubernetes.io/metadata.name"

/* ---- label selectors ---- */

bool requirement_lists(const struct requirement *requirement, const char *value)
{
	for (size_t i = 0; i < requirement->value_count; i++)
		if (strcmp(requirement->values[i], value) == 0)
			return true;
	return false;
}

struct key_demand key_demand_of(const struct selector *const *selectors, size_t count, const char *key)
{
	struct key_demand demand = {0};
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < selectors[i]->count; j++) {
			const struct requirement *item = &selectors[i]->items[j];
			if (strcmp(item->key, key) != 0)
				continue;
			demand.needed = demand.needed || item->kind == REQUIRE_IN || item->kind == REQUIRE_EXISTS;
			demand.refused = demand.refused || item->kind == REQUIRE_ABSENT;
			if (item->kind == REQUIRE_IN)
				demand.in = item;
		}
	}
	return demand;
}

bool value_passes(const struct selector *const *selectors, size_t count, const char *key, const char *value)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < selectors[i]->count; j++) {
			const struct requirement *item = &selectors[i]->items[j];
			if (strcmp(item->key, key) != 0)
				continue;
			if ((item->kind == REQUIRE_IN && !requirement_lists(item, value)) ||
			    (item->kind == REQUIRE_NOT_IN && requirement_lists(item, value)))
				return false;
		}
	}
	return true;
}

/* A value that no list names. */
static const char *fresh_value(struct arena *arena, const struct selector *const *selectors, size_t count,
			       const char *key)
{
	const char *value = "some";
	for (unsigned i = 1; !value_passes(selectors, count, key, value); i++)
		value = arena_printf(arena, "some-%u", i);
	return value;
}

/* Whether the demands on `key` can be met. The value goes to `*value`, NULL when the key may be left out. */
static bool key_meets(struct arena *arena, const struct selector *const *selectors, size_t count, const char *key,
		      const char **value)
{
	struct key_demand demand = key_demand_of(selectors, count, key);
	*value = NULL;
	if (!demand.needed || demand.refused)
		return !demand.needed;
	if (demand.in == NULL) {
		*value = fresh_value(arena, selectors, count, key);
		return true;
	}
	for (size_t i = 0; i < demand.in->value_count && *value == NULL; i++)
		if (value_passes(selectors, count, key, demand.in->values[i]))
			*value = demand.in->values[i];
	return *value != NULL;
}

static bool seen_before(const struct selector *const *selectors, size_t selector, size_t item)
{
	const char *key = selectors[selector]->items[item].key;
	for (size_t i = 0; i <= selector; i++)
		for (size_t j = 0; j < (i == selector ? item : selectors[i]->count); j++)
			if (strcmp(selectors[i]->items[j].key, key) == 0)
				return true;
	return false;
}

bool selectors_meet(struct arena *arena, const struct selector *const *selectors, size_t count, struct labels *example)
{
	if (example != NULL)
		*example = (struct labels){0};
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < selectors[i]->count; j++) {
			const char *key = selectors[i]->items[j].key, *value;
			if (seen_before(selectors, i, j))
				continue;
			if (!key_meets(arena, selectors, count, key, &value))
				return false;
			if (example != NULL && value != NULL)
				*arena_push(arena, example->items, example->count) = (struct label){key, value};
		}
	}
	return true;
}

/* ---- namespaces ---- */

/* Where a peer looks for workloads. */
struct scope {
	enum namespace_scope kind;
	const char *const *names; /* NAMESPACES_LISTED */
	size_t name_count;
	const struct selector *labels; /* NAMESPACES_LABELS */
};

static struct scope scope_of(const struct peer *peer)
{
	if (peer->kind == PEER_SERVICE)
		return (struct scope){NAMESPACES_LISTED, &peer->service->name_space, 1, NULL};
	if (peer->kind == PEER_LABELS)
		return (struct scope){peer->scope, peer->namespaces, peer->namespace_count, &peer->namespace_labels};
	return (struct scope){.kind = NAMESPACES_ANY};
}

static bool listed_in(const struct scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->name_count; i++)
		if (strcmp(scope->names[i], name) == 0)
			return true;
	return false;
}

bool scopes_meet(const struct meeting_place *place, const struct peer *a, const struct peer *b, const char *name,
		 struct labels *namespace_labels)
{
	const struct scope scopes[] = {scope_of(a), scope_of(b)};
	struct requirement called = {REQUIRE_IN, NAME_LABEL, (const char *[]){name}, 1};
	const struct selector own = {&called, 1};
	const struct selector *selectors[3] = {&own};
	size_t count = 1;
	for (size_t i = 0; i < 2; i++) {
		if (scopes[i].kind == NAMESPACES_LISTED && !listed_in(&scopes[i], name))
			return false;
		if (scopes[i].kind == NAMESPACES_LABELS)
			selectors[count++] = scopes[i].labels;
	}
	const struct name_space *known = inventory_namespace(place->world->inventory, name);
	if (namespace_labels != NULL)
		*namespace_labels = (struct labels){0};
	if (known == NULL) {
		bool meet = selectors_meet(place->arena, selectors, count, namespace_labels);
		if (meet && namespace_labels != NULL) { /* without the name, which is the first */
			namespace_labels->items++;
			namespace_labels->count--;
		}
		return meet;
	}
	for (size_t i = 1; i < count; i++)
		if (!selector_matches(selectors[i], &known->labels))
			return false;
	return true;
}

const char *scopes_candidate(const struct meeting_place *place, const struct peer *a, const struct peer *b,
			     size_t number)
{
	const struct inventory *inventory = place->world->inventory;
	const struct scope scopes[] = {scope_of(a), scope_of(b)};
	for (size_t i = 0; i < 2; i++)
		if (scopes[i].kind == NAMESPACES_LISTED)
			return number < scopes[i].name_count ? scopes[i].names[number] : NULL;
	if (number < inventory->namespace_count)
		return inventory->namespaces[number]->name;
	number -= inventory->namespace_count;
	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; scopes[i].kind == NAMESPACES_LABELS && j < scopes[i].labels->count; j++) {
			const struct requirement *item = &scopes[i].labels->items[j];
			if (item->kind != REQUIRE_IN || strcmp(item->key, NAME_LABEL) != 0)
				continue;
			if (number < item->value_count)
				return item->values[number];
			number -= item->value_count;
		}
	}
	return number == 0 ? place->elsewhere : NULL;
}

/* ---- peers ---- */

static bool is_everywhere(const struct network *network)
{
	for (size_t i = 0; i < network->cidr_count; i++)
		if (network->cidrs[i].length == 0)
			return true;
	return false;
}

/* Whether a network can hold workloads: it is everything, or shares addresses with those that nodes give to workloads.
 * Of any other it is for the inventory to show that one is in it. */
static bool holds_workloads(const struct meeting_place *place, const struct network *network)
{
	const struct inventory *inventory = place->world->inventory;
	if (is_everywhere(network))
		return true;
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->pool_count; j++) {
			const struct prefix *pool = &inventory->nodes[i]->pools[j];
			for (size_t k = 0; k < network->cidr_count; k++)
				if (prefix_contains(pool, &network->cidrs[k].address) ||
				    (prefix_contains(&network->cidrs[k], &pool->address) &&
				     network_contains(network, &pool->address)))
					return true;
		}
	return false;
}

static bool speaks_of(const struct meeting_place *place, const struct peer *peer, enum part part)
{
	switch (peer->kind) {
	case PEER_SERVICE:
	case PEER_LABELS:
	case PEER_CLUSTER:
		return part == PART_WORKLOAD;
	case PEER_NETWORK:
		return part == PART_ADDRESS4 || part == PART_ADDRESS6 ||
		       (part == PART_WORKLOAD && holds_workloads(place, peer->network));
	case PEER_WORLD:
		return part == PART_ADDRESS4 || part == PART_ADDRESS6;
	case PEER_NODE:
		return part == PART_NODE;
	case PEER_ANY:
		return true;
	}
	return false;
}

const struct selector *peer_selector(const struct peer *peer)
{
	static const struct selector everything = {0};
	if (peer->kind == PEER_SERVICE)
		return &peer->service->workloads;
	return peer->kind == PEER_LABELS ? &peer->labels : &everything;
}

static bool workloads_meet(const struct meeting_place *place, const struct peer *a, const struct peer *b,
			   struct meeting *example)
{
	const struct selector *selectors[] = {peer_selector(a), peer_selector(b)};
	const char *name = scopes_candidate(place, a, b, 0);
	for (size_t i = 0; name != NULL && !scopes_meet(place, a, b, name, NULL);)
		name = scopes_candidate(place, a, b, ++i);
	if (name == NULL || !selectors_meet(place->arena, selectors, 2, NULL))
		return false;
	example->name_space = name;
	const struct network *network = a->kind == PEER_NETWORK	  ? a->network
					: b->kind == PEER_NETWORK ? b->network
								  : NULL;
	for (size_t i = 0; network != NULL && i < place->samples->address_count; i++) {
		const struct address *address = &place->samples->addresses[i].address;
		bool better = !example->has_address || inventory_in_pool(place->world->inventory, address);
		if (!network_contains(network, address) || !better)
			continue;
		example->address = *address;
		example->has_address = true;
	}
	return scopes_meet(place, a, b, name, &example->namespace_labels) &&
	       selectors_meet(place->arena, selectors, 2, &example->labels);
}

/* An address for workloads that none has is closed, so it is no part of the world that could send or receive. */
static bool holds(const struct peer *peer, const struct address_sample *sample)
{
	if (peer->kind == PEER_NETWORK)
		return network_contains(peer->network, &sample->address);
	return peer->kind != PEER_WORLD || sample->outside;
}

static bool addresses_meet(const struct meeting_place *place, const struct peer *a, const struct peer *b,
			   uint8_t family, struct meeting *example)
{
	const struct address_sample *found = NULL;
	for (size_t i = 0; i < place->samples->address_count; i++) {
		const struct address_sample *sample = &place->samples->addresses[i];
		if (sample->address.family == family && holds(a, sample) && holds(b, sample) &&
		    (found == NULL || (sample->familiar && !found->familiar)))
			found = sample;
	}
	if (found != NULL)
		example->address = found->address;
	return found != NULL;
}

bool peers_meet(const struct meeting_place *place, const struct peer *a, const struct peer *b, enum part part,
		struct meeting *example)
{
	bool networks = a->kind == PEER_NETWORK && b->kind == PEER_NETWORK;
	if (!speaks_of(place, a, part) || !speaks_of(place, b, part))
		return false;
	if (part == PART_WORKLOAD && networks)
		return false; /* they meet in an address or nowhere */
	*example = (struct meeting){.part = part};
	switch (part) {
	case PART_WORKLOAD:
		return workloads_meet(place, a, b, example);
	case PART_ADDRESS4:
		return addresses_meet(place, a, b, 4, example);
	case PART_ADDRESS6:
		return addresses_meet(place, a, b, 6, example);
	case PART_NODE:
		return true;
	}
	return false;
}

/* ---- ports ---- */

/* A range of ports, or a name that the destination gives to some port. */
struct claim {
	struct port_range range; /* for a name: any port of its protocol */
	const char *name;
};

static struct claim claim_of(const struct target *target, size_t number)
{
	if (number < target->port_count)
		return (struct claim){target->ports[number], NULL};
	const struct port_name *name = &target->container_ports[number - target->port_count];
	return (struct claim){{name->protocol, 0, 65535}, name->name};
}

/* Of ICMP only requests begin a flow, and each version belongs to a family. */
static bool can_begin(const struct port_range *range, enum part part, enum part other)
{
	uint16_t requests[8];
	if (range->protocol != PROTOCOL_ICMP && range->protocol != PROTOCOL_ICMPV6)
		return true;
	enum part foreign = range->protocol == PROTOCOL_ICMP ? PART_ADDRESS6 : PART_ADDRESS4;
	return part != foreign && other != foreign && icmp_requests(range, requests) > 0;
}

static bool ranges_meet(const struct port_range *a, const struct port_range *b, struct port_range *common)
{
	if (a->protocol == PROTOCOL_ANY || b->protocol == PROTOCOL_ANY) {
		*common = a->protocol == PROTOCOL_ANY ? *b : *a;
		return true;
	}
	*common = (struct port_range){a->protocol, a->first > b->first ? a->first : b->first,
				      a->last < b->last ? a->last : b->last};
	return a->protocol == b->protocol && common->first <= common->last;
}

const struct port_range every_port = {PROTOCOL_ANY, 0, 65535};

bool targets_meet(const struct target *a, const struct target *b, const struct port_range *range, enum part part,
		  enum part other, struct common_ports *example)
{
	struct port_range common;
	for (size_t i = 0; i < a->port_count + a->container_port_count; i++) {
		for (size_t j = 0; j < b->port_count + b->container_port_count; j++) {
			struct claim claims[] = {claim_of(a, i), claim_of(b, j)};
			*example = (struct common_ports){0};
			for (size_t k = 0; k < 2; k++)
				if (claims[k].name != NULL)
					example->names[example->name_count++] = claims[k].name;
			if ((example->name_count == 0 || part == PART_WORKLOAD) &&
			    ranges_meet(&claims[0].range, &claims[1].range, &common) &&
			    ranges_meet(&common, range, &example->range) && can_begin(&example->range, part, other))
				return true;
		}
	}
	return false;
}

/* Whether a statement asks for a namespace by this name, or by any but this. */
struct asking {
	const char *name, *other;
	bool asked;
};

static void ask_peer(struct asking *asking, const struct peer *peer)
{
	for (size_t i = 0; i < peer->namespace_count; i++)
		asking->asked = asking->asked || strcmp(peer->namespaces[i], asking->name) == 0;
	for (size_t i = 0; i < peer->namespace_labels.count; i++) {
		const struct requirement *item = &peer->namespace_labels.items[i];
		if (strcmp(item->key, NAME_LABEL) == 0)
			asking->asked = asking->asked || requirement_lists(item, asking->name) ||
					requirement_lists(item, asking->other);
	}
}

static void ask_flows(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		ask_peer(context, &flows->from[i]);
	for (size_t i = 0; i < flows->to_count; i++)
		ask_peer(context, &flows->to[i].peer);
}

/* A name that nothing speaks of; so is the same with `-too`, for a second namespace. */
void meeting_place_init(struct meeting_place *place, struct arena *arena, const struct world *world,
			const struct samples *samples)
{
	*place = (struct meeting_place){arena, world, samples, "elsewhere"};
	const struct policy *policy = world->policy;
	bool taken = true;
	for (unsigned number = 1; taken; number++) {
		taken = inventory_namespace(world->inventory, place->elsewhere) != NULL;
		for (size_t i = 0; i < policy->isolation_count && !taken; i++)
			taken = strcmp(policy->isolations[i]->name_space, place->elsewhere) == 0;
		struct asking asking = {place->elsewhere, arena_printf(arena, "%s-too", place->elsewhere), taken};
		policy_each_flows(world, ask_flows, &asking);
		taken = asking.asked;
		if (taken)
			place->elsewhere = arena_printf(arena, "elsewhere-%u", number);
	}
}
