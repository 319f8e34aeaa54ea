/* The ends that two policies tell apart: workloads of the inventories by kind, workloads that could exist by the labels
 * that selectors ask for, pieces of the address space, and nodes. */
#include "compiler/analysis/comparing.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- both policies as one, for samples ---- */

#define JOIN(arena, joined, worlds, part, items, count_)                   \
	for (int v_ = VERSION_OLD; v_ <= VERSION_NEW; v_++)                \
		for (size_t i_ = 0; i_ < (worlds)[v_]->part->count_; i_++) \
	*arena_push((arena), (joined).items, (joined).count_) = (worlds)[v_]->part->items[i_]

/* The pools of nodes cut the address space as networks do. */
static void add_pools(struct arena *arena, struct policy *policy, const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->node_count; i++) {
		struct network *network = arena_alloc(arena, sizeof *network);
		network->cidrs = inventory->nodes[i]->pools;
		network->cidr_count = inventory->nodes[i]->pool_count;
		*arena_push(arena, policy->networks, policy->network_count) = network;
	}
}

static void sample_both(struct comparing *comparing)
{
	struct arena *arena = comparing->arena;
	struct policy policy = {0};
	struct inventory inventory = {0};
	JOIN(arena, policy, comparing->worlds, policy, networks, network_count);
	JOIN(arena, policy, comparing->worlds, policy, allows, allow_count);
	JOIN(arena, inventory, comparing->worlds, inventory, workloads, workload_count);
	JOIN(arena, inventory, comparing->worlds, inventory, nodes, node_count);
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
		add_pools(arena, &policy, comparing->worlds[version]->inventory);
	for (size_t i = 0; i < inventory.node_count; i++) { /* an address of a pool is a sample like any other */
		struct node *node = arena_alloc(arena, sizeof *node);
		*node = *inventory.nodes[i];
		node->pool_count = 0;
		inventory.nodes[i] = node;
	}
	inventory_index(&inventory, arena);
	const struct world both = {&policy, &inventory, comparing->worlds[VERSION_NEW]->at};
	samples_init(&comparing->samples, arena, &both);
}

/* ---- what differs between the inventories ---- */

static bool nodes_differ(const struct inventory *a, const struct inventory *b)
{
	bool differ = a->node_count != b->node_count;
	for (size_t i = 0; !differ && i < a->node_count; i++) {
		const struct node *other = inventory_node(b, a->nodes[i]->name);
		differ = other == NULL || !node_same_addresses(a->nodes[i], other);
	}
	return differ;
}

static bool has_label(const struct labels *labels, const struct label *label)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strcmp(labels->items[i].key, label->key) == 0 && strcmp(labels->items[i].value, label->value) == 0)
			return true;
	return false;
}

static bool namespaces_differ(const struct inventory *a, const struct inventory *b)
{
	bool differ = a->namespace_count != b->namespace_count;
	for (size_t i = 0; !differ && i < a->namespace_count; i++) {
		const struct name_space *space = a->namespaces[i];
		const struct name_space *other = inventory_namespace(b, space->name);
		differ = other == NULL || other->labels.count != space->labels.count;
		for (size_t j = 0; !differ && j < space->labels.count; j++)
			differ = !has_label(&other->labels, &space->labels.items[j]);
	}
	return differ;
}

/* ---- workloads by kind ---- */

/* A workload before it is put to those of its kind. */
struct member {
	const char *kind; /* equal for one kind */
	const struct workload *workloads[VERSIONS];
	size_t counts[VERSIONS];
	bool changed;
};

struct members {
	struct member *items;
	size_t count;
};

static int compare_labels(const void *left, const void *right)
{
	return strcmp(((const struct label *)left)->key, ((const struct label *)right)->key);
}

static void write_addresses(FILE *stream, const struct samples *samples, const struct address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(stream, "\t%zu", samples_piece(samples, &addresses[i]));
	fputc('\n', stream);
}

static const char *labels_text(struct arena *arena, const struct labels *labels)
{
	struct label *sorted = arena_alloc(arena, (labels->count + 1) * sizeof *sorted);
	const char *text = "";
	for (size_t i = 0; i < labels->count; i++)
		sorted[i] = labels->items[i];
	qsort(sorted, labels->count, sizeof *sorted, compare_labels);
	for (size_t i = 0; i < labels->count; i++)
		text = arena_printf(arena, "%s%s%s: %s", text, i > 0 ? ", " : "", sorted[i].key, sorted[i].value);
	return text;
}

/* What statements can tell of a workload. Its node counts by where its addresses lie; and by its name where a host
 * workload, which is that node to its neighbours, may run on it. */
static void write_kind(FILE *stream, const struct comparing *comparing, const struct workload *workload,
		       enum version version)
{
	const struct inventory *inventory = comparing->worlds[version]->inventory;
	const struct node *node = workload->node != NULL ? inventory_node(inventory, workload->node) : NULL;
	fprintf(stream, "%s\n%s\n%d%d%d\n", workload->name_space, labels_text(comparing->arena, &workload->labels),
		workload->conflict, quarantine_of(comparing->worlds[VERSION_OLD], workload) != NULL,
		quarantine_of(comparing->worlds[VERSION_NEW], workload) != NULL);
	for (size_t i = 0; i < workload->port_count; i++)
		fprintf(stream, "%s %u %u %u\t", workload->ports[i].name, workload->ports[i].port.protocol,
			workload->ports[i].port.first, workload->ports[i].port.last);
	fputc('\n', stream);
	if (comparing->has_hosts)
		fprintf(stream, "%d%s\n", workload_is_host(workload), workload->node != NULL ? workload->node : "");
	write_addresses(stream, &comparing->samples, workload->addresses, workload->address_count);
	write_addresses(stream, &comparing->samples, node != NULL ? node->addresses : NULL,
			node != NULL ? node->address_count : 0);
}

static const char *kind_text(const struct comparing *comparing, const struct workload *workload, enum version version)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	write_kind(stream, comparing, workload, version);
	if (fclose(stream) != 0)
		abort();
	const char *copy = arena_copy(comparing->arena, text, size);
	free(text);
	return copy;
}

static void add_known(struct comparing *comparing, struct members *members, const struct workload *workload,
		      enum version version)
{
	enum version elsewhere = version == VERSION_OLD ? VERSION_NEW : VERSION_OLD;
	const struct workload *other =
	    inventory_workload(comparing->worlds[elsewhere]->inventory, workload->name_space, workload->name);
	if (other != NULL && version == VERSION_OLD)
		return; /* it comes with the new inventory */
	struct member *member = arena_push(comparing->arena, members->items, members->count);
	member->kind = kind_text(comparing, workload, version);
	member->workloads[version] = workload;
	member->workloads[elsewhere] = other != NULL ? other : workload;
	member->counts[version] = 1;
	member->counts[elsewhere] = other != NULL;
	const char *was = other != NULL ? kind_text(comparing, other, elsewhere) : member->kind;
	member->changed = strcmp(was, member->kind) != 0;
	if (member->changed)
		member->kind = arena_printf(comparing->arena, "%s\nwas %s", member->kind, was);
}

/* A workload that could exist: with these labels and nothing else. */
static void add_possible(struct comparing *comparing, struct members *members, const char *name_space,
			 struct labels labels)
{
	struct workload *workload = arena_alloc(comparing->arena, sizeof *workload);
	*workload = (struct workload){.name_space = name_space, .labels = labels};
	workload->name = arena_printf(comparing->arena, "{%s}", labels_text(comparing->arena, &labels));
	struct member *member = arena_push(comparing->arena, members->items, members->count);
	member->kind = kind_text(comparing, workload, VERSION_NEW);
	member->workloads[VERSION_OLD] = member->workloads[VERSION_NEW] = workload;
}

/* ---- workloads that a selector asks for ---- */

/* The value that a requirement needs of its key, or one that it refuses; NULL: none. */
static const char *value_at(const struct requirement *item, size_t number)
{
	switch (item->kind) {
	case REQUIRE_IN:
	case REQUIRE_NOT_IN:
		return number < item->value_count ? item->values[number] : NULL;
	case REQUIRE_EXISTS:
	case REQUIRE_ABSENT:
		return number == 0 ? "" : NULL;
	}
	return NULL;
}

static bool needs_value(const struct requirement *item)
{
	return item->kind == REQUIRE_IN || item->kind == REQUIRE_EXISTS;
}

/* The labels that `selector` needs, but for requirement `varied`, which has value `number`. */
static struct labels labels_with(struct arena *arena, const struct selector *selector, size_t varied, size_t number)
{
	struct labels labels = {0};
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		const char *value = i == varied ? value_at(item, number) : needs_value(item) ? value_at(item, 0) : NULL;
		bool known = false;
		for (size_t j = 0; j < labels.count && !known; j++)
			known = strcmp(labels.items[j].key, item->key) == 0;
		if (value != NULL && !known)
			*arena_push(arena, labels.items, labels.count) = (struct label){item->key, value};
	}
	return labels;
}

/* One workload with what the selector needs, and one for each other value that it lists: those of `not` too, since a
 * selector without them would match. */
static void add_selected(struct comparing *comparing, struct members *members, const char *name_space,
			 const struct selector *selector)
{
	struct arena *arena = comparing->arena;
	add_possible(comparing, members, name_space, labels_with(arena, selector, selector->count, 0));
	for (size_t i = 0; i < selector->count; i++)
		for (size_t j = needs_value(&selector->items[i]); value_at(&selector->items[i], j) != NULL; j++)
			add_possible(comparing, members, name_space, labels_with(arena, selector, i, j));
}

/* A namespace that nobody can have defined. */
static const char nowhere[] = "(any namespace)";

static void add_peer(struct comparing *comparing, struct members *members, const struct peer *peer)
{
	if (peer->kind != PEER_LABELS)
		return;
	for (size_t i = 0; peer->scope == NAMESPACES_LISTED && i < peer->namespace_count; i++)
		add_selected(comparing, members, peer->namespaces[i], &peer->labels);
	if (peer->scope == NAMESPACES_ANY)
		add_selected(comparing, members, nowhere, &peer->labels);
	for (int version = VERSION_OLD; peer->scope == NAMESPACES_LABELS && version <= VERSION_NEW; version++) {
		const struct inventory *inventory = comparing->worlds[version]->inventory;
		for (size_t i = 0; i < inventory->namespace_count; i++)
			if (selector_matches(&peer->namespace_labels, &inventory->namespaces[i]->labels))
				add_selected(comparing, members, inventory->namespaces[i]->name, &peer->labels);
	}
}

static void add_all_selected(struct comparing *comparing, struct members *members, const struct policy *policy)
{
	for (size_t i = 0; i < policy->isolation_count; i++)
		add_selected(comparing, members, policy->isolations[i]->name_space, &policy->isolations[i]->workloads);
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		for (size_t j = 0; j < flows->from_count; j++)
			add_peer(comparing, members, &flows->from[j]);
		for (size_t j = 0; j < flows->to_count; j++)
			add_peer(comparing, members, &flows->to[j].peer);
	}
}

/* ---- members to ends ---- */

/* Those of both inventories first, so that they stand for their kind, and possible ones last. */
static int compare_members(const void *left, const void *right)
{
	const struct member *a = left, *b = right;
	int order = strcmp(a->kind, b->kind);
	if (order == 0)
		order = (int)(b->counts[VERSION_OLD] + b->counts[VERSION_NEW]) -
			(int)(a->counts[VERSION_OLD] + a->counts[VERSION_NEW]);
	return order != 0 ? order : strcmp(a->workloads[VERSION_NEW]->name, b->workloads[VERSION_NEW]->name);
}

bool end_calls_itself(const struct end *end)
{
	return end->kind == END_WORKLOAD &&
	       (workload_is_host(end->workloads[VERSION_OLD]) || workload_is_host(end->workloads[VERSION_NEW]));
}

static void add_workload_ends(struct comparing *comparing, struct members *members)
{
	if (members->count > 1)
		qsort(members->items, members->count, sizeof *members->items, compare_members);
	struct end *end = NULL;
	for (size_t i = 0; i < members->count; i++) {
		const struct member *member = &members->items[i];
		bool possible = member->counts[VERSION_OLD] + member->counts[VERSION_NEW] == 0;
		bool fresh = i == 0 || strcmp(members->items[i - 1].kind, member->kind) != 0;
		if (fresh) {
			end = arena_push(comparing->arena, comparing->ends, comparing->end_count);
			end->changed = member->changed;
		}
		for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
			end->counts[version] += member->counts[version];
			if (fresh)
				end->workloads[version] = member->workloads[version];
			else if (end->twins[version] == NULL)
				end->twins[version] = member->workloads[version];
		}
		if (fresh && end_calls_itself(end)) {
			end->twins[VERSION_OLD] = end->workloads[VERSION_OLD];
			end->twins[VERSION_NEW] = end->workloads[VERSION_NEW];
		}
		if (fresh && possible) {
			struct workload *twin = arena_alloc(comparing->arena, sizeof *twin);
			*twin = *member->workloads[VERSION_NEW];
			end->twins[VERSION_OLD] = end->twins[VERSION_NEW] = twin;
		}
	}
}

/* ---- ends that are no workloads ---- */

static void add_address(struct comparing *comparing, const struct address *address)
{
	struct end *end = arena_push(comparing->arena, comparing->ends, comparing->end_count);
	end->kind = END_ADDRESS;
	end->address = *address;
	end->name = "world";
	for (int version = VERSION_NEW; version >= VERSION_OLD; version--) {
		const struct policy *policy = comparing->worlds[version]->policy;
		for (size_t i = 0; i < policy->network_count; i++)
			if (network_contains(policy->networks[i], address)) {
				end->name = arena_printf(comparing->arena, "%s/%s", policy->networks[i]->name_space,
							 policy->networks[i]->name);
				return;
			}
	}
}

static void add_node_ends(struct comparing *comparing, const struct inventory *inventory, bool *pieces)
{
	const struct world *const *worlds = comparing->worlds;
	for (size_t i = 0; i < inventory->node_count; i++) {
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++) {
			const struct address *address = &inventory->nodes[i]->addresses[j];
			size_t piece = samples_piece(&comparing->samples, address);
			if ((inventory_node_at(worlds[VERSION_OLD]->inventory, address) == NULL) !=
			    (inventory_node_at(worlds[VERSION_NEW]->inventory, address) == NULL))
				add_address(comparing, address);
			if (pieces[piece])
				continue;
			pieces[piece] = true;
			struct end *end = arena_push(comparing->arena, comparing->ends, comparing->end_count);
			*end = (struct end){.kind = END_OTHER_NODE, .name = "another node", .piece = piece};
		}
	}
}

static void add_strangers(struct comparing *comparing)
{
	const struct samples *samples = &comparing->samples;
	bool *pieces = arena_alloc(comparing->arena, samples->address_count + 1);
	for (size_t i = 0; i < samples->address_count; i++)
		if (samples->addresses[i].outside)
			add_address(comparing, &samples->addresses[i].address);
	*arena_push(comparing->arena, comparing->ends, comparing->end_count) =
	    (struct end){.kind = END_OWN_NODE, .name = "node"};
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
		add_node_ends(comparing, comparing->worlds[version]->inventory, pieces);
}

/* ---- what is known of an end ---- */

/* Whether what holds without any allow differs. */
static void find_touched(struct comparing *comparing, struct end *end)
{
	bool isolated[VERSIONS][DIRECTIONS], trusts[VERSIONS], held[VERSIONS];
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		const struct workload *workload = end->workloads[version];
		struct policy policy = *comparing->worlds[version]->policy;
		const struct isolation *by;
		policy.isolations = end->isolations[version];
		policy.isolation_count = end->isolation_counts[version];
		const struct world world = {&policy, comparing->worlds[version]->inventory,
					    comparing->worlds[version]->at};
		for (int i = EGRESS; i <= INGRESS; i++)
			isolated[version][i] = workload_isolated(&world, workload, (enum direction)i, &by);
		trusts[version] = workload_trusts_node(&policy, workload);
		held[version] = quarantine_of(&world, workload) != NULL;
	}
	for (int i = EGRESS; i <= INGRESS; i++)
		end->touched[i] = end->changed || held[VERSION_OLD] != held[VERSION_NEW] ||
				  trusts[VERSION_OLD] != trusts[VERSION_NEW] ||
				  isolated[VERSION_OLD][i] != isolated[VERSION_NEW][i];
}

/* The service that an end is of, else the workload's own name, else its labels. */
static void name_workload(struct comparing *comparing, struct end *end)
{
	const struct workload *workload = end->workloads[VERSION_NEW];
	size_t count = end->counts[VERSION_NEW] > 0 ? end->counts[VERSION_NEW] : end->counts[VERSION_OLD];
	for (int version = VERSION_NEW; version >= VERSION_OLD && end->name == NULL; version--)
		for (size_t i = 0; i < end->isolation_counts[version] && end->name == NULL; i++)
			if (end->isolations[version][i]->service != NULL)
				end->name =
				    arena_printf(comparing->arena, "%s/%s", end->isolations[version][i]->name_space,
						 end->isolations[version][i]->service->name);
	end->is_nameless = end->name == NULL && count == 0;
	if (end->is_nameless && workload->labels.count == 0 && workload->name_space == nowhere)
		end->name = "other workloads";
	if (end->changed || (end->name == NULL && count == 1))
		end->name = arena_printf(comparing->arena, "%s/%s", workload->name_space, workload->name);
	if (end->name == NULL)
		end->name = arena_printf(comparing->arena, "%s/{%s}", workload->name_space,
					 labels_text(comparing->arena, &workload->labels));
}

static void finish(struct comparing *comparing, struct end *end)
{
	const struct inventory *inventories[] = {comparing->worlds[VERSION_OLD]->inventory,
						 comparing->worlds[VERSION_NEW]->inventory};
	switch (end->kind) {
	case END_WORKLOAD:
		for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
			end->isolations[version] =
			    selecting_find(comparing->selecting[version], comparing->arena, end->workloads[version],
					   &end->isolation_counts[version]);
		for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
			samples_add_workload(&comparing->samples, comparing->arena, comparing->worlds[version],
					     &end->at[version], end->workloads[version]);
		find_touched(comparing, end);
		name_workload(comparing, end);
		break;
	case END_ADDRESS:
		end->touched[EGRESS] = end->touched[INGRESS] =
		    inventory_in_pool(inventories[VERSION_OLD], &end->address) !=
			inventory_in_pool(inventories[VERSION_NEW], &end->address) ||
		    (inventory_node_at(inventories[VERSION_OLD], &end->address) == NULL) !=
			(inventory_node_at(inventories[VERSION_NEW], &end->address) == NULL);
		break;
	case END_OWN_NODE:
	case END_OTHER_NODE:
		end->touched[EGRESS] = end->touched[INGRESS] = comparing->nodes_differ;
		break;
	}
}

void ends_find(struct comparing *comparing)
{
	struct members members = {0};
	const struct inventory *inventories[] = {comparing->worlds[VERSION_OLD]->inventory,
						 comparing->worlds[VERSION_NEW]->inventory};
	comparing->namespaces_differ = namespaces_differ(inventories[VERSION_OLD], inventories[VERSION_NEW]);
	comparing->nodes_differ = nodes_differ(inventories[VERSION_OLD], inventories[VERSION_NEW]);
	comparing->has_hosts =
	    inventory_has_hosts(inventories[VERSION_OLD]) || inventory_has_hosts(inventories[VERSION_NEW]);
	sample_both(comparing);
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		comparing->selecting[version] = selecting_create(comparing->arena, comparing->worlds[version]->policy);
		for (size_t i = 0; i < inventories[version]->workload_count; i++)
			add_known(comparing, &members, inventories[version]->workloads[i], (enum version)version);
		add_all_selected(comparing, &members, comparing->worlds[version]->policy);
	}
	add_possible(comparing, &members, nowhere, (struct labels){0}); /* whom no service selects */
	add_workload_ends(comparing, &members);
	add_strangers(comparing);
	for (size_t i = 0; i < comparing->end_count; i++)
		finish(comparing, &comparing->ends[i]);
}

/* ---- an end towards another ---- */

static void add_endpoint(struct arena *arena, struct endpoints *endpoints, struct endpoint endpoint)
{
	*arena_push(arena, endpoints->items, endpoints->count) = endpoint;
}

/* The node that `other` runs on, which stands for itself where nothing is known of it. */
static void resolve_own_node(const struct comparing *comparing, struct arena *arena, struct endpoints *endpoints,
			     const struct inventory *inventory, const struct workload *other)
{
	const struct node *node = other->node != NULL ? inventory_node(inventory, other->node) : NULL;
	for (size_t i = 0; node != NULL && i < node->address_count; i++)
		add_endpoint(arena, endpoints, (struct endpoint){.has_address = true, .address = node->addresses[i]});
	if (endpoints->count == 0)
		add_endpoint(arena, endpoints, (struct endpoint){.stands_for = PEER_NODE});
	for (size_t i = 0; workload_is_host(other) && i < comparing->samples.loopback_count; i++)
		add_endpoint(arena, endpoints,
			     (struct endpoint){.has_address = true, .address = comparing->samples.loopbacks[i]});
}

static void resolve_other_node(const struct comparing *comparing, struct arena *arena, struct endpoints *endpoints,
			       const struct inventory *inventory, const struct workload *other, size_t piece)
{
	for (size_t i = 0; i < inventory->node_count && endpoints->count == 0; i++) {
		const struct node *node = inventory->nodes[i];
		if (other->node != NULL && strcmp(node->name, other->node) == 0)
			continue;
		for (size_t j = 0; j < node->address_count && endpoints->count == 0; j++)
			if (samples_piece(&comparing->samples, &node->addresses[j]) == piece)
				add_endpoint(arena, endpoints,
					     (struct endpoint){.has_address = true, .address = node->addresses[j]});
	}
}

struct endpoints ends_resolve(const struct comparing *comparing, struct arena *arena, const struct end *end, bool twin,
			      const struct workload *other, enum version version)
{
	const struct inventory *inventory = comparing->worlds[version]->inventory;
	struct endpoints endpoints = {0};
	switch (end->kind) {
	case END_WORKLOAD:
		if (!twin)
			return end->at[version];
		samples_add_workload(&comparing->samples, arena, comparing->worlds[version], &endpoints,
				     end->twins[version]);
		break;
	case END_ADDRESS:
		add_endpoint(arena, &endpoints, (struct endpoint){.has_address = true, .address = end->address});
		break;
	case END_OWN_NODE:
		resolve_own_node(comparing, arena, &endpoints, inventory, other);
		break;
	case END_OTHER_NODE:
		resolve_other_node(comparing, arena, &endpoints, inventory, other, end->piece);
		break;
	}
	return endpoints;
}

bool ends_may_match(const struct comparing *comparing, const struct peer *peer, const struct end *end,
		    enum version version)
{
	const struct world *world = comparing->worlds[version];
	if (end->kind == END_WORKLOAD && peer->kind == PEER_SERVICE) { /* its isolation selects the same */
		for (size_t i = 0; i < end->isolation_counts[version]; i++)
			if (end->isolations[version][i]->service == peer->service)
				return true;
		return false;
	}
	if (end->kind == END_WORKLOAD) {
		size_t count = peer->kind == PEER_NETWORK ? end->at[version].count : 1;
		for (size_t i = 0; i < count; i++)
			if (peer_may_match(world, peer, &end->at[version].items[i]))
				return true;
		return false;
	}
	if (end->kind == END_ADDRESS && peer->kind == PEER_NETWORK)
		return network_contains(peer->network, &end->address);
	return peer->kind != PEER_SERVICE && peer->kind != PEER_LABELS && peer->kind != PEER_CLUSTER;
}
