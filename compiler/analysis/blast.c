/* How far a breach goes: a walk over the graph of hops.h, breadth first, so that each path is a shortest one. */
#include "compiler/analysis/hops.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

enum { NOT_REACHED = -1 };

/* A walk from some ends. */
struct walk {
	struct hops *hops;
	const struct endpoints *from;  /* what is breached */
	const char *name;	       /* of that; NULL: each workload has its own */
	int *steps;		       /* to each end, 0 for those that are breached at the start, or NOT_REACHED */
	const struct hop_end **before; /* where the last hop to an end comes from */
	struct hop **hops_to;	       /* the last hop to each end, described when it is first asked for */
	uint64_t *reached, *frontier, *next;
};

static void walk_init(struct walk *walk, struct hops *hops)
{
	struct arena *arena = hops->arena;
	*walk = (struct walk){.hops = hops};
	walk->steps = arena_alloc(arena, hops->end_count * sizeof *walk->steps);
	walk->before = arena_alloc(arena, hops->end_count * sizeof *walk->before);
	walk->hops_to = arena_alloc(arena, hops->end_count * sizeof *walk->hops_to);
	walk->reached = arena_alloc(arena, hops->words * sizeof *walk->reached);
	walk->frontier = arena_alloc(arena, hops->words * sizeof *walk->frontier);
	walk->next = arena_alloc(arena, hops->words * sizeof *walk->next);
}

/* Begins anew, from another end. */
static void walk_reset(struct walk *walk, const struct endpoints *from, const char *name)
{
	const struct hops *hops = walk->hops;
	walk->from = from;
	walk->name = name;
	memset(walk->hops_to, 0, hops->end_count * sizeof *walk->hops_to);
	memset(walk->reached, 0, hops->words * sizeof *walk->reached);
	for (size_t i = 0; i < hops->end_count; i++)
		walk->steps[i] = NOT_REACHED;
}

/* Notes what `from` reaches and nothing did before. */
static void step(struct walk *walk, const struct hop_end *from, int steps)
{
	const struct hops *hops = walk->hops;
	const uint64_t *row = hops_row(walk->hops, from);
	for (size_t i = 0; i < hops->words; i++)
		for (uint64_t bits = row[i] & ~walk->reached[i]; bits != 0; bits &= bits - 1) {
			size_t number = i * 64 + (size_t)__builtin_ctzll(bits);
			walk->steps[number] = steps;
			walk->before[number] = from;
			hops_set(walk->reached, number);
			if (number < hops->workload_ends)
				hops_set(walk->next, number);
		}
}

/* Makes what was just reached the frontier. Returns whether that is anything. */
static bool advance(struct walk *walk)
{
	bool more = false;
	for (size_t i = 0; i < walk->hops->words; i++) {
		walk->frontier[i] = walk->next[i];
		walk->next[i] = 0;
		more = more || walk->frontier[i] != 0;
	}
	return more;
}

/* Goes on from what was reached last, in so many steps, until nothing new is. */
static void walk_on(struct walk *walk, int steps)
{
	while (advance(walk)) {
		steps++;
		for (size_t i = 0; i < walk->hops->words; i++)
			for (uint64_t bits = walk->frontier[i]; bits != 0; bits &= bits - 1)
				step(walk, &walk->hops->ends[i * 64 + (size_t)__builtin_ctzll(bits)], steps);
	}
}

static bool is_of_service(const struct hop_end *end, const struct service *service)
{
	for (size_t i = 0; i < end->service_count; i++)
		if (end->services[i] == service)
			return true;
	return false;
}

/* Every workload of the service is breached. */
static void start_service(struct walk *walk, const struct service *service)
{
	for (size_t i = 0; i < walk->hops->workload_ends; i++) {
		if (!is_of_service(&walk->hops->ends[i], service))
			continue;
		walk->steps[i] = 0;
		hops_set(walk->reached, i);
		hops_set(walk->next, i);
	}
	walk_on(walk, 0);
}

/* One workload is breached and not others of its kind, or what is no workload of ours. */
static void start_endpoints(struct walk *walk)
{
	struct hops *hops = walk->hops;
	const struct workload *last = NULL;
	for (size_t i = 0; i < walk->from->count; i++) {
		const struct endpoint *endpoint = &walk->from->items[i];
		if (endpoint->workload != NULL && endpoint->workload == last)
			continue; /* at another of its addresses */
		last = endpoint->workload;
		struct hop_end *source = arena_alloc(hops->arena, sizeof *source);
		*source = hops_source(hops, endpoint);
		source->name = walk->name != NULL ? walk->name : source->name;
		for (size_t j = 0; last != NULL && j < hops->workload_ends; j++)
			if (hops->ends[j].member_count == 1 && hops->ends[j].members[0] == last) {
				walk->steps[j] = 0;
				hops_set(walk->reached, j);
			}
		step(walk, source, 1);
	}
	walk_on(walk, 1);
}

/* ---- what is told ---- */

static const struct hop *hop_to(struct walk *walk, size_t number)
{
	struct hop **hop = &walk->hops_to[number];
	if (*hop == NULL) {
		*hop = arena_alloc(walk->hops->arena, sizeof **hop);
		hops_describe(walk->hops, walk->before[number], &walk->hops->ends[number], *hop);
		if (walk->steps[number] == 1 && walk->name != NULL)
			(*hop)->from = walk->name;
	}
	return *hop;
}

static void find_path(struct walk *walk, size_t number, struct reached *reached)
{
	const struct hops *hops = walk->hops;
	reached->hop_count = (size_t)walk->steps[number];
	reached->path = arena_alloc(hops->arena, (reached->hop_count + 1) * sizeof *reached->path);
	for (size_t i = reached->hop_count; i > 0; i--) {
		reached->path[i - 1] = hop_to(walk, number);
		number = (size_t)(walk->before[number] - hops->ends); /* behind all: a source that is no end */
	}
}

/* Ends the path with another name than that of its last end. */
static void rename_last(struct arena *arena, struct reached *reached)
{
	struct hop *last = arena_alloc(arena, sizeof *last);
	if (reached->hop_count == 0)
		return;
	*last = *reached->path[reached->hop_count - 1];
	last->to = reached->name;
	reached->path[reached->hop_count - 1] = last;
}

static void add_outside(struct walk *walk, struct blast *blast)
{
	const struct hops *hops = walk->hops;
	for (size_t i = hops->workload_ends; i < hops->end_count; i++) {
		if (walk->steps[i] == NOT_REACHED)
			continue;
		struct reached *reached = arena_push(hops->arena, blast->items, blast->count);
		*reached = (struct reached){.kind = REACHED_OUTSIDE, .name = hops->ends[i].name};
		find_path(walk, i, reached);
	}
}

static size_t members_reached(const struct walk *walk, const struct hop_end *end)
{
	size_t count = end->member_count;
	for (size_t i = 0; walk->from->service == NULL && i < end->member_count; i++)
		count -= end->members[i] == walk->from->items[0].workload;
	return count;
}

static void add_workload_ends(struct walk *walk, struct blast *blast)
{
	const struct hops *hops = walk->hops;
	for (size_t i = 0; i < hops->workload_ends; i++) {
		const struct hop_end *end = &hops->ends[i];
		if (walk->steps[i] <= 0 || end->service_count > 0)
			continue;
		struct reached *reached = arena_push(hops->arena, blast->items, blast->count);
		*reached = (struct reached){.kind = REACHED_WORKLOAD, .name = end->name};
		reached->workloads = members_reached(walk, end);
		find_path(walk, i, reached);
	}
}

static void add_workloads(struct walk *walk, struct blast *blast)
{
	const struct hops *hops = walk->hops;
	for (size_t i = 0; i < hops->workload_ends; i++) {
		const struct hop_end *end = &hops->ends[i];
		for (size_t j = 0; walk->steps[i] > 0 && j < end->member_count; j++) {
			const struct workload *workload = end->members[j];
			if (walk->from->service == NULL && walk->from->items[0].workload == workload)
				continue;
			struct reached *reached = arena_push(hops->arena, blast->items, blast->count);
			*reached = (struct reached){.kind = REACHED_WORKLOAD, .workloads = 1};
			reached->name = arena_printf(hops->arena, "%s/%s", workload->name_space, workload->name);
			find_path(walk, i, reached);
			rename_last(hops->arena, reached);
		}
	}
}

/* The end of a service with the fewest hops, or the number of ends. */
struct nearest_of {
	const struct service *service;
	size_t end, workloads;
};

static int compare_nearest(const void *left, const void *right)
{
	const struct nearest_of *a = left, *b = right;
	int order = strcmp(a->service->name_space, b->service->name_space);
	return order != 0 ? order : strcmp(a->service->name, b->service->name);
}

static void add_services(struct walk *walk, struct blast *blast)
{
	const struct hops *hops = walk->hops;
	struct nearest_of *all = NULL;
	size_t count = 0;
	for (size_t i = 0; i < hops->workload_ends; i++)
		for (size_t j = 0; walk->steps[i] != NOT_REACHED && j < hops->ends[i].service_count; j++) {
			const struct service *service = hops->ends[i].services[j];
			size_t workloads = walk->steps[i] > 0 ? members_reached(walk, &hops->ends[i]) : 0;
			bool self =
			    walk->from->service == service || (walk->from->service == NULL && walk->steps[i] == 0);
			if (!self)
				*arena_push(hops->arena, all, count) = (struct nearest_of){service, i, workloads};
		}
	if (count > 1)
		qsort(all, count, sizeof *all, compare_nearest);
	for (size_t i = 0, next; i < count; i = next) {
		size_t nearest = i, workloads = 0;
		for (next = i; next < count && all[next].service == all[i].service; next++) {
			workloads += all[next].workloads;
			if (walk->steps[all[next].end] < walk->steps[all[nearest].end])
				nearest = next;
		}
		struct reached *reached = arena_push(hops->arena, blast->items, blast->count);
		*reached = (struct reached){.kind = REACHED_SERVICE, .workloads = workloads};
		reached->name = arena_printf(hops->arena, "%s/%s", all[i].service->name_space, all[i].service->name);
		find_path(walk, all[nearest].end, reached);
		rename_last(hops->arena, reached);
	}
}

static int compare_reached(const void *left, const void *right)
{
	const struct reached *a = left, *b = right;
	int order = (a->hop_count > b->hop_count) - (a->hop_count < b->hop_count);
	if (order == 0)
		order = strcmp(a->name, b->name);
	return order != 0 ? order : (a->kind > b->kind) - (a->kind < b->kind);
}

static void sum_up(const struct walk *walk, struct blast *blast)
{
	if (blast->count > 1)
		qsort(blast->items, blast->count, sizeof *blast->items, compare_reached);
	for (size_t i = 0; i < blast->count; i++) {
		blast->services += blast->items[i].kind == REACHED_SERVICE;
		blast->others += blast->items[i].kind == REACHED_OUTSIDE;
		blast->depth = blast->items[i].hop_count;
	}
	for (size_t i = 0; i < walk->hops->workload_ends; i++)
		if (walk->steps[i] > 0)
			blast->workloads += members_reached(walk, &walk->hops->ends[i]);
}

/* Where ends are workloads, one of a kind is named for the others in the middle of a path, and it is not the one that
 * is breached. */
static void name_by_workload(struct hops *hops, const struct endpoints *from)
{
	for (size_t i = 0; i < hops->workload_ends; i++) {
		struct hop_end *end = &hops->ends[i];
		bool is_source = end->members[0] == from->items[0].workload && end->member_count > 1;
		const struct workload *workload = end->members[is_source];
		end->name = arena_printf(hops->arena, "%s/%s", workload->name_space, workload->name);
	}
}

/* What is breached as reports name it; workloads of a service each have their own name. */
static const char *source_name(struct arena *arena, const struct endpoints *from, const char *word, bool workloads)
{
	const struct workload *workload = from->items[0].workload;
	if (from->service != NULL)
		return workloads ? NULL : arena_printf(arena, "%s/%s", from->service->name_space, from->service->name);
	return workload != NULL ? arena_printf(arena, "%s/%s", workload->name_space, workload->name) : word;
}

struct blast blast_find(struct arena *arena, const struct world *world, const struct endpoints *from, const char *word,
			bool workloads)
{
	struct blast blast = {.by_workloads = workloads};
	struct hops hops;
	struct walk walk;
	hops_init(&hops, arena, world, !workloads);
	if (workloads)
		name_by_workload(&hops, from);
	walk_init(&walk, &hops);
	walk_reset(&walk, from, source_name(arena, from, word, workloads));
	if (from->service != NULL)
		start_service(&walk, from->service);
	else
		start_endpoints(&walk);
	add_outside(&walk, &blast);
	if (workloads) {
		add_workloads(&walk, &blast);
	} else {
		add_services(&walk, &blast);
		add_workload_ends(&walk, &blast);
	}
	sum_up(&walk, &blast);
	return blast;
}

/* ---- of every service ---- */

/* Which number each service of each end has in the policy. */
static size_t **number_services(const struct hops *hops)
{
	const struct policy *policy = hops->world->policy;
	size_t **numbers = arena_alloc(hops->arena, (hops->workload_ends + 1) * sizeof *numbers);
	for (size_t i = 0; i < hops->workload_ends; i++) {
		const struct hop_end *end = &hops->ends[i];
		numbers[i] = arena_alloc(hops->arena, (end->service_count + 1) * sizeof *numbers[i]);
		for (size_t j = 0, low = 0; j < end->service_count; j++) { /* both are in the order of names */
			while (policy->services[low] != end->services[j])
				low++;
			numbers[i][j] = low;
		}
	}
	return numbers;
}

/* How many services besides `itself` a walk reached. `seen` says for each in which round it was counted last. */
static size_t count_services(const struct walk *walk, size_t *const *numbers, size_t itself, size_t *seen)
{
	size_t count = 0;
	for (size_t i = 0; i < walk->hops->workload_ends; i++)
		for (size_t j = 0; walk->steps[i] != NOT_REACHED && j < walk->hops->ends[i].service_count; j++) {
			size_t number = numbers[i][j];
			count += number != itself && seen[number] != itself + 1;
			seen[number] = itself + 1;
		}
	return count;
}

static const struct reached *find_furthest(struct walk *walk)
{
	struct hops *hops = walk->hops;
	struct reached *reached = arena_alloc(hops->arena, sizeof *reached);
	size_t furthest = hops->workload_ends;
	const struct service *service = NULL;
	for (size_t i = 0; i < hops->workload_ends; i++)
		for (size_t j = 0; walk->steps[i] != NOT_REACHED && j < hops->ends[i].service_count; j++)
			if (hops->ends[i].services[j] != walk->from->service &&
			    (service == NULL || walk->steps[i] > walk->steps[furthest])) {
				furthest = i;
				service = hops->ends[i].services[j];
			}
	*reached = (struct reached){.kind = REACHED_SERVICE};
	reached->name = arena_printf(hops->arena, "%s/%s", service->name_space, service->name);
	find_path(walk, furthest, reached);
	rename_last(hops->arena, reached);
	return reached;
}

struct radii radii_find(struct arena *arena, const struct world *world, size_t most)
{
	const struct policy *policy = world->policy;
	struct radii radii = {0};
	struct hops hops;
	struct walk walk;
	hops_init(&hops, arena, world, true);
	size_t **numbers = number_services(&hops);
	size_t *seen = arena_alloc(arena, (policy->service_count + 1) * sizeof *seen);
	walk_init(&walk, &hops);
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct endpoints from = {.service = policy->services[i]};
		walk_reset(&walk, &from,
			   arena_printf(arena, "%s/%s", policy->services[i]->name_space, policy->services[i]->name));
		start_service(&walk, policy->services[i]);
		size_t count = count_services(&walk, numbers, i, seen);
		radii.largest = count > radii.largest ? count : radii.largest;
		if (count > most)
			*arena_push(arena, radii.items, radii.count) =
			    (struct radius){policy->services[i], count, find_furthest(&walk)};
	}
	return radii;
}
