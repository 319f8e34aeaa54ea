/* Whom the peers of a test stand for: workloads with just the labels that they ask for, those of the inventory, and one
 * address of each piece that the policy tells apart.
 *
 * `cluster`, `any` and `namespaces: any` depend on what other statements name, and addresses on where they cut. So that
 * coverage can tell what a test would ask without some statement, each end knows whom it is owed to. */
#include "compiler/analysis/testing.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMBINATIONS_MOST = 64 }; /* of values in the lists of one selector */

/* The ends of one peer, as they are found. */
struct finding {
	struct testing *testing;
	const struct policy_test *test;
	const struct peer *peer;
	struct test_ends *ends;
};

static struct test_end *add(const struct finding *finding, struct endpoint end)
{
	struct test_end *added = arena_push(finding->testing->arena, finding->ends->items, finding->ends->count);
	*added = (struct test_end){.end = end, .peer = finding->peer, .sample = NO_SAMPLE};
	return added;
}

/* ---- workloads ---- */

static void add_workload(const struct finding *finding, const struct workload *workload)
{
	const struct testing *testing = finding->testing;
	struct endpoints endpoints = {0};
	samples_add_workload(&testing->samples, testing->arena, testing->world, &endpoints, workload);
	for (size_t i = 0; i < endpoints.count; i++)
		add(finding, endpoints.items[i]);
}

/* The workloads of the inventory that the peer matches. */
static void add_known(const struct finding *finding)
{
	const struct samples *samples = &finding->testing->samples;
	for (size_t i = 0; i < samples->workload_count; i++) {
		const struct endpoint end = {.workload = samples->workloads[i]}, other = {.stands_for = PEER_ANY};
		if (peer_matches(finding->testing->world, finding->peer, &end, &other))
			add_workload(finding, samples->workloads[i]);
	}
}

/* Workloads with just the labels that a service requires: of a list of values, one with each. */
static void add_required(const struct finding *finding, const struct service *service, const struct flows *only)
{
	struct arena *arena = finding->testing->arena;
	size_t combinations = 1;
	for (size_t i = 0; i < service->workloads.count && combinations < COMBINATIONS_MOST; i++)
		if (service->workloads.items[i].kind == REQUIRE_IN)
			combinations *= service->workloads.items[i].value_count;
	for (size_t number = 0; number < combinations && number < COMBINATIONS_MOST; number++) {
		struct service one = *service;
		size_t rest = number;
		one.workloads.items = arena_alloc(arena, (service->workloads.count + 1) * sizeof *one.workloads.items);
		for (size_t i = 0; i < service->workloads.count; i++) {
			struct requirement *item = &one.workloads.items[i];
			*item = service->workloads.items[i];
			if (item->kind != REQUIRE_IN)
				continue;
			item->values += rest % item->value_count;
			rest /= item->value_count;
			item->value_count = 1;
		}
		struct test_end *end = add(finding, endpoint_of_service(arena, &one));
		end->supposed = true;
		end->only = only;
	}
}

/* Workloads with just the labels that a peer by labels requires. */
static void add_labelled(const struct finding *finding, const struct peer *peer, const char *name_space,
			 const struct flows *only)
{
	const struct service like = {.name_space = name_space,
				     .name = arena_printf(finding->testing->arena, "with %s", peer->name),
				     .workloads = peer->labels,
				     .span = peer->span};
	add_required(finding, &like, only);
}

/* ---- what other statements name ---- */

struct telling {
	struct testing *testing;
	struct told_list *list;
};

static void tell(const struct telling *telling, const char *key, const struct peer *peer, const char *name_space,
		 const struct flows *only)
{
	struct told_list *list = telling->list;
	struct told *told = arena_push(telling->testing->arena, list->items, list->count);
	*told = (struct told){key, peer, name_space, only, list->count - 1};
}

static int compare_told(const void *left, const void *right)
{
	const struct told *a = left, *b = right;
	int order = strcmp(a->key, b->key);
	return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static int compare_places(const void *left, const void *right)
{
	const struct told *a = left, *b = right;
	return (a->place > b->place) - (a->place < b->place);
}

/* Keeps each once, in the order in which they were told. */
static void settle(struct told_list *list)
{
	size_t kept = 0;
	if (list->count > 1)
		qsort(list->items, list->count, sizeof *list->items, compare_told);
	for (size_t i = 0; i < list->count; i++) {
		struct told *last = kept > 0 ? &list->items[kept - 1] : NULL;
		if (last == NULL || strcmp(last->key, list->items[i].key) != 0)
			list->items[kept++] = list->items[i];
		else if (last->only != list->items[i].only)
			last->only = NULL;
	}
	list->count = kept;
	if (kept > 1)
		qsort(list->items, kept, sizeof *list->items, compare_places);
	list->made = true;
}

static void tell_spaces(void *context, const struct flows *flows)
{
	const struct telling *telling = context;
	for (size_t i = 0; i < flows->from_count + flows->to_count; i++) {
		const struct peer *peer =
		    i < flows->from_count ? &flows->from[i] : &flows->to[i - flows->from_count].peer;
		for (size_t j = 0; j < peer->namespace_count; j++)
			tell(telling, peer->namespaces[j], NULL, peer->namespaces[j], flows);
	}
}

/* Every namespace that the inventory or a statement names. */
static const struct told_list *find_spaces(struct testing *testing)
{
	const struct telling telling = {testing, &testing->spaces};
	const struct world *world = testing->world;
	if (testing->spaces.made)
		return &testing->spaces;
	for (size_t i = 0; i < world->inventory->namespace_count; i++) {
		const char *name = world->inventory->namespaces[i]->name;
		tell(&telling, name, NULL, name, NULL);
	}
	for (size_t i = 0; i < world->policy->isolation_count; i++) {
		const char *name = world->policy->isolations[i]->name_space;
		tell(&telling, name, NULL, name, NULL);
	}
	policy_each_flows(world, tell_spaces, (void *)&telling);
	settle(&testing->spaces);
	return &testing->spaces;
}

/* Equal for selectors that are written alike. */
static const char *labels_key(struct arena *arena, const struct selector *selector, const char *name_space)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	fprintf(stream, "%s", name_space != NULL ? name_space : "");
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		fprintf(stream, "\n%d %s", (int)item->kind, item->key);
		for (size_t j = 0; j < item->value_count; j++)
			fprintf(stream, " %s", item->values[j]);
	}
	if (fclose(stream) != 0)
		abort();
	const char *key = arena_copy(arena, text, size);
	free(text);
	return key;
}

static void tell_labelled(const struct telling *telling, const struct peer *peer, const char *name_space,
			  const struct flows *only)
{
	tell(telling, labels_key(telling->testing->arena, &peer->labels, name_space), peer, name_space, only);
}

static void tell_peer(const struct telling *telling, const struct peer *peer, const struct flows *flows)
{
	const struct inventory *inventory = telling->testing->world->inventory;
	if (peer->kind != PEER_LABELS)
		return;
	for (size_t i = 0; peer->scope == NAMESPACES_LISTED && i < peer->namespace_count; i++)
		tell_labelled(telling, peer, peer->namespaces[i], flows);
	for (size_t i = 0; peer->scope == NAMESPACES_LABELS && i < inventory->namespace_count; i++)
		if (selector_matches(&peer->namespace_labels, &inventory->namespaces[i]->labels))
			tell_labelled(telling, peer, inventory->namespaces[i]->name, flows);
	if (peer->scope == NAMESPACES_ANY)
		tell_labelled(telling, peer, NULL, flows);
}

static void tell_flows(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		tell_peer(context, &flows->from[i], flows);
	for (size_t i = 0; i < flows->to_count; i++)
		tell_peer(context, &flows->to[i].peer, flows);
}

/* Whom statements name by labels. */
static const struct told_list *find_workloads(struct testing *testing)
{
	const struct telling telling = {testing, &testing->workloads};
	if (testing->workloads.made)
		return &testing->workloads;
	policy_each_flows(testing->world, tell_flows, (void *)&telling);
	settle(&testing->workloads);
	return &testing->workloads;
}

/* ---- peers ---- */

static void add_labels(const struct finding *finding, const char **problem)
{
	const struct inventory *inventory = finding->testing->world->inventory;
	const struct peer *peer = finding->peer;
	size_t before = finding->ends->count;
	for (size_t i = 0; peer->scope == NAMESPACES_LISTED && i < peer->namespace_count; i++)
		add_labelled(finding, peer, peer->namespaces[i], NULL);
	if (peer->scope == NAMESPACES_ANY) {
		const struct told_list *spaces = find_spaces(finding->testing);
		add_labelled(finding, peer, finding->test->name_space, NULL);
		for (size_t i = 0; i < spaces->count; i++)
			if (strcmp(spaces->items[i].name_space, finding->test->name_space) != 0)
				add_labelled(finding, peer, spaces->items[i].name_space, spaces->items[i].only);
	}
	for (size_t i = 0; peer->scope == NAMESPACES_LABELS && i < inventory->namespace_count; i++)
		if (selector_matches(&peer->namespace_labels, &inventory->namespaces[i]->labels))
			add_labelled(finding, peer, inventory->namespaces[i]->name, NULL);
	if (finding->ends->count == before)
		*problem = arena_printf(finding->testing->arena,
					"no namespace of the inventory has the labels that `%s` asks for", peer->name);
	add_known(finding);
}

/* All that the policy knows of: its services, and who its statements name by labels. */
static void add_services(const struct finding *finding)
{
	const struct policy *policy = finding->testing->world->policy;
	const struct told_list *workloads = find_workloads(finding->testing);
	for (size_t i = 0; i < policy->service_count; i++)
		add_required(finding, policy->services[i], NULL);
	for (size_t i = 0; i < workloads->count; i++) {
		const struct told *told = &workloads->items[i];
		add_labelled(finding, told->peer,
			     told->name_space != NULL ? told->name_space : finding->test->name_space, told->only);
	}
}

static void add_addresses(const struct finding *finding, const char **problem)
{
	const struct samples *samples = &finding->testing->samples;
	const struct inventory *inventory = finding->testing->world->inventory;
	const struct peer *peer = finding->peer;
	size_t before = finding->ends->count;
	for (size_t i = 0; i < samples->address_count; i++) {
		struct endpoint end = {.has_address = true, .address = samples->addresses[i].address};
		bool inside = peer->kind == PEER_NETWORK ? network_contains(peer->network, &end.address)
							 : samples->addresses[i].outside;
		end.workload = inventory_at(inventory, &end.address);
		if (inside)
			add(finding, end)->sample = i;
	}
	size_t count;
	const struct place *places = inventory_places(inventory, &count);
	for (size_t i = 0; peer->kind == PEER_NETWORK && i < count; i++)
		if (network_contains(peer->network, &places[i].address))
			add(finding, (struct endpoint){places[i].workload, true, places[i].address, PEER_SERVICE});
	if (finding->ends->count == before && peer->kind == PEER_NETWORK)
		*problem = arena_printf(finding->testing->arena, "`%s` holds no address", peer->name);
}

void test_ends_add(struct testing *testing, struct test_ends *ends, const struct policy_test *test,
		   const struct peer *peer, const char **problem)
{
	const struct finding finding = {testing, test, peer, ends};
	switch (peer->kind) {
	case PEER_SERVICE:
		add_required(&finding, peer->service, NULL);
		add_known(&finding);
		break;
	case PEER_LABELS:
		add_labels(&finding, problem);
		break;
	case PEER_NETWORK:
	case PEER_WORLD:
		add_addresses(&finding, problem);
		break;
	case PEER_ANY:
		add_addresses(&finding, problem);
		__attribute__((fallthrough));
	case PEER_CLUSTER:
		add_services(&finding);
		add_known(&finding);
		add(&finding, (struct endpoint){.stands_for = peer->kind});
		break;
	case PEER_NODE:
		add(&finding, (struct endpoint){.stands_for = PEER_NODE});
		break;
	}
}

/* ---- without a statement ---- */

/* An address outside stands for its piece, and for any greater one. Another is asked about only as the first of a piece
 * that has none outside. */
bool test_end_stays(const struct testing *testing, const struct test_end *end, const struct flows *flows)
{
	const struct samples *samples = &testing->samples;
	if (end->only == flows)
		return false;
	if (end->sample == NO_SAMPLE || samples->addresses[end->sample].outside)
		return true;
	bool stays = samples->cut_by[end->sample] != flows;
	for (size_t i = end->sample + 1; stays && i < samples->address_count && samples->cut_by[i] == flows; i++)
		stays = !samples->addresses[i].outside;
	return stays;
}
