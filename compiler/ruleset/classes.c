/* Pass "classes": local workloads that the same statements select in a direction share a chain and its sets.
 *
 * Which sets a class has depends on the policy alone, never on who is running, so that workloads come and go as
 * elements. */
#include "compiler/ruleset/lowering.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which statements may speak of a workload ---- */

static void add_network(struct lowering *l, enum direction direction, const struct peer *peer)
{
	bool known = peer->kind != PEER_NETWORK;
	for (size_t i = 0; i < l->network_counts[direction] && !known; i++)
		known = l->networks[direction][i] == peer->network;
	if (!known)
		*arena_push(l->arena, l->networks[direction], l->network_counts[direction]) = peer->network;
}

/* The ends of an allow on the side of a direction (own) or across from it (others). */
static size_t peer_count(const struct allow *allow, bool sources)
{
	return sources ? allow->flows.from_count : allow->flows.to_count;
}

static const struct peer *peer_at(const struct allow *allow, bool sources, size_t i)
{
	return sources ? &allow->flows.from[i] : &allow->flows.to[i].peer;
}

static void add_own_side(struct lowering *l, const struct allow *const *place, enum direction direction)
{
	for (size_t i = 0; i < peer_count(*place, direction == EGRESS); i++) {
		const struct peer *peer = peer_at(*place, direction == EGRESS, i);
		if (peer->kind == PEER_WORLD || peer->kind == PEER_NODE) /* never a workload */
			continue;
		label_index_add(l->allows[direction], peer, place);
		add_network(l, direction, peer);
	}
}

void classes_prepare(struct lowering *l)
{
	const struct policy *policy = l->world.policy;
	l->isolations = label_index_create();
	for (size_t i = 0; i < policy->isolation_count; i++) {
		label_index_add_selector(l->isolations, policy->isolations[i]->name_space,
					 &policy->isolations[i]->workloads, &policy->isolations[i]);
		l->one_sided = l->one_sided || policy->isolations[i]->service == NULL;
	}
	for (int direction = EGRESS; direction <= INGRESS; direction++) {
		l->allows[direction] = label_index_create();
		for (size_t i = 0; i < policy->allow_count; i++)
			if (policy->allows[i]->counts[direction])
				add_own_side(l, (const struct allow *const *)&policy->allows[i], direction);
	}
}

/* Places in an array of the policy. */
struct found {
	struct arena *arena;
	const void **places;
	size_t count;
};

static void note_found(void *context, const void *place)
{
	struct found *found = context;
	*arena_push(found->arena, found->places, found->count) = place;
}

static int compare_places(const void *left, const void *right)
{
	const char *a = *(const char *const *)left, *b = *(const char *const *)right;
	return (a > b) - (a < b);
}

/* What was found, in the order of the policy, each once. */
static void **list_found(struct found *found, size_t *count)
{
	void **list = arena_alloc(found->arena, (found->count + 1) * sizeof(void *));
	if (found->count > 1)
		qsort(found->places, found->count, sizeof *found->places, compare_places);
	*count = 0;
	for (size_t i = 0; i < found->count; i++)
		if (i == 0 || found->places[i] != found->places[i - 1])
			list[(*count)++] = *(void *const *)found->places[i];
	return list;
}

/* The policy with those statements only that may speak of `workload` on this side: all others say nothing of it. */
static struct policy narrow(const struct lowering *l, struct arena *arena, const struct workload *workload,
			    enum direction direction)
{
	struct policy policy = *l->world.policy;
	struct found allows = {.arena = arena}, isolations = {.arena = arena};
	label_index_find(l->allows[direction], workload, note_found, &allows);
	label_index_find(l->isolations, workload, note_found, &isolations);
	policy.allows = (struct allow **)list_found(&allows, &policy.allow_count);
	policy.isolations = (struct isolation **)list_found(&isolations, &policy.isolation_count);
	return policy;
}

/* ---- what a class is ---- */

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

const struct port_range *entry_ports(struct arena *arena, const struct class *class, const struct class_entry *entry,
				     const struct workload *destination, size_t *count)
{
	if (class->direction == EGRESS && entry->target->container_port_count > 0)
		return ports_at(arena, entry->target, destination, count);
	*count = class->direction == EGRESS ? entry->target->port_count : entry->port_count;
	return class->direction == EGRESS ? entry->target->ports : entry->ports;
}

static void add_entry(struct class *class, const struct allow *allow, const struct target *target,
		      const struct workload *workload)
{
	struct class_entry *entry = arena_push(class->arena, class->entries, class->entry_count);
	entry->allow = allow;
	entry->target = target;
	class->one_sided = class->one_sided || !allow->counts[EGRESS] || !allow->counts[INGRESS];
	if (class->direction == INGRESS)
		entry->ports = ports_at(class->arena, target, workload, &entry->port_count);
	bool sources = class->direction == INGRESS;
	for (size_t i = 0; i < peer_count(allow, sources); i++)
		if (peer_at(allow, sources, i)->kind == PEER_NODE)
			class->node = workload->node != NULL ? workload->node : "";
}

/* Kubernetes lets a pod and its own node reach each other, whatever NetworkPolicies say. */
static void add_node_trust(struct class *class, const struct endpoint *end)
{
	static struct peer node = {.kind = PEER_NODE}, any = {.kind = PEER_ANY};
	static struct port_range every_port = {PROTOCOL_ANY, 0, 65535};
	static struct target to_node = {.peer = {.kind = PEER_NODE}, .ports = &every_port, .port_count = 1};
	static struct target to_any = {.peer = {.kind = PEER_ANY}, .ports = &every_port, .port_count = 1};
	static const struct allow trust[] = {
	    [EGRESS] = {.flows = {&any, 1, &to_node, 1}, .key = OWN_NODE_KEY, .place = UINT32_MAX},
	    [INGRESS] = {.flows = {&node, 1, &to_any, 1}, .key = OWN_NODE_KEY, .place = UINT32_MAX},
	};
	const struct allow *allow = &trust[class->direction];
	add_entry(class, allow, &allow->flows.to[0], end->workload);
	class->node = end->workload->node != NULL ? end->workload->node : "";
}

/* Collects the allows that count for `end`. */
static void add_entries(struct class *class, const struct world *world, const struct endpoint *end)
{
	if (workload_trusts_node(world->policy, end->workload))
		add_node_trust(class, end);
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
				add_entry(class, allow, &allow->flows.to[j], end->workload);
	}
}

static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261; /* FNV-1a */
	for (; *text != 0; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619;
	return hash;
}

static void print_ports(FILE *stream, const struct port_range *ports, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(stream, ",%u:%u-%u", ports[i].protocol, ports[i].first, ports[i].last);
}

/* The allow's key says what is written in it, but not what the names in there mean. */
static void print_entry(FILE *stream, const struct class *class, const struct class_entry *entry)
{
	const struct target *target = entry->target;
	fprintf(stream, " %s>%zu", entry->allow->key, (size_t)(target - entry->allow->flows.to));
	if (class->direction == EGRESS) {
		print_ports(stream, target->ports, target->port_count);
		for (size_t i = 0; i < target->container_port_count; i++)
			fprintf(stream, ",%u:%s", target->container_ports[i].protocol, target->container_ports[i].name);
		fputs(" to ", stream);
		peer_print(stream, &target->peer);
		return;
	}
	print_ports(stream, entry->ports, entry->port_count);
	for (size_t i = 0; i < entry->allow->flows.from_count; i++) {
		fputs(" from ", stream);
		peer_print(stream, &entry->allow->flows.from[i]);
	}
}

static const char *sign(const struct lowering *l, const struct class *class)
{
	FILE *stream = print_begin(l);
	fprintf(stream, "%d %d %s%s", class->direction, class->closed, class->node != NULL ? class->node : "-",
		class->host ? " host" : "");
	fputs(class->denied == DENIED_AUDIT ? " audit" : class->denied == DENIED_REJECT ? " reject" : "", stream);
	if (class->isolation != NULL)
		fprintf(stream, " %s%s/%s", class->isolation->service != NULL ? "" : "NetworkPolicy ",
			class->isolation->name_space, class->isolation->name);
	if (class->quarantine != NULL && quarantine_is_of_operator(class->quarantine))
		fputs(" operator", stream); /* all of them have one class */
	else if (class->quarantine != NULL)
		fprintf(stream, " %s/%s", class->quarantine->name_space, class->quarantine->name);
	for (size_t i = 0; i < class->entry_count; i++)
		print_entry(stream, class, &class->entries[i]);
	const char *text = print_end(l);
	return arena_copy(class->arena, text, strlen(text));
}

/* g7_out_web_1a2b3c: a generation, a direction, a service for the reader, a hash for the machine. Room is left for the
 * suffix of a set. */
static const char *name_class(const struct lowering *l, const struct class *class)
{
	static const char *const words[] = {[EGRESS] = "out", [INGRESS] = "in"};
	uint32_t hash = hash_text(class->signature);
	const char *name = NULL;
	const struct class *taken = NULL;
	do {
		name = arena_printf(class->arena, "g%u_%s_%.5s_%06x", l->generation % 100000, words[class->direction],
				    class->isolation != NULL ? class->isolation->name
				    : class->closed	     ? "closed"
							     : "other",
				    hash++ & 0xffffff);
		HASH_FIND(named, l->class_names, name, strlen(name), taken);
	} while (taken != NULL);
	return name;
}

bool lowering_class(const struct lowering *l, const char *chain, struct class_meaning *meaning)
{
	const struct class *class = NULL;
	HASH_FIND(named, l->class_names, chain, strlen(chain), class);
	if (class != NULL)
		*meaning = (struct class_meaning){class->signature, class->direction,
						  !class->closed && !class->one_sided && class->denied != DENIED_AUDIT};
	return class != NULL;
}

void class_free(struct lowering *l, struct class *class)
{
	HASH_DEL(l->classes, class);
	HASH_DELETE(named, l->class_names, class);
	l->budget.left += class->taken;
	arena_pass(class->arena, l->scratch); /* the plan speaks of it */
}

static void touch(struct lowering *l, struct class *class)
{
	if (class->touched)
		return;
	class->touched = true;
	class->next_touched = l->touched;
	l->touched = class;
}

static struct class *make_class(struct lowering *l, struct arena *arena, struct class *new)
{
	struct class *class = arena_alloc(arena, sizeof *class);
	*class = *new;
	class->chain = chain_create(arena, name_class(l, class));
	class->owner.made = true;
	touch(l, class);
	HASH_ADD_KEYPTR(hh, l->classes, class->signature, strlen(class->signature), class);
	HASH_ADD_KEYPTR(named, l->class_names, class->chain->name, strlen(class->chain->name), class);
	if (l->starting)
		return class;
	class_complete(l, class);
	slots_in_class(l, class);
	return class;
}

void class_complete(struct lowering *l, struct class *class)
{
	groups_declare(l, class);
	class->taken = l->budget.left;
	groups_fill(l, class);
	class->taken -= l->budget.left;
	class_write(l, class);
	counters_take(l, class);
}

/* The class of `end`, a workload at one of its addresses, in a direction; NULL when the workload is not isolated, or
 * there is no such class and none is to be made. */
static struct class *class_of(struct lowering *l, const struct endpoint *end, enum direction direction, bool make)
{
	struct arena *arena = arena_create();
	struct policy policy = narrow(l, arena, end->workload, direction);
	const struct world world = {&policy, l->world.inventory, l->world.at};
	struct class new = {.arena = arena, .direction = direction, .host = workload_is_host(end->workload)};
	new.one_sided = new.host; /* the other end takes it for the node */
	if (!end->workload->conflict)
		new.quarantine = quarantine_of(&world, end->workload);
	new.closed = end->workload->conflict || new.quarantine != NULL;
	bool isolated = new.closed || workload_isolated(&world, end->workload, direction, &new.isolation);
	struct class *class = NULL;
	if (isolated && !new.closed) {
		add_entries(&new, &world, end);
		new.denied = workload_denied(&world, end->workload, direction);
	}
	if (isolated) {
		new.signature = sign(l, &new);
		HASH_FIND(hh, l->classes, new.signature, strlen(new.signature), class);
	}
	if (isolated && class == NULL && make)
		return make_class(l, arena, &new);
	arena_free(arena);
	return class;
}

/* Whether the policy speaks of the address by a network, so that it can have other rules than its identity. */
static bool address_matters(const struct lowering *l, const struct address *address, enum direction direction)
{
	for (size_t i = 0; address != NULL && i < l->network_counts[direction]; i++)
		if (network_contains(l->networks[direction][i], address))
			return true;
	return false;
}

static struct endpoint at(const struct workload *workload, const struct address *address)
{
	struct endpoint end = {.workload = workload, .has_address = address != NULL};
	if (address != NULL)
		end.address = *address;
	return end;
}

struct class *class_join(struct lowering *l, struct identity *identity, const struct workload *workload,
			 const struct address *address, enum direction direction)
{
	const struct endpoint end = at(workload, address), any_address = {.workload = workload};
	struct class *class;
	if (address_matters(l, address, direction))
		class = class_of(l, &end, direction, true);
	else if (identity->plain_count[direction]++ > 0)
		class = identity->classes[direction];
	else
		class = identity->classes[direction] = class_of(l, &any_address, direction, true);
	if (class != NULL && class->empty)
		class_revive(l, class);
	if (class != NULL)
		class->members++;
	return class;
}

struct class *class_find(struct lowering *l, const struct identity *identity, const struct workload *workload,
			 const struct address *address, enum direction direction)
{
	const struct endpoint end = at(workload, address);
	return address_matters(l, address, direction) ? class_of(l, &end, direction, false)
						      : identity->classes[direction];
}

void class_part(struct lowering *l, struct identity *identity, const struct address *address, struct class *class,
		enum direction direction)
{
	if (!address_matters(l, address, direction))
		identity->plain_count[direction]--;
	if (class != NULL && --class->members == 0)
		touch(l, class);
}
