/* The ends of the graph in hops.h: workloads by kind, workloads of services that have none yet, pieces of the address
 * space under the name of the narrowest network that holds them, and nodes. */
#include "compiler/analysis/hops.h"
#include "compiler/analysis/comparing.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

enum { BOTH_FAMILIES = 3 };

static struct hop_end *add(struct hops *hops, enum hop_end_kind kind, const char *name)
{
	struct hop_end *end = arena_push(hops->arena, hops->ends, hops->end_count);
	*end = (struct hop_end){.kind = kind, .name = name, .families = BOTH_FAMILIES};
	return end;
}

static void add_at(const struct hops *hops, struct hop_end *end, struct endpoint endpoint)
{
	if (end->at.count == 0)
		end->families = 0;
	end->families |= endpoint.address.family == 0 ? BOTH_FAMILIES : endpoint.address.family == 4 ? 1 : 2;
	*arena_push(hops->arena, end->at.items, end->at.count) = endpoint;
}

static void be_workload(const struct hops *hops, struct hop_end *end, const struct workload *workload)
{
	end->workload = workload;
	end->at = (struct endpoints){0};
	struct endpoints endpoints = {0};
	samples_add_workload(&hops->samples, hops->arena, hops->world, &endpoints, workload);
	for (size_t i = 0; i < endpoints.count; i++)
		add_at(hops, end, endpoints.items[i]);
}

/* ---- workloads ---- */

static void find_services(const struct hops *hops, const struct selecting *selecting, struct hop_end *end)
{
	end->isolations = selecting_find(selecting, hops->arena, end->workload, &end->isolation_count);
	for (size_t i = 0; i < end->isolation_count; i++)
		if (end->isolations[i]->service != NULL)
			*arena_push(hops->arena, end->services, end->service_count) = end->isolations[i]->service;
}

/* The services that a workload is of, else its own name. */
static const char *workload_name(const struct hops *hops, const struct hop_end *end)
{
	enum { MOST = 3 };
	const char *name = NULL;
	for (size_t i = 0; i < end->service_count && i < MOST; i++)
		name = arena_printf(hops->arena, "%s%s%s/%s", name != NULL ? name : "", name != NULL ? "+" : "",
				    end->services[i]->name_space, end->services[i]->name);
	if (name == NULL)
		return arena_printf(hops->arena, "%s/%s", end->workload->name_space, end->workload->name);
	return end->service_count > MOST ? arena_printf(hops->arena, "%s+...", name) : name;
}

/* A workload, and what tells it from those of another end. */
struct placed {
	const struct workload *workload;
	size_t kind, place; /* place: in the inventory */
	const char *node;   /* "" where there are no host workloads */
};

static int compare_groups(const struct placed *a, const struct placed *b)
{
	return a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind) : strcmp(a->node, b->node);
}

static int compare_placed(const void *left, const void *right)
{
	const struct placed *a = left, *b = right;
	int order = compare_groups(a, b);
	return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/* An end for each kind. A host workload is the node to its neighbours, so where there are such, for each kind on a
 * node.
 */
static void add_kinds(struct hops *hops, const struct selecting *selecting)
{
	const struct inventory *inventory = hops->world->inventory;
	size_t first = hops->end_count, count = inventory->workload_count;
	bool by_node = inventory_has_hosts(inventory);
	struct placed *placed = arena_alloc(hops->arena, (count + 1) * sizeof *placed);
	for (size_t i = 0; i < count; i++) {
		const struct workload *workload = inventory->workloads[i];
		placed[i] = (struct placed){workload, hops->samples.kinds[i], i,
					    by_node && workload->node != NULL ? workload->node : ""};
	}
	if (count > 1)
		qsort(placed, count, sizeof *placed, compare_placed);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_groups(&placed[i - 1], &placed[i]) != 0)
			add(hops, HOP_WORKLOADS, NULL);
		struct hop_end *end = &hops->ends[hops->end_count - 1];
		*arena_push(hops->arena, end->members, end->member_count) = placed[i].workload;
	}
	for (size_t i = first; i < hops->end_count; i++) {
		be_workload(hops, &hops->ends[i], hops->ends[i].members[0]);
		find_services(hops, selecting, &hops->ends[i]);
	}
}

/* How many workloads a selector asks for: one for each choice among the values that it lists. */
static size_t choice_count(const struct selector *selector)
{
	enum { CHOICES_MOST = 256 };
	size_t count = 1;
	for (size_t i = 0; i < selector->count; i++)
		if (selector->items[i].kind == REQUIRE_IN && count < CHOICES_MOST)
			count *= selector->items[i].value_count;
	return count < CHOICES_MOST ? count : CHOICES_MOST;
}

/* One that could exist: with the labels that `selector` requires and no others. */
static struct hop_end *add_possible(struct hops *hops, const struct selecting *selecting, const char *name_space,
				    const struct selector *selector, size_t choice)
{
	struct workload *workload = arena_alloc(hops->arena, sizeof *workload);
	*workload = (struct workload){.name_space = name_space, .name = "{"};
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		const char *value = "";
		if (item->kind == REQUIRE_NOT_IN || item->kind == REQUIRE_ABSENT)
			continue;
		if (item->kind == REQUIRE_IN) {
			value = item->values[choice % item->value_count];
			choice /= item->value_count;
		}
		workload->name = arena_printf(hops->arena, "%s%s%s: %s", workload->name,
					      workload->labels.count > 0 ? ", " : "", item->key, value);
		*arena_push(hops->arena, workload->labels.items, workload->labels.count) =
		    (struct label){item->key, value};
	}
	workload->name = arena_printf(hops->arena, "%s}", workload->name);
	struct hop_end *end = add(hops, HOP_WORKLOADS, NULL);
	be_workload(hops, end, workload);
	find_services(hops, selecting, end);
	return end;
}

static int compare_services(const void *left, const void *right)
{
	const struct service *a = *(const struct service *const *)left, *b = *(const struct service *const *)right;
	return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

/* Those of each service that no workload of the inventory carries. */
static void add_of_services(struct hops *hops, const struct selecting *selecting)
{
	const struct policy *policy = hops->world->policy;
	const struct service **known = NULL;
	size_t count = 0;
	for (size_t i = 0; i < hops->end_count; i++)
		for (size_t j = 0; j < hops->ends[i].service_count; j++)
			*arena_push(hops->arena, known, count) = hops->ends[i].services[j];
	if (count > 1)
		qsort(known, count, sizeof *known, compare_services);
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		bool has = count > 0 && bsearch(&service, known, count, sizeof *known, compare_services) != NULL;
		for (size_t j = 0; !has && j < choice_count(&service->workloads); j++)
			add_possible(hops, selecting, service->name_space, &service->workloads, j);
	}
}

/* ---- workloads that only statements know: where there is no inventory at all ---- */

struct speaking {
	struct hops *hops;
	const struct selecting *selecting;
	const char **names; /* of networks and workloads that were met, sorted */
	size_t name_count;
	const struct peer **networks;
	size_t network_count;
	bool built_in[PEER_NODE + 1];
};

/* Whether `name` is met for the first time. */
static bool is_new(struct speaking *speaking, const char *name)
{
	size_t low = 0, high = speaking->name_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(speaking->names[middle], name);
		if (order == 0)
			return false;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	(void)arena_push(speaking->hops->arena, speaking->names, speaking->name_count);
	for (size_t i = speaking->name_count - 1; i > low; i--)
		speaking->names[i] = speaking->names[i - 1];
	speaking->names[low] = name;
	return true;
}

static void add_selected(struct speaking *speaking, const char *name_space, const struct selector *selector)
{
	for (size_t i = 0; i < choice_count(selector); i++) {
		const struct hop_end *end = add_possible(speaking->hops, speaking->selecting, name_space, selector, i);
		const struct workload *workload = end->workload;
		if (!is_new(speaking, arena_printf(speaking->hops->arena, "%s/%s", name_space, workload->name)))
			speaking->hops->end_count--;
	}
}

static void add_labelled(struct speaking *speaking, const struct peer *peer)
{
	const struct inventory *inventory = speaking->hops->world->inventory;
	switch (peer->scope) {
	case NAMESPACES_LISTED:
		for (size_t i = 0; i < peer->namespace_count; i++)
			add_selected(speaking, peer->namespaces[i], &peer->labels);
		break;
	case NAMESPACES_ANY:
		add_selected(speaking, "(any namespace)", &peer->labels);
		break;
	case NAMESPACES_LABELS:
		for (size_t i = 0; i < inventory->namespace_count; i++)
			if (selector_matches(&peer->namespace_labels, &inventory->namespaces[i]->labels))
				add_selected(speaking, inventory->namespaces[i]->name, &peer->labels);
		break;
	}
}

static void add_labelled_of(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		if (flows->from[i].kind == PEER_LABELS)
			add_labelled(context, &flows->from[i]);
	for (size_t i = 0; i < flows->to_count; i++)
		if (flows->to[i].peer.kind == PEER_LABELS)
			add_labelled(context, &flows->to[i].peer);
}

static void add_of_statements(struct speaking *speaking)
{
	const struct policy *policy = speaking->hops->world->policy;
	for (size_t i = policy->service_count; i < policy->isolation_count; i++)
		add_selected(speaking, policy->isolations[i]->name_space, &policy->isolations[i]->workloads);
	policy_each_flows(speaking->hops->world, add_labelled_of, speaking);
}

/* ---- what is no workload of ours ---- */

static void note_peer(struct speaking *speaking, const struct peer *peer)
{
	speaking->built_in[peer->kind] = true;
	if (peer->kind == PEER_NETWORK && is_new(speaking, peer->name))
		*arena_push(speaking->hops->arena, speaking->networks, speaking->network_count) = peer;
}

static void note_peers(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		note_peer(context, &flows->from[i]);
	for (size_t i = 0; i < flows->to_count; i++)
		note_peer(context, &flows->to[i].peer);
}

/* The length of the longest prefix of a network that holds `address`, or -1. */
static int narrowness(const struct network *network, const struct address *address)
{
	int longest = -1;
	for (size_t i = 0; network_contains(network, address) && i < network->cidr_count; i++)
		if (prefix_contains(&network->cidrs[i], address) && network->cidrs[i].length > longest)
			longest = network->cidrs[i].length;
	return longest;
}

static const char *address_owner(const struct speaking *speaking, const struct address *address)
{
	const char *name = "world";
	int narrowest = -1;
	for (size_t i = 0; i < speaking->network_count; i++) {
		int length = narrowness(speaking->networks[i]->network, address);
		if (length > narrowest) {
			narrowest = length;
			name = speaking->networks[i]->name;
		}
	}
	return name;
}

struct owned {
	const char *name;
	struct address address;
};

static int compare_owned(const void *left, const void *right)
{
	const struct owned *a = left, *b = right;
	int order = strcmp(a->name, b->name);
	return order != 0 ? order : address_compare(&a->address, &b->address);
}

static void add_addresses(const struct speaking *speaking)
{
	struct hops *hops = speaking->hops;
	const struct samples *samples = &hops->samples;
	struct owned *owned = NULL;
	size_t count = 0;
	for (size_t i = 0; i < samples->address_count; i++)
		if (samples->addresses[i].outside)
			*arena_push(hops->arena, owned, count) = (struct owned){
			    address_owner(speaking, &samples->addresses[i].address), samples->addresses[i].address};
	if (count > 1)
		qsort(owned, count, sizeof *owned, compare_owned);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(owned[i - 1].name, owned[i].name) != 0)
			add(hops, HOP_OUTSIDE, owned[i].name);
		add_at(hops, &hops->ends[hops->end_count - 1],
		       (struct endpoint){.has_address = true, .address = owned[i].address});
	}
}

static void add_strangers(struct speaking *speaking)
{
	struct hops *hops = speaking->hops;
	static const struct {
		enum peer_kind kind;
		const char *name;
	} words[] = {{PEER_ANY, "any"}, {PEER_CLUSTER, "cluster"}};
	speaking->name_count = 0;
	policy_each_flows(hops->world, note_peers, speaking);
	add_addresses(speaking);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (speaking->built_in[words[i].kind])
			add_at(hops, add(hops, HOP_OUTSIDE, words[i].name),
			       (struct endpoint){.stands_for = words[i].kind});
	add(hops, HOP_OWN_NODE, "node");
	if (hops->world->inventory->node_count > 0)
		add(hops, HOP_OTHER_NODE, "another node");
}

/* ---- all of them ---- */

static int compare_ends(const void *left, const void *right)
{
	const struct hop_end *a = left, *b = right;
	int order = (a->kind > b->kind) - (a->kind < b->kind);
	if (order == 0)
		order = strcmp(a->name, b->name);
	if (order == 0 && a->workload != NULL && b->workload != NULL)
		order = strcmp(a->workload->name, b->workload->name);
	return order;
}

void hops_find_ends(struct hops *hops, bool possible)
{
	const struct world *world = hops->world;
	const struct selecting *selecting = selecting_create(hops->arena, world->policy);
	struct speaking speaking = {.hops = hops, .selecting = selecting};
	add_kinds(hops, selecting);
	if (possible)
		add_of_services(hops, selecting);
	if (possible && world->inventory->workload_count == 0)
		add_of_statements(&speaking);
	for (size_t i = 0; i < hops->end_count; i++)
		hops->ends[i].name = workload_name(hops, &hops->ends[i]);
	hops->workload_ends = hops->end_count;
	add_strangers(&speaking);
	qsort(hops->ends, hops->end_count, sizeof *hops->ends, compare_ends);
	hops_find_statements(hops);
}

struct hop_end hops_source(const struct hops *hops, const struct endpoint *endpoint)
{
	struct hop_end end = {.kind = HOP_OUTSIDE};
	if (endpoint->workload != NULL) {
		end.kind = HOP_WORKLOADS;
		be_workload(hops, &end, endpoint->workload);
		find_services(hops, selecting_create(hops->arena, hops->world->policy), &end);
		end.name = workload_name(hops, &end);
	} else {
		add_at(hops, &end, *endpoint);
		end.name = endpoint_name(hops->arena, endpoint);
	}
	hops_find_statements_of(hops, &end);
	return end;
}
