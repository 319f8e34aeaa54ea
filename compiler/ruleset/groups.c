/* Pass "groups": which sets a class has, what always stands in them, and in which of them an identity's members stand.
 *
 * A workload with single ports is a key of a hash; with a range of ports, of an interval set of its own; networks are
 * intervals that no workload changes. */
#include "compiler/ruleset/lowering.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds: the kernel counts a timeout in nanoseconds, of which 64 bits hold 584 years (nf_msecs_to_jiffies64). What
 * ends in more than a hundred has none there; whoever made the ruleset makes another then. */
#define EXPIRY_MOST ((int64_t)100 * 365 * 86400)

/* Look-ups of a packet in shared sets, for each class and family; more only in sets so large that their elements could
 * not be for every class. */
enum { SHARED_MOST = 4, SHARED_LARGE_MOST = 32, LARGE = 4096 };

/* What a workload is where its ports are named and its peer is a network, or anyone. */
static const struct peer by_label = {.kind = PEER_LABELS};

static bool is_icmp(uint16_t protocol)
{
	return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
}

static enum shape shape_of(const struct class *class, const struct peer *peer, const struct port_range *ports)
{
	bool network = peer->kind == PEER_NETWORK || peer->kind == PEER_ANY || peer->kind == PEER_WORLD ||
		       (peer->kind == PEER_NODE && class->host); /* which has 127.0.0.0/8 */
	if (ports->protocol == PROTOCOL_ANY)
		return network ? SHAPE_NETS : SHAPE_HOSTS;
	return network ? SHAPE_RANGES : ports->first != ports->last ? SHAPE_SPANS : SHAPE_KEYED;
}

/* What a group for a peer of this kind with these ports is. */
static struct group group_form(const struct lowering *l, const struct class *class, const struct allow *allow,
			       const struct peer *peer, const struct port_range *ports, uint8_t family)
{
	return (struct group){
	    .shape = shape_of(class, peer, ports),
	    .family = family,
	    .until = allow->until - l->world.at > EXPIRY_MOST ? 0 : allow->until,
	    .icmp = is_icmp(ports->protocol),
	    .outside = peer->kind == PEER_WORLD,
	    .special = allow->log || allow->rate.count > 0 ? allow : NULL,
	};
}

/* The group of this form, or NULL. */
static struct group *find_form(const struct class *class, const struct group *wanted)
{
	for (size_t i = 0; i < class->group_count; i++) {
		struct group *group = &class->groups[i];
		if (group->shape == wanted->shape && group->family == wanted->family && group->until == wanted->until &&
		    group->icmp == wanted->icmp && group->outside == wanted->outside &&
		    group->special == wanted->special && group->peers == wanted->peers &&
		    memcmp(&group->ports, &wanted->ports, sizeof group->ports) == 0)
			return group;
	}
	return NULL;
}

/* The same where the peer has a shared set and the rule says the ports. */
static bool shared_form(const struct lowering *l, const struct peer *peer, const struct port_range *ports,
			struct group *wanted)
{
	struct peer_set *set = wanted->icmp ? NULL : sharing_find(l, peer, wanted->until);
	if (set == NULL)
		return false;
	wanted->shape = SHAPE_PEERS;
	wanted->peers = set;
	wanted->ports = *ports;
	return true;
}

/* The group for a peer of this kind with these ports; NULL when there is none yet. */
static struct group *find_group(const struct lowering *l, const struct class *class, const struct allow *allow,
				const struct peer *peer, const struct port_range *ports, uint8_t family)
{
	const struct group plain = group_form(l, class, allow, peer, ports, family);
	struct group shared = plain;
	struct group *group = shared_form(l, peer, ports, &shared) ? find_form(class, &shared) : NULL;
	return group != NULL ? group : find_form(class, &plain);
}

/* The same, made when it is new; a shared set is used as long as a class has few of them. */
static struct group *make_group(struct lowering *l, struct class *class, const struct allow *allow,
				const struct peer *peer, const struct port_range *ports, uint8_t family)
{
	struct group wanted = group_form(l, class, allow, peer, ports, family), shared = wanted;
	struct group *group = NULL;
	if (shared_form(l, peer, ports, &shared)) {
		group = find_form(class, &shared);
		size_t most = shared.peers->members >= LARGE ? SHARED_LARGE_MOST : SHARED_MOST;
		if (group == NULL && class->peers_count < 2 * most) {
			class->peers_count++;
			shared.peers->users++;
			wanted = shared;
		}
	}
	if (group == NULL)
		group = find_form(class, &wanted);
	if (group == NULL) {
		group = arena_push(class->arena, class->groups, class->group_count);
		*group = wanted;
	}
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

/* ---- the sets ---- */

static void share_store(struct group *group)
{
	group->store = group->peers->stores[group->family == 6];
}

/* A letter for the shape, the family, and a number where the class has several of those: k4, h6, r4x1 ... */
static void add_store(struct class *class, struct group *group)
{
	static const char letters[] = {
	    [SHAPE_KEYED] = 'k', [SHAPE_HOSTS] = 'h', [SHAPE_SPANS] = 's', [SHAPE_RANGES] = 'r', [SHAPE_NETS] = 'n'};
	bool ports = group->shape != SHAPE_HOSTS && group->shape != SHAPE_NETS;
	unsigned order = 0;
	for (const struct group *before = class->groups; before < group; before++)
		order += before->shape == group->shape && before->family == group->family;
	char name[64];
	int length = snprintf(name, sizeof name, "%s.%c%u", class->chain->name, letters[group->shape], group->family);
	if (order > 0)
		snprintf(name + length, sizeof name - (size_t)length, "x%x", order);
	enum key_type key =
	    group->family == 4 ? (ports ? KEY_PORT4 : KEY_ADDRESS4) : (ports ? KEY_PORT6 : KEY_ADDRESS6);
	group->store = store_create(class->arena, name, key, ROLE_PEER);
	group->store->owner = &class->owner;
	group->store->until = group->until;
	group->store->form.interval = group->shape != SHAPE_KEYED && group->shape != SHAPE_HOSTS;
	group->store->form.timeout = group->until != 0;
	group->counted = group->allow_count > 1 && group->special == NULL;
	group->store->form.counted = group->counted;
}

/* Makes the groups that an entry can ever need with a peer of this kind, so that they do not depend on who is running.
 */
static void declare(struct lowering *l, struct class *class, const struct class_entry *entry, const struct peer *peer,
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
			struct group *group = make_group(l, class, entry->allow, peer, &list[i], family);
			group->tcp = group->tcp || ports->protocol == PROTOCOL_TCP;
			group->udp = group->udp || ports->protocol == PROTOCOL_UDP;
			group->sctp = group->sctp || ports->protocol == PROTOCOL_SCTP;
			if (group->allow_count == 0 || group->allows[group->allow_count - 1] != entry->allow)
				*arena_push(class->arena, group->allows, group->allow_count) = entry->allow;
		}
	}
}

/* Calls for each peer across: the other end of an egress entry is its target, of an ingress entry each `from`. */
static void for_each_peer(struct lowering *l, struct class *class,
			  void (*call)(struct lowering *, struct class *, const struct class_entry *,
				       const struct peer *))
{
	for (size_t i = 0; i < class->entry_count; i++) {
		const struct class_entry *entry = &class->entries[i];
		if (class->direction == EGRESS) {
			call(l, class, entry, &entry->target->peer);
			continue;
		}
		for (size_t j = 0; j < entry->allow->flows.from_count; j++)
			call(l, class, entry, &entry->allow->flows.from[j]);
	}
}

static bool names_ports(const struct class *class, const struct class_entry *entry)
{
	return class->direction == EGRESS && entry->target->container_port_count > 0;
}

static void declare_peer(struct lowering *l, struct class *class, const struct class_entry *entry,
			 const struct peer *peer)
{
	/* Names of container ports can become any port of a workload. */
	static const struct port_range kinds[] = {
	    {PROTOCOL_TCP, 1, 1}, {PROTOCOL_UDP, 1, 1},	 {PROTOCOL_SCTP, 1, 1},	    {PROTOCOL_TCP, 1, 2},
	    {PROTOCOL_UDP, 1, 2}, {PROTOCOL_SCTP, 1, 2}, {PROTOCOL_ICMP, 0, 65535}, {PROTOCOL_ICMPV6, 0, 65535}};
	size_t count = 0;
	const struct port_range *ports = entry_ports(class->arena, class, entry, NULL, &count);
	for (size_t i = 0; i < count; i++)
		declare(l, class, entry, peer, &ports[i]);
	for (size_t i = 0; names_ports(class, entry) && i < 8; i++)
		declare(l, class, entry, &by_label, &kinds[i]);
	bool workloads = peer->kind == PEER_SERVICE || peer->kind == PEER_LABELS || peer->kind == PEER_CLUSTER ||
			 (names_ports(class, entry) && (peer->kind == PEER_ANY || peer->kind == PEER_NETWORK));
	if (workloads)
		*arena_push(class->arena, class->uses, class->use_count) = (struct use){peer, class, entry, NULL};
}

void groups_declare(struct lowering *l, struct class *class)
{
	for_each_peer(l, class, declare_peer);
	for (size_t i = 0; i < class->group_count; i++)
		if (class->groups[i].shape == SHAPE_PEERS)
			share_store(&class->groups[i]);
		else
			add_store(class, &class->groups[i]);
	for (size_t i = 0; i < class->use_count; i++)
		label_index_add(l->uses, class->uses[i].peer, &class->uses[i]);
}

/* ---- what always stands in them ---- */

static void put(struct lowering *l, struct class *class, const struct allow *allow, const struct peer *peer,
		const struct port_range *ports, const struct address_range *addresses)
{
	struct port_range list[8];
	size_t count = ports_in_family(ports, addresses->first.family, list);
	for (size_t i = 0; i < count; i++) {
		struct group *group = find_group(l, class, allow, peer, &list[i], addresses->first.family);
		if (l->budget.left == 0) {
			l->budget.passed_by = l->budget.passed_by != NULL ? l->budget.passed_by : allow;
			return;
		}
		l->budget.left--;
		*arena_push(class->arena, group->boxes.items, group->boxes.count) =
		    (struct box){*addresses, list[i], group->counted ? allow->place : 0};
	}
}

/* The node itself, to its host workloads. */
static const struct prefix loopback[] = {{{4, {127}}, 8}, {{6, {[15] = 1}}, 128}};

static void fill_networks(struct lowering *l, struct class *class, const struct class_entry *entry,
			  const struct peer *peer)
{
	static const struct prefix everything[] = {{.address = {.family = 4}}, {.address = {.family = 6}}};
	static const struct network any = {.cidrs = (struct prefix *)everything, .cidr_count = 2},
				    outside = {.cidrs = (struct prefix *)everything,
					       .cidr_count = 2,
					       .except = (struct prefix *)loopback,
					       .except_count = 2};
	const struct network *network = peer->kind == PEER_NETWORK		  ? peer->network
					: peer->kind == PEER_WORLD && class->host ? &outside
										  : &any;
	size_t count = 0;
	const struct port_range *ports = entry_ports(class->arena, class, entry, NULL, &count);
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct ranges ranges = ranges_of(class->arena, network->cidrs, network->cidr_count, network->except,
						 network->except_count, family);
		for (size_t i = 0; i < ranges.count; i++)
			for (size_t j = 0; j < count; j++)
				put(l, class, entry->allow, peer, &ports[j], &ranges.items[i]);
	}
}

/* The addresses of the class's node. */
static void fill_node(struct lowering *l, struct class *class, const struct class_entry *entry, const struct peer *peer)
{
	const struct node *node = class->node != NULL ? inventory_node(l->world.inventory, class->node) : NULL;
	size_t count = 0;
	const struct port_range *ports = entry_ports(class->arena, class, entry, NULL, &count);
	for (size_t i = 0; class->host && i < sizeof loopback / sizeof *loopback; i++)
		for (size_t j = 0; j < count; j++)
			put(l, class, entry->allow, peer, &ports[j],
			    &(struct address_range){prefix_range(&loopback[i]).first, prefix_range(&loopback[i]).last});
	for (size_t i = 0; node != NULL && i < node->address_count; i++)
		for (size_t j = 0; j < count; j++)
			put(l, class, entry->allow, peer, &ports[j],
			    &(struct address_range){node->addresses[i], node->addresses[i]});
}

static void fill_peer(struct lowering *l, struct class *class, const struct class_entry *entry, const struct peer *peer)
{
	if (peer->kind == PEER_ANY || peer->kind == PEER_NETWORK || peer->kind == PEER_WORLD)
		fill_networks(l, class, entry, peer);
	else if (peer->kind == PEER_NODE)
		fill_node(l, class, entry, peer);
}

static int compare_boxes(const void *left, const void *right)
{
	const struct box *a = left, *b = right;
	int order = address_compare(&a->addresses.first, &b->addresses.first);
	if (order == 0)
		order = memcmp(&a->ports, &b->ports, sizeof a->ports);
	return order != 0 ? order : (a->allow > b->allow) - (a->allow < b->allow);
}

/* Of single addresses and ports that several allows open, that of the first; returns how many remain. */
static size_t keep_first(struct box *boxes, size_t count)
{
	size_t kept = 0;
	if (count > 1)
		qsort(boxes, count, sizeof *boxes, compare_boxes);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || address_compare(&boxes[kept - 1].addresses.first, &boxes[i].addresses.first) != 0 ||
		    memcmp(&boxes[kept - 1].ports, &boxes[i].ports, sizeof boxes->ports) != 0)
			boxes[kept++] = boxes[i];
	return kept;
}

static void fill_group(struct lowering *l, struct class *class, struct group *group)
{
	struct boxes boxes = group->boxes;
	bool ports = group->shape != SHAPE_HOSTS && group->shape != SHAPE_NETS;
	if (group->shape == SHAPE_KEYED || group->shape == SHAPE_HOSTS) {
		boxes.count = keep_first(boxes.items, boxes.count);
	} else {
		boxes = boxes_disjoint(class->arena, &boxes, group->boxes.count + l->budget.left);
		size_t more = boxes.count > group->boxes.count ? boxes.count - group->boxes.count : 0;
		if (more > l->budget.left && l->budget.passed_by == NULL)
			l->budget.passed_by = group->allows[0];
		l->budget.left -= more < l->budget.left ? more : l->budget.left;
	}
	for (size_t i = 0; i < boxes.count; i++)
		put_box(store_push(class->arena, group->store), &boxes.items[i], ports, group->until,
			group->counted ? counter_of(l, boxes.items[i].allow)->name : NULL);
}

void groups_fill(struct lowering *l, struct class *class)
{
	for_each_peer(l, class, fill_peer);
	for (size_t i = 0; i < class->group_count; i++)
		fill_group(l, class, &class->groups[i]);
}

/* ---- who stands in them ---- */

static bool same_slot(const struct slot *a, const struct slot *b)
{
	return a->store == b->store && a->network == b->network && a->ports.protocol == b->ports.protocol &&
	       a->ports.first == b->ports.first && a->ports.last == b->ports.last;
}

/* The slots of a class stand side by side, so that a look at them finds what is there twice. */
static void add_slot(struct slots *slots, const struct slot *slot)
{
	for (size_t i = slots->count; i > 0 && slots->items[i - 1].owner == slot->owner; i--)
		if (same_slot(&slots->items[i - 1], slot)) {
			if (slot->allow < slots->items[i - 1].allow)
				slots->items[i - 1].allow = slot->allow;
			return;
		}
	if (slots->count == slots->room) {
		slots->room = slots->room * 2 + 1;
		slots->items = reallocarray(slots->items, slots->room, sizeof *slots->items);
		if (slots->items == NULL)
			abort();
	}
	slots->items[slots->count++] = *slot;
}

static void use_slots(struct lowering *l, struct identity *identity, const struct use *use)
{
	const struct endpoint end = {.workload = identity->members[0]}, other = {.stands_for = PEER_ANY};
	bool network = use->peer->kind == PEER_NETWORK, stranger = network || use->peer->kind == PEER_ANY;
	if (!network && !peer_matches(&l->world, use->peer, &end, &other))
		return;
	/* A network and `any` hold addresses already; of their workloads only ports by name are new. */
	size_t count = 0, known = stranger ? use->entry->target->port_count : 0;
	struct arena *arena = names_ports(use->class, use->entry) ? arena_create() : NULL;
	const struct port_range *ports = entry_ports(arena, use->class, use->entry, identity->members[0], &count);
	for (uint8_t family = 4; family <= 6; family += 2)
		for (size_t i = known; i < count; i++) {
			struct port_range list[8];
			size_t requests = ports_in_family(&ports[i], family, list);
			for (size_t j = 0; j < requests; j++) {
				const struct group *group =
				    find_group(l, use->class, use->entry->allow, stranger ? &by_label : use->peer,
					       &list[j], family);
				const struct slot slot = {.store = group->store,
							  .owner = &use->class->owner,
							  .network = network ? use->peer->network : NULL,
							  .ports = list[j],
							  .allow = use->entry->allow->place,
							  .shape = group->shape};
				if (group->shape == SHAPE_PEERS) /* its set has slots of its own */
					continue;
				add_slot(&identity->slots[family == 6], &slot);
			}
		}
	arena_free(arena);
}

static void shared_slots(struct lowering *l, struct identity *identity, const struct use *use)
{
	const struct endpoint end = {.workload = identity->members[0]}, other = {.stands_for = PEER_ANY};
	if (!peer_matches(&l->world, use->peer, &end, &other))
		return;
	for (size_t family = 0; family < 2; family++) {
		const struct slot slot = {.store = use->shared->stores[family],
					  .owner = &use->shared->owner,
					  .ports = {.protocol = PROTOCOL_ANY},
					  .shape = SHAPE_PEERS};
		add_slot(&identity->slots[family], &slot);
	}
}

static bool stands_last(const struct identity *identity, const struct owner *owner)
{
	bool stands = false;
	for (size_t family = 0; family < 2; family++) {
		const struct slots *slots = &identity->slots[family];
		stands = stands || (slots->count > 0 && slots->items[slots->count - 1].owner == owner);
	}
	return stands;
}

/* A use, and what is done with each identity that it may mean. */
struct meeting {
	struct lowering *l;
	const struct use *use;
};

static void meet(void *context, const void *user)
{
	const struct meeting *meeting = context;
	struct identity *identity = (struct identity *)user;
	struct class *class = meeting->use->class;
	bool before = stands_last(identity, &class->owner);
	use_slots(meeting->l, identity, meeting->use);
	if (!before && stands_last(identity, &class->owner))
		*arena_push(meeting->l->scratch, class->standing, class->standing_count) = identity;
}

static void for_each_meant(struct lowering *l, const struct use *use, void (*call)(void *context, const void *user),
			   void *context)
{
	if (label_index_find_peer(l->labelled, use->peer, call, context))
		return;
	for (struct identity *identity = l->identities; identity != NULL; identity = identity->hh.next)
		call(context, identity);
}

void slots_in_class(struct lowering *l, struct class *class)
{
	for (size_t i = 0; i < class->use_count; i++) {
		struct meeting meeting = {l, &class->uses[i]};
		for_each_meant(l, &class->uses[i], meet, &meeting);
	}
}

struct uses {
	struct arena *arena;
	const struct use **items;
	size_t count;
};

static void note_use(void *context, const void *use)
{
	struct uses *uses = context;
	*arena_push(uses->arena, uses->items, uses->count) = use;
}

static const struct owner *owner_of(const struct use *use)
{
	return use->shared != NULL ? &use->shared->owner : &use->class->owner;
}

/* By class, the new ones last, in the order of a class's uses. */
static int compare_uses(const void *left, const void *right)
{
	const struct use *a = *(const struct use *const *)left, *b = *(const struct use *const *)right;
	const struct owner *x = owner_of(a), *y = owner_of(b);
	if (x->made != y->made)
		return x->made ? 1 : -1;
	if (x != y)
		return (uintptr_t)x < (uintptr_t)y ? -1 : 1;
	return (a > b) - (a < b);
}

void slots_find(struct lowering *l, struct identity *identity)
{
	struct uses found = {.arena = arena_create()};
	label_index_find(l->uses, identity->members[0], note_use, &found);
	if (found.count > 1)
		qsort(found.items, found.count, sizeof *found.items, compare_uses);
	for (size_t i = 0; i < found.count; i++) {
		struct meeting meeting = {l, found.items[i]};
		if (i > 0 && found.items[i] == found.items[i - 1])
			continue;
		if (found.items[i]->shared != NULL)
			shared_slots(l, identity, found.items[i]);
		else if (found.items[i]->class->owner.made && !l->starting)
			meet(&meeting, identity);
		else
			use_slots(l, identity, found.items[i]);
	}
	arena_free(found.arena);
}

static void forget_slots(void *context, const void *user)
{
	const struct owner *owner = context;
	struct identity *identity = (struct identity *)user;
	for (size_t family = 0; family < 2; family++) {
		struct slots *slots = &identity->slots[family];
		size_t kept = 0;
		for (size_t i = 0; i < slots->count; i++)
			if (slots->items[i].owner != owner)
				slots->items[kept++] = slots->items[i];
		slots->count = kept;
	}
}

void groups_forget(struct lowering *l, struct class *class)
{
	for (size_t i = 0; i < class->use_count; i++) {
		label_index_remove(l->uses, class->uses[i].peer, &class->uses[i]);
		for_each_meant(l, &class->uses[i], forget_slots, &class->owner);
	}
	for (size_t i = 0; i < class->group_count; i++)
		if (class->groups[i].peers != NULL)
			class->groups[i].peers->users--;
}

void sharing_forget(struct lowering *l, struct peer_set *set)
{
	HASH_DEL(l->peer_sets, set);
	label_index_remove(l->uses, set->use.peer, &set->use);
	for_each_meant(l, &set->use, forget_slots, &set->owner);
}
