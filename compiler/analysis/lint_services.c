/* Lints of services and selectors: what they select, and who speaks of them. */
#include "compiler/analysis/linting.h"
#include "compiler/analysis/meet.h"
#include "compiler/analysis/postings.h"
#include "compiler/analysis/within.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

static int compare_names(const char *space_a, const char *a, const char *space_b, const char *b)
{
	int order = strcmp(space_a, space_b);
	return order != 0 ? order : strcmp(a, b);
}

/* The place of a service in `services`, and of what it isolates in `isolations`. */
static size_t service_number(const struct policy *policy, const struct service *service)
{
	size_t low = 0, high = policy->service_count;
	while (low + 1 < high) {
		size_t middle = low + (high - low) / 2;
		const struct service *other = policy->services[middle];
		if (compare_names(other->name_space, other->name, service->name_space, service->name) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* ---- unused-service ---- */

struct naming {
	struct linting *linting;
	bool *named; /* by the service's number */
	const struct peer **labels;
	size_t label_count;
	struct postings asked; /* the values that these ask for */
};

static void take_peer(struct naming *naming, const struct peer *peer)
{
	struct arena *arena = naming->linting->arena;
	if (peer->kind == PEER_SERVICE)
		naming->named[service_number(naming->linting->world->policy, peer->service)] = true;
	if (peer->kind != PEER_LABELS)
		return;
	for (size_t i = 0; i < peer->labels.count; i++) {
		const struct requirement *item = &peer->labels.items[i];
		for (size_t j = 0; item->kind == REQUIRE_IN && j < item->value_count; j++)
			postings_add(arena, &naming->asked, posting_key(NULL, item->key, item->values[j]),
				     naming->label_count);
	}
	*arena_push(arena, naming->labels, naming->label_count) = peer;
}

/* Whether a workload of the service could be one of a peer's; yes where nobody can tell for want of steps. */
static bool may_mean(const struct naming *naming, size_t label, const struct service *service)
{
	const struct peer *peer = naming->labels[label];
	bool in_scope = peer->scope != NAMESPACES_LISTED;
	for (size_t i = 0; i < peer->namespace_count && !in_scope; i++)
		in_scope = strcmp(peer->namespaces[i], service->name_space) == 0;
	const struct selector *selectors[] = {&peer->labels, &service->workloads};
	return !linting_step(naming->linting) ||
	       (in_scope && selectors_meet(naming->linting->arena, selectors, 2, NULL));
}

/* Asks first the peers that ask for a value as the service does, and then all. */
static bool is_meant_by_label(const struct naming *naming, const struct service *service)
{
	for (size_t i = 0; i < service->workloads.count; i++) {
		const struct requirement *item = &service->workloads.items[i];
		for (size_t j = 0; item->kind == REQUIRE_IN && j < item->value_count; j++) {
			const struct postings found =
			    postings_find(&naming->asked, posting_key(NULL, item->key, item->values[j]));
			for (size_t k = 0; k < found.count; k++)
				if (may_mean(naming, found.items[k].number, service))
					return true;
		}
	}
	for (size_t i = 0; i < naming->label_count; i++)
		if (may_mean(naming, i, service))
			return true;
	return false;
}

/* `any`, `cluster` and networks speak of everything, and of no service. What is over still names one: `expired` tells.
 */
void lint_unused_services(struct linting *linting)
{
	const struct policy *policy = linting->world->policy;
	struct naming naming = {.linting = linting};
	naming.named = arena_alloc(linting->arena, policy->service_count + 1);
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		for (size_t j = 0; j < flows->from_count; j++)
			take_peer(&naming, &flows->from[j]);
		for (size_t j = 0; j < flows->to_count; j++)
			take_peer(&naming, &flows->to[j].peer);
	}
	postings_sort(&naming.asked);
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		if (!naming.named[i] && !linting_is_off(linting, &service->span) &&
		    !is_meant_by_label(&naming, service))
			linting_add(linting, service->span,
				    "name it in an allow or remove it; it may also stand to isolate its workloads",
				    "no allow names service `%s`, or its workloads by label", service->name);
	}
}

/* ---- overlapping-services ---- */

/* Of each service, by its number, a wider one that shares workloads with it: findings are told there, so that a service
 * of everyone is one finding and not one for each other. */
struct overlaps {
	struct linting *linting;
	struct peer *services; /* by number */
	struct holders holders;
	struct overlap {
		const struct service *wider;
		const struct workload *example; /* NULL: every workload that there could be */
	} * items;
};

/* Whether `a` asks for less than `b`, or for as much and stands behind it. */
static bool is_wider(const struct service *a, const struct service *b)
{
	if (a->workloads.count != b->workloads.count)
		return a->workloads.count < b->workloads.count;
	return compare_spans(&a->span, &b->span) > 0;
}

static void overlap(struct overlaps *overlaps, size_t one, size_t wider, const struct workload *example)
{
	if (overlaps->items[one].wider == NULL)
		overlaps->items[one] = (struct overlap){overlaps->services[wider].service, example};
}

/* A workload as a peer: whoever has its labels, in its namespace. */
static struct peer peer_of(struct arena *arena, const struct workload *const *workload)
{
	const struct labels *labels = &(*workload)->labels;
	struct peer peer = {
	    .kind = PEER_LABELS,
	    .namespaces = (const char **)&(*workload)->name_space,
	    .namespace_count = 1,
	    .labels = {arena_alloc(arena, (labels->count + 1) * sizeof(struct requirement)), labels->count}};
	for (size_t i = 0; i < labels->count; i++)
		peer.labels.items[i] =
		    (struct requirement){REQUIRE_IN, labels->items[i].key, &labels->items[i].value, 1};
	return peer;
}

/* Asks the inventory: a workload of several services is an example for each of them. */
static void overlaps_of_workload(struct overlaps *overlaps, const struct workload *workload)
{
	struct linting *linting = overlaps->linting;
	const struct peer peer = peer_of(linting->arena, &workload);
	const struct candidates candidates = holders_find(&overlaps->holders, &peer);
	size_t *found = NULL, count = 0, widest = 0;
	for (size_t i = 0; i < candidates.count; i++) {
		for (size_t j = 0; j < candidates.lists[i].count && linting_step(linting); j++) {
			size_t number = candidates.lists[i].items[j].number;
			const struct service *service = overlaps->services[number].service;
			if (strcmp(service->name_space, workload->name_space) != 0 ||
			    !selector_matches(&service->workloads, &workload->labels))
				continue;
			if (count == 0 || is_wider(service, overlaps->services[widest].service))
				widest = number;
			*arena_push(linting->arena, found, count) = number;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (found[i] != widest)
			overlap(overlaps, found[i], widest, workload);
}

/* Asks the selectors alone: two of which neither is within the other may well mean different workloads. */
static void overlaps_of_selector(struct overlaps *overlaps, size_t number)
{
	const struct peer *one = &overlaps->services[number];
	const struct candidates candidates = holders_find(&overlaps->holders, one);
	for (size_t i = 0; i < candidates.count; i++) {
		for (size_t j = 0; j < candidates.lists[i].count && linting_step(overlaps->linting); j++) {
			size_t wider = candidates.lists[i].items[j].number;
			const struct peer *other = &overlaps->services[wider];
			if (wider == number || !peer_within(one, other))
				continue;
			if (!peer_within(other, one) || is_wider(other->service, one->service))
				overlap(overlaps, number, wider, NULL);
		}
	}
}

static void tell_overlap(struct linting *linting, const struct service *one, const struct overlap *overlap, size_t more)
{
	struct arena *arena = linting->arena;
	const char *others =
	    more == 0 ? "" : arena_printf(arena, "; it overlaps with %zu more service%s", more, more == 1 ? "" : "s");
	const char *common =
	    overlap->example == NULL
		? "every workload"
		: arena_printf(arena, "workload %s/%s", overlap->example->name_space, overlap->example->name);
	linting_add(linting, overlap->wider->span,
		    "what is allowed to one of them is allowed to workloads of the other",
		    "service `%s` selects %s of service `%s` too%s", overlap->wider->name, common, one->name, others);
}

void lint_overlapping_services(struct linting *linting)
{
	const struct policy *policy = linting->world->policy;
	const struct inventory *inventory = linting->world->inventory;
	struct overlaps overlaps = {.linting = linting, .holders = {.arena = linting->arena}};
	overlaps.items = arena_alloc(linting->arena, (policy->service_count + 1) * sizeof *overlaps.items);
	overlaps.services = arena_alloc(linting->arena, (policy->service_count + 1) * sizeof *overlaps.services);
	size_t *counts = arena_alloc(linting->arena, (policy->service_count + 1) * sizeof *counts);
	for (size_t i = 0; i < policy->service_count; i++) {
		overlaps.services[i] = (struct peer){.kind = PEER_SERVICE, .service = policy->services[i]};
		holders_add(&overlaps.holders, &overlaps.services[i], i);
	}
	holders_sort(&overlaps.holders);
	for (size_t i = 0; i < inventory->workload_count; i++)
		overlaps_of_workload(&overlaps, inventory->workloads[i]);
	for (size_t i = 0; inventory->workload_count == 0 && i < policy->service_count; i++)
		overlaps_of_selector(&overlaps, i);
	for (size_t i = 0; i < policy->service_count; i++)
		if (overlaps.items[i].wider != NULL)
			counts[service_number(policy, overlaps.items[i].wider)]++;
	for (size_t i = 0; i < policy->service_count; i++) {
		if (overlaps.items[i].wider == NULL)
			continue;
		size_t *count = &counts[service_number(policy, overlaps.items[i].wider)];
		if (*count > 0)
			tell_overlap(linting, policy->services[i], &overlaps.items[i], *count - 1);
		*count = 0; /* told */
	}
}

/* ---- no-workload ---- */

/* The workloads by their labels. */
struct census {
	struct linting *linting;
	struct postings labels;
};

static struct census take_census(struct linting *linting)
{
	const struct inventory *inventory = linting->world->inventory;
	struct census census = {.linting = linting};
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct labels *labels = &inventory->workloads[i]->labels;
		for (size_t j = 0; j < labels->count; j++)
			postings_add(linting->arena, &census.labels,
				     posting_key(NULL, labels->items[j].key, labels->items[j].value), i);
	}
	postings_sort(&census.labels);
	return census;
}

/* Whether it matches, or nobody can tell for want of steps. */
static bool matches(const struct census *census, const struct peer *peer, size_t number)
{
	const struct world *world = census->linting->world;
	const struct endpoint end = {.workload = world->inventory->workloads[number]}, other = {.stands_for = PEER_ANY};
	return !linting_step(census->linting) || peer_matches(world, peer, &end, &other);
}

/* The workloads that have a value of the list, one value after the other. */
static bool matches_some_of(const struct census *census, const struct peer *peer, const struct requirement *item)
{
	for (size_t i = 0; i < item->value_count; i++) {
		struct postings found = postings_find(&census->labels, posting_key(NULL, item->key, item->values[i]));
		for (size_t j = 0; j < found.count; j++)
			if (matches(census, peer, found.items[j].number))
				return true;
	}
	return false;
}

static size_t frequency(const struct census *census, const struct requirement *item)
{
	size_t count = 0;
	for (size_t i = 0; i < item->value_count; i++)
		count += postings_find(&census->labels, posting_key(NULL, item->key, item->values[i])).count;
	return count;
}

static bool has_workload(const struct census *census, const struct peer *peer)
{
	const struct selector *selector = peer_selector(peer);
	const struct requirement *rarest = NULL;
	size_t least = SIZE_MAX;
	for (size_t i = 0; i < selector->count && least > 0; i++) {
		const struct requirement *item = &selector->items[i];
		size_t count = item->kind == REQUIRE_IN ? frequency(census, item) : SIZE_MAX;
		if (count < least) {
			least = count;
			rarest = item;
		}
	}
	if (rarest != NULL)
		return matches_some_of(census, peer, rarest);
	for (size_t i = 0; i < census->linting->world->inventory->workload_count; i++)
		if (matches(census, peer, i))
			return true;
	return false;
}

static const char later[] = "see whether its labels and its namespace are written so; or it starts later";

static void count_peer(const struct census *census, const struct peer *peer)
{
	if (peer->kind == PEER_LABELS && !linting_is_off(census->linting, &peer->span) && !has_workload(census, peer))
		linting_add(census->linting, peer->span, later, "this selector matches no workload of the inventory");
}

static void count_flows(const struct census *census, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		count_peer(census, &flows->from[i]);
	for (size_t i = 0; i < flows->to_count; i++)
		count_peer(census, &flows->to[i].peer);
}

/* What a service or a NetworkPolicy isolates. */
static void count_isolation(const struct census *census, const struct isolation *isolation)
{
	const struct peer peer = {.kind = PEER_LABELS,
				  .labels = isolation->workloads,
				  .namespaces = (const char *[]){isolation->name_space},
				  .namespace_count = 1};
	if (linting_is_off(census->linting, &isolation->span) || has_workload(census, &peer))
		return;
	linting_add(census->linting, isolation->span, later, "%s `%s` selects no workload of the inventory",
		    isolation->service != NULL ? "service" : "NetworkPolicy", isolation->name);
}

/* Peers of NetworkPolicies are left out: many name what only other clusters have. */
void lint_no_workload(struct linting *linting)
{
	const struct policy *policy = linting->world->policy;
	if (linting->world->inventory->workload_count == 0)
		return;
	const struct census census = take_census(linting);
	for (size_t i = 0; i < policy->isolation_count; i++)
		count_isolation(&census, policy->isolations[i]);
	for (size_t i = 0; i < policy->allow_count; i++)
		if (allow_is_native(policy->allows[i]))
			count_flows(&census, &policy->allows[i]->flows);
	for (size_t i = 0; i < policy->never_count; i++)
		count_flows(&census, &policy->nevers[i]->flows);
}
