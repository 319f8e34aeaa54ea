/* Workloads to classes, and statements to the groups of peers that a class's sets are made of. */
#include "compiler/ruleset/classes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds: the kernel counts a timeout in nanoseconds, of which 64 bits hold 584 years (nf_msecs_to_jiffies64). What
 * ends in more than a hundred has none there; whoever made the ruleset makes another then. */
#define EXPIRY_MOST ((int64_t)100 * 365 * 86400)

/* Ports of `target` at `destination`, names of container ports resolved. */
static struct port_range *ports_at(struct arena *arena, const struct target *target, const struct workload *destination,
				   size_t *count)
{
	struct port_range *ports = NULL;
	*count = 0;
	for (size_t i = 0; i < target->port_count; i++)
		*arena_push(arena, ports, *count) = target->ports[i];
	for (size_t i = 0; destination != NULL && i < target->container_port_count; i++)
		for (size_t j = 0; j < destination->port_count; j++) {
			const struct port_name *wanted = &target->container_ports[i];
			const struct named_port *port = &destination->ports[j];
			if (strcmp(port->name, wanted->name) == 0 &&
			    (wanted->protocol == PROTOCOL_ANY || wanted->protocol == port->port.protocol))
				*arena_push(arena, ports, *count) = port->port;
		}
	return ports;
}

/* The ends of an allow on the side of a class (own) or across from it (others). */
static size_t peer_count(const struct allow *allow, bool sources)
{
	return sources ? allow->flows.from_count : allow->flows.to_count;
}

static const struct peer *peer_at(const struct allow *allow, bool sources, size_t i)
{
	return sources ? &allow->flows.from[i] : &allow->flows.to[i].peer;
}

static void add_entry(struct arena *arena, struct class *class, const struct allow *allow, const struct target *target,
		      const struct workload *workload)
{
	struct class_entry *entry = arena_push(arena, class->entries, class->entry_count);
	entry->allow = allow;
	entry->target = target;
	class->one_sided = class->one_sided || !allow->counts[EGRESS] || !allow->counts[INGRESS];
	if (class->direction == INGRESS)
		entry->ports = ports_at(arena, target, workload, &entry->port_count);
	bool sources = class->direction == INGRESS;
	for (size_t i = 0; i < peer_count(allow, sources); i++)
		if (peer_at(allow, sources, i)->kind == PEER_NODE)
			class->node = workload->node != NULL ? workload->node : "";
}

/* Kubernetes lets a pod and its own node reach each other, whatever NetworkPolicies say. */
static void add_node_trust(struct arena *arena, struct class *class, const struct endpoint *end)
{
	static struct peer node = {.kind = PEER_NODE}, any = {.kind = PEER_ANY};
	static struct port_range every_port = {PROTOCOL_ANY, 0, 65535};
	static struct target to_node = {.peer = {.kind = PEER_NODE}, .ports = &every_port, .port_count = 1};
	static struct target to_any = {.peer = {.kind = PEER_ANY}, .ports = &every_port, .port_count = 1};
	static const struct allow trust[] = {
	    [EGRESS] = {.flows = {&any, 1, &to_node, 1}, .key = "own node"},
	    [INGRESS] = {.flows = {&node, 1, &to_any, 1}, .key = "own node"},
	};
	const struct allow *allow = &trust[class->direction];
	add_entry(arena, class, allow, &allow->flows.to[0], end->workload);
	class->node = end->workload->node != NULL ? end->workload->node : "";
}

/* Collects the allows that count for `end`. */
static void add_entries(struct arena *arena, struct class *class, const struct world *world, const struct endpoint *end)
{
	if (workload_trusts_node(world->policy, end->workload))
		add_node_trust(arena, class, end);
	const struct endpoint other = {.stands_for = PEER_ANY};
	for (size_t i = 0; i < world->policy->allow_count; i++) {
		const struct allow *allow = world->policy->allows[i];
		bool from = class->direction == INGRESS;
		if (!allow->counts[class->direction] || !is_alive(world, allow->until))
			continue;
		for (size_t j = 0; j < allow->flows.from_count && !from; j++)
			from = peer_matches(world, &allow->flows.from[j], end, &other);
		for (size_t j = 0; from && j < allow->flows.to_count; j++)
			if (class->direction == EGRESS || peer_matches(world, &allow->flows.to[j].peer, end, &other))
				add_entry(arena, class, allow, &allow->flows.to[j], end->workload);
	}
}

static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261; /* FNV-1a */
	for (; *text != 0; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619;
	return hash;
}

static const char *sign(struct arena *arena, const struct class *class)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	fprintf(stream, "%d %d %s", class->direction, class->closed, class->node != NULL ? class->node : "-");
	if (class->isolation != NULL)
		fprintf(stream, " %s%s/%s", class->isolation->service != NULL ? "" : "NetworkPolicy ",
			class->isolation->name_space, class->isolation->name);
	if (class->quarantine != NULL)
		fprintf(stream, " %s/%s", class->quarantine->name_space, class->quarantine->name);
	for (size_t i = 0; i < class->entry_count; i++) {
		const struct class_entry *entry = &class->entries[i];
		fprintf(stream, " %s>%zu", entry->allow->key, (size_t)(entry->target - entry->allow->flows.to));
		for (size_t j = 0; j < entry->port_count; j++)
			fprintf(stream, ",%u:%u-%u", entry->ports[j].protocol, entry->ports[j].first,
				entry->ports[j].last);
	}
	fclose(stream);
	char *copy = arena_copy(arena, text, size);
	free(text);
	return copy;
}

/* g7_out_web_1a2b3c: a generation, a direction, a service for the reader, a hash for the machine. Room is left for the
 * suffix of a set. */
static void name_class(const struct classes *classes, struct class *class, uint32_t generation)
{
	static const char *const words[] = {[EGRESS] = "out", [INGRESS] = "in"};
	uint32_t hash = hash_text(class->signature);
	bool taken = true;
	for (; taken; hash++) {
		snprintf(class->chain, sizeof class->chain, "g%u_%s_%.5s_%06x", generation % 100000,
			 words[class->direction],
			 class->isolation != NULL ? class->isolation->name
			 : class->closed	  ? "closed"
						  : "other",
			 hash & 0xffffff);
		taken = false;
		for (size_t i = 0; i < classes->count && !taken; i++)
			taken = strcmp(classes->items[i]->chain, class->chain) == 0;
	}
}

static bool is_icmp(uint16_t protocol)
{
	return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
}

static enum shape shape_of(const struct peer *peer, const struct port_range *ports)
{
	bool network = peer->kind == PEER_NETWORK || peer->kind == PEER_ANY || peer->kind == PEER_WORLD;
	if (ports->protocol == PROTOCOL_ANY)
		return network ? SHAPE_NETS : SHAPE_HOSTS;
	return network || ports->first != ports->last ? SHAPE_RANGES : SHAPE_KEYED;
}

/* The group for a peer of this kind with these ports, made when it is new. */
static struct group *group_of(struct arena *arena, struct class *class, const struct allow *allow,
			      const struct peer *peer, const struct port_range *ports, uint8_t family)
{
	const struct group wanted = {
	    .shape = shape_of(peer, ports),
	    .family = family,
	    .until = allow->until - class->at > EXPIRY_MOST ? 0 : allow->until,
	    .icmp = is_icmp(ports->protocol),
	    .outside = peer->kind == PEER_WORLD,
	    .special = allow->log || allow->rate.count > 0 ? allow : NULL,
	};
	for (size_t i = 0; i < class->group_count; i++) {
		struct group *group = &class->groups[i];
		if (group->shape == wanted.shape && group->family == family && group->until == wanted.until &&
		    group->icmp == wanted.icmp && group->outside == wanted.outside && group->special == wanted.special)
			return group;
	}
	struct group *group = arena_push(arena, class->groups, class->group_count);
	*group = wanted;
	return group;
}

/* Calls for ports as conntrack knows them in a family: ICMP is its requests one by one, each in its own family. */
static size_t ports_in_family(const struct port_range *ports, uint8_t family, struct port_range *list)
{
	uint16_t requests[8];
	if (!is_icmp(ports->protocol)) {
		list[0] = *ports;
		return 1;
	}
	if ((ports->protocol == PROTOCOL_ICMP) != (family == 4))
		return 0;
	size_t count = icmp_requests(ports, requests);
	for (size_t i = 0; i < count; i++)
		list[i] = (struct port_range){ports->protocol, requests[i], requests[i]};
	return count;
}

static void put(struct arena *arena, struct class *class, const struct allow *allow, const struct peer *peer,
		const struct port_range *ports, const struct address_range *addresses)
{
	struct port_range list[8];
	size_t count = ports_in_family(ports, addresses->first.family, list);
	for (size_t i = 0; i < count; i++) {
		struct group *group = group_of(arena, class, allow, peer, &list[i], addresses->first.family);
		if (class->budget->left == 0) {
			class->budget->passed_by = class->budget->passed_by != NULL ? class->budget->passed_by : allow;
			return;
		}
		class->budget->left--;
		*arena_push(arena, group->boxes.items, group->boxes.count) = (struct box){*addresses, list[i]};
	}
}

/* Makes the groups that an entry can ever need with a peer of this kind, so that they do not depend on who is running.
 */
static void declare(struct arena *arena, struct class *class, const struct class_entry *entry, const struct peer *peer,
		    const struct port_range *ports)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		bool possible = peer->kind != PEER_NETWORK;
		for (size_t i = 0; peer->kind == PEER_NETWORK && i < peer->network->cidr_count && !possible; i++)
			possible = peer->network->cidrs[i].address.family == family;
		if (!possible)
			continue;
		struct port_range list[8];
		size_t count = ports_in_family(ports, family, list);
		for (size_t i = 0; i < count; i++) {
			struct group *group = group_of(arena, class, entry->allow, peer, &list[i], family);
			group->tcp = group->tcp || ports->protocol == PROTOCOL_TCP;
			group->udp = group->udp || ports->protocol == PROTOCOL_UDP;
			group->sctp = group->sctp || ports->protocol == PROTOCOL_SCTP;
			if (group->allow_count == 0 || group->allows[group->allow_count - 1] != entry->allow)
				*arena_push(arena, group->allows, group->allow_count) = entry->allow;
		}
	}
}

static struct port_range *entry_ports(struct arena *arena, const struct class *class, const struct class_entry *entry,
				      const struct workload *destination, size_t *count)
{
	if (class->direction == EGRESS)
		return ports_at(arena, entry->target, destination, count);
	*count = entry->port_count;
	return (struct port_range *)entry->ports;
}

/* Calls for each peer across: the other end of an egress entry is its target, of an ingress entry each `from`. */
static void for_each_peer(struct arena *arena, struct class *class, const struct world *world,
			  const struct identities *identities,
			  void (*call)(struct arena *, struct class *, const struct world *, const struct identities *,
				       const struct class_entry *, const struct peer *))
{
	for (size_t i = 0; i < class->entry_count; i++) {
		const struct class_entry *entry = &class->entries[i];
		if (class->direction == EGRESS) {
			call(arena, class, world, identities, entry, &entry->target->peer);
			continue;
		}
		for (size_t j = 0; j < entry->allow->flows.from_count; j++)
			call(arena, class, world, identities, entry, &entry->allow->flows.from[j]);
	}
}

static void declare_peer(struct arena *arena, struct class *class, const struct world *world,
			 const struct identities *identities, const struct class_entry *entry, const struct peer *peer)
{
	(void)world;
	(void)identities;
	const struct target *target = entry->target;
	size_t count = 0;
	const struct port_range *ports = entry_ports(arena, class, entry, NULL, &count);
	for (size_t i = 0; i < count; i++)
		declare(arena, class, entry, peer, &ports[i]);
	/* Names of container ports can become any port of a workload, which `any` peers have one at a time as well. */
	static const struct peer by_label = {.kind = PEER_LABELS};
	static const struct port_range kinds[] = {
	    {PROTOCOL_TCP, 1, 1}, {PROTOCOL_UDP, 1, 1},	 {PROTOCOL_SCTP, 1, 1},	    {PROTOCOL_TCP, 1, 2},
	    {PROTOCOL_UDP, 1, 2}, {PROTOCOL_SCTP, 1, 2}, {PROTOCOL_ICMP, 0, 65535}, {PROTOCOL_ICMPV6, 0, 65535}};
	for (size_t i = 0; class->direction == EGRESS && target->container_port_count > 0 && i < 8; i++)
		declare(arena, class, entry, &by_label, &kinds[i]);
}

static void fill_networks(struct arena *arena, struct class *class, const struct class_entry *entry,
			  const struct peer *peer)
{
	static const struct prefix everything[] = {{.address = {.family = 4}}, {.address = {.family = 6}}};
	static const struct network any = {.cidrs = (struct prefix *)everything, .cidr_count = 2};
	const struct network *network = peer->kind == PEER_NETWORK ? peer->network : &any;
	size_t count = 0;
	const struct port_range *ports = entry_ports(arena, class, entry, NULL, &count);
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct ranges ranges = ranges_of(arena, network->cidrs, network->cidr_count, network->except,
						 network->except_count, family);
		for (size_t i = 0; i < ranges.count; i++)
			for (size_t j = 0; j < count; j++)
				put(arena, class, entry->allow, peer, &ports[j], &ranges.items[i]);
	}
}

/* The workloads that a peer means. A network and `any` hold addresses already; of their workloads only ports by name
 * are new. */
static void fill_workloads(struct arena *arena, struct class *class, const struct world *world,
			   const struct identities *identities, const struct class_entry *entry,
			   const struct peer *peer)
{
	static const struct peer by_label = {.kind = PEER_LABELS};
	const struct endpoint other = {.stands_for = PEER_ANY};
	bool network = peer->kind == PEER_NETWORK;
	size_t known = network || peer->kind == PEER_ANY ? entry->target->port_count : 0;
	for (size_t i = 0; i < identities->count; i++) {
		const struct identity *identity = identities->items[i];
		const struct endpoint end = {.workload = identity->first};
		size_t count = 0;
		if (!network && !peer_matches(world, peer, &end, &other))
			continue;
		struct port_range *ports = entry_ports(arena, class, entry, identity->first, &count);
		if (count == known)
			continue;
		for (size_t family = 0; family < 2; family++)
			for (size_t j = 0; j < identity->member_counts[family]; j++) {
				const struct address *address = &identity->members[family][j].address;
				if (network && !network_contains(peer->network, address))
					continue;
				for (size_t k = known; k < count; k++)
					put(arena, class, entry->allow, &by_label, &ports[k],
					    &(struct address_range){*address, *address});
			}
	}
}

static void fill_node(struct arena *arena, struct class *class, const struct world *world,
		      const struct class_entry *entry, const struct peer *peer)
{
	const struct node *node = class->node != NULL ? inventory_node(world->inventory, class->node) : NULL;
	size_t count = 0;
	const struct port_range *ports = entry_ports(arena, class, entry, NULL, &count);
	for (size_t i = 0; node != NULL && i < node->address_count; i++)
		for (size_t j = 0; j < count; j++)
			put(arena, class, entry->allow, peer, &ports[j],
			    &(struct address_range){node->addresses[i], node->addresses[i]});
}

static void fill_peer(struct arena *arena, struct class *class, const struct world *world,
		      const struct identities *identities, const struct class_entry *entry, const struct peer *peer)
{
	switch (peer->kind) {
	case PEER_ANY:
	case PEER_NETWORK:
		fill_networks(arena, class, entry, peer);
		if (class->direction == EGRESS && entry->target->container_port_count > 0)
			fill_workloads(arena, class, world, identities, entry, peer);
		break;
	case PEER_WORLD:
		fill_networks(arena, class, entry, peer);
		break;
	case PEER_SERVICE:
	case PEER_LABELS:
	case PEER_CLUSTER:
		fill_workloads(arena, class, world, identities, entry, peer);
		break;
	case PEER_NODE:
		fill_node(arena, class, world, entry, peer);
		break;
	}
}

struct class *class_of(struct arena *arena, struct classes *classes, const struct world *world, uint32_t generation,
		       const struct endpoint *end, enum direction direction)
{
	struct class new = {.direction = direction, .at = world->at, .budget = &classes->budget};
	if (!end->workload->conflict)
		new.quarantine = quarantine_of(world, end->workload);
	new.closed = end->workload->conflict || new.quarantine != NULL;
	if (!new.closed && !workload_isolated(world, end->workload, direction, &new.isolation))
		return NULL;
	if (!new.closed)
		add_entries(arena, &new, world, end);
	new.signature = sign(arena, &new);
	for (size_t i = 0; i < classes->count; i++)
		if (strcmp(classes->items[i]->signature, new.signature) == 0)
			return classes->items[i];
	struct class *class = arena_alloc(arena, sizeof *class);
	*class = new;
	name_class(classes, class, generation);
	for_each_peer(arena, class, world, NULL, declare_peer);
	*arena_push(arena, classes->items, classes->count) = class;
	return class;
}

void class_fill(struct arena *arena, struct class *class, const struct world *world,
		const struct identities *identities)
{
	for_each_peer(arena, class, world, identities, fill_peer);
}

/* ---- identities ---- */

/* Everything that a selector, a service or a named port can see of a workload, as bytes between NULs. */
static const char *identity_key(struct arena *arena, const struct world *world, const struct workload *workload,
				size_t *length)
{
	const char *closed = workload->conflict ? "!" : quarantine_of(world, workload) != NULL ? workload->name : "";
	char *text = NULL;
	size_t size = 0;
	const char *parts[] = {workload->name_space, workload->node != NULL ? workload->node : "", closed};
	for (size_t i = 0; i < 3; i++)
		size += strlen(parts[i]) + 1;
	for (size_t i = 0; i < workload->labels.count; i++)
		size += strlen(workload->labels.items[i].key) + strlen(workload->labels.items[i].value) + 2;
	for (size_t i = 0; i < workload->port_count; i++)
		size += strlen(workload->ports[i].name) + 1 + sizeof workload->ports[i].port;
	char *at = text = arena_alloc(arena, size);
	for (size_t i = 0; i < 3; i++)
		at = stpcpy(at, parts[i]) + 1;
	for (size_t i = 0; i < workload->labels.count; i++) {
		at = stpcpy(at, workload->labels.items[i].key) + 1;
		at = stpcpy(at, workload->labels.items[i].value) + 1;
	}
	for (size_t i = 0; i < workload->port_count; i++) {
		at = stpcpy(at, workload->ports[i].name) + 1;
		memcpy(at, &workload->ports[i].port, sizeof workload->ports[i].port);
		at += sizeof workload->ports[i].port;
	}
	*length = size;
	return text;
}

/* The identity with this key, made when it is new. */
static struct identity *identity_at(struct arena *arena, struct identities *identities, const char *key, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3;
	struct identity **bucket = &identities->buckets[hash & (identities->bucket_count - 1)];
	for (struct identity *identity = *bucket; identity != NULL; identity = identity->next)
		if (identity->key_length == length && memcmp(identity->key, key, length) == 0)
			return identity;
	struct identity *identity = arena_alloc(arena, sizeof *identity);
	*identity = (struct identity){.key = key, .key_length = length, .next = *bucket};
	*bucket = identity;
	*arena_push(arena, identities->items, identities->count) = identity;
	return identity;
}

struct identities identities_make(struct arena *arena, const struct world *world)
{
	const struct inventory *inventory = world->inventory;
	struct identities identities = {.bucket_count = 64};
	size_t count = 0;
	const struct place *places = inventory_places(inventory, &count);
	while (identities.bucket_count < inventory->workload_count)
		identities.bucket_count *= 2;
	identities.buckets = arena_alloc(arena, identities.bucket_count * sizeof(struct identity *));
	identities.of = arena_alloc(arena, (count + 1) * sizeof(struct identity *));
	for (size_t i = 0; i < count; i++) {
		size_t length = 0, family = places[i].address.family == 6;
		const char *key = identity_key(arena, world, places[i].workload, &length);
		struct identity *identity = identity_at(arena, &identities, key, length);
		identity->first = places[i].workload;
		*arena_push(arena, identity->members[family], identity->member_counts[family]) = places[i];
		identities.of[i] = identity;
	}
	return identities;
}

static void add_network(struct arena *arena, struct classes *classes, enum direction direction, const struct peer *peer)
{
	bool known = peer->kind != PEER_NETWORK;
	for (size_t i = 0; i < classes->network_counts[direction] && !known; i++)
		known = classes->networks[direction][i] == peer->network;
	if (!known)
		*arena_push(arena, classes->networks[direction], classes->network_counts[direction]) = peer->network;
}

void classes_init(struct classes *classes, struct arena *arena, const struct policy *policy)
{
	*classes = (struct classes){.budget = {.left = RULESET_ELEMENTS_MAX}};
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct allow *allow = policy->allows[i];
		for (size_t j = 0; allow->counts[EGRESS] && j < allow->flows.from_count; j++)
			add_network(arena, classes, EGRESS, &allow->flows.from[j]);
		for (size_t j = 0; allow->counts[INGRESS] && j < allow->flows.to_count; j++)
			add_network(arena, classes, INGRESS, &allow->flows.to[j].peer);
	}
}

/* Whether the policy speaks of the address by a network, so that it can have other rules than its identity. */
static bool address_matters(const struct classes *classes, const struct address *address, enum direction direction)
{
	for (size_t i = 0; i < classes->network_counts[direction]; i++)
		if (network_contains(classes->networks[direction][i], address))
			return true;
	return false;
}

struct class *class_of_member(struct arena *arena, struct classes *classes, const struct world *world,
			      uint32_t generation, struct identity *identity, const struct endpoint *end,
			      enum direction direction)
{
	if (address_matters(classes, &end->address, direction))
		return class_of(arena, classes, world, generation, end, direction);
	if (!identity->classified[direction]) {
		const struct endpoint any_address = {.workload = end->workload};
		identity->classes[direction] = class_of(arena, classes, world, generation, &any_address, direction);
		identity->classified[direction] = true;
	}
	return identity->classes[direction];
}
