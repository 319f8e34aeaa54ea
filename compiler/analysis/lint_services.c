/* Lints of services and selectors: what they select, and who speaks of them. */
#include "compiler/analysis/comparing.h"
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
	struct arena *arena;
	bool *named; /* by the service's number */
	const struct peer **labels;
	size_t label_count;
};

static void take_peer(struct naming *naming, const struct policy *policy, const struct peer *peer)
{
	if (peer->kind == PEER_SERVICE)
		naming->named[service_number(policy, peer->service)] = true;
	else if (peer->kind == PEER_LABELS)
		*arena_push(naming->arena, naming->labels, naming->label_count) = peer;
}

/* Whether a workload of the service could be one of a peer's. */
static bool labels_may_mean(struct arena *arena, const struct peer *peer, const struct service *service)
{
	bool in_scope = peer->scope != NAMESPACES_LISTED;
	for (size_t i = 0; i < peer->namespace_count && !in_scope; i++)
		in_scope = strcmp(peer->namespaces[i], service->name_space) == 0;
	const struct selector *selectors[] = {&peer->labels, &service->workloads};
	return in_scope && selectors_meet(arena, selectors, 2, NULL);
}

/* `any`, `cluster` and networks speak of everything, and of no service. What is over still names one: `expired` tells.
 */
void lint_unused_services(struct linting *linting)
{
	const struct policy *policy = linting->world->policy;
	struct naming naming = {.arena = linting->arena};
	naming.named = arena_alloc(linting->arena, policy->service_count + 1);
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		for (size_t j = 0; j < flows->from_count; j++)
			take_peer(&naming, policy, &flows->from[j]);
		for (size_t j = 0; j < flows->to_count; j++)
			take_peer(&naming, policy, &flows->to[j].peer);
	}
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		bool used = naming.named[i] || linting_is_off(linting, &service->span);
		for (size_t j = 0; j < naming.label_count && !used; j++)
			used = !linting_step(linting) || labels_may_mean(linting->arena, naming.labels[j], service);
		if (!used)
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

static void overlap(struct overlaps *overlaps, const struct service *one, const struct service *wider,
		    const struct workload *example)
{
	struct overlap *overlap = &overlaps->items[service_number(overlaps->linting->world->policy, one)];
	if (overlap->wider == NULL)
		*overlap = (struct overlap){wider, example};
}

/* Asks the inventory: a workload of several services is an example for each of them. */
static void overlaps_of_workloads(struct overlaps *overlaps)
{
	const struct world *world = overlaps->linting->world;
	const struct selecting *selecting = selecting_create(overlaps->linting->arena, world->policy);
	for (size_t i = 0; i < world->inventory->workload_count; i++) {
		const struct workload *workload = world->inventory->workloads[i];
		const struct service *widest = NULL;
		size_t count;
		struct isolation **found = selecting_find(selecting, overlaps->linting->arena, workload, &count);
		for (size_t j = 0; j < count; j++)
			if (found[j]->service != NULL && (widest == NULL || is_wider(found[j]->service, widest)))
				widest = found[j]->service;
		for (size_t j = 0; j < count; j++)
			if (found[j]->service != NULL && found[j]->service != widest)
				overlap(overlaps, found[j]->service, widest, workload);
	}
}

/* Asks the selectors alone: two of which neither is within the other may well mean different workloads. */
static void overlaps_of_selectors(struct overlaps *overlaps)
{
	struct linting *linting = overlaps->linting;
	const struct policy *policy = linting->world->policy;
	struct holders holders = {.arena = linting->arena};
	struct peer *peers = arena_alloc(linting->arena, (policy->service_count + 1) * sizeof *peers);
	for (size_t i = 0; i < policy->service_count; i++) {
		peers[i] = (struct peer){.kind = PEER_SERVICE, .service = policy->services[i]};
		holders_add(&holders, &peers[i], i);
	}
	holders_sort(&holders);
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct candidates candidates = holders_find(&holders, &peers[i]);
		for (size_t j = 0; j < candidates.count; j++) {
			for (size_t k = 0; k < candidates.lists[j].count && linting_step(linting); k++) {
				size_t number = candidates.lists[j].items[k].number;
				const struct service *one = policy->services[i], *other = policy->services[number];
				bool alike = number != i && peer_within(&peers[number], &peers[i]);
				if (number != i && peer_within(&peers[i], &peers[number]) &&
				    (!alike || is_wider(other, one)))
					overlap(overlaps, one, other, NULL);
			}
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
	struct overlaps overlaps = {linting, NULL};
	overlaps.items = arena_alloc(linting->arena, (policy->service_count + 1) * sizeof *overlaps.items);
	size_t *counts = arena_alloc(linting->arena, (policy->service_count + 1) * sizeof *counts);
	if (linting->world->inventory->workload_count > 0)
		overlaps_of_workloads(&overlaps);
	else
		overlaps_of_selectors(&overlaps);
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
