/* What a change widens without saying so in the flows of today, or so that a reader may miss it. */
#include "compiler/analysis/comparing.h"

#include <ringfence/arena.h>
#include <ringfence/invariants.h>

#include <stdlib.h>
#include <string.h>

static void add(struct comparing *comparing, struct span span, const char *text)
{
	struct diff *diff = &comparing->diff;
	*arena_push(comparing->arena, diff->widenings, diff->widening_count) = (struct widening){text, span};
}

/* ---- settings ---- */

static void find_settings(struct comparing *comparing)
{
	const struct policy *before = comparing->worlds[VERSION_OLD]->policy;
	const struct policy *after = comparing->worlds[VERSION_NEW]->policy;
	if (after->audit && !before->audit)
		add(comparing, after->mode_span, "mode is audit now: what is denied is logged and let through");
	if (policy_isolates_unmatched(before) && !policy_isolates_unmatched(after))
		add(comparing, after->unmatched_span, "unmatched is allow now: who has no service is not isolated");
}

/* ---- networks ---- */

static const struct network *network_of(const struct policy *policy, const struct network *wanted)
{
	for (size_t i = 0; i < policy->network_count; i++)
		if (strcmp(policy->networks[i]->name, wanted->name) == 0 &&
		    strcmp(policy->networks[i]->name_space, wanted->name_space) == 0)
			return policy->networks[i];
	return NULL;
}

static void find_networks(struct comparing *comparing)
{
	const struct policy *after = comparing->worlds[VERSION_NEW]->policy;
	const struct samples *samples = &comparing->samples;
	for (size_t i = 0; i < after->network_count; i++) {
		const struct network *network = after->networks[i];
		const struct network *was = network_of(comparing->worlds[VERSION_OLD]->policy, network);
		const struct address *first = NULL;
		char text[ADDRESS_TEXT_SIZE];
		for (size_t j = 0; was != NULL && j < samples->address_count && first == NULL; j++)
			if (network_contains(network, &samples->cuts[j]) && !network_contains(was, &samples->cuts[j]))
				first = &samples->cuts[j];
		if (first != NULL)
			add(comparing, network->span,
			    arena_printf(comparing->arena, "network %s/%s grew: it holds %s now", network->name_space,
					 network->name, address_format(first, text)));
	}
}

/* ---- services ---- */

static const struct service *service_of(const struct policy *policy, const struct service *wanted)
{
	for (size_t i = 0; i < policy->service_count; i++)
		if (strcmp(policy->services[i]->name, wanted->name) == 0 &&
		    strcmp(policy->services[i]->name_space, wanted->name_space) == 0)
			return policy->services[i];
	return NULL;
}

static bool selects(const struct end *end, const struct service *service, enum version version)
{
	for (size_t i = 0; i < end->isolation_counts[version]; i++)
		if (end->isolations[version][i]->service == service)
			return true;
	return false;
}

/* The ends that `service` selects are those of its isolation. */
static void find_service(struct comparing *comparing, const struct service *service, const struct service *was)
{
	const struct end *gained = NULL;
	size_t workloads = 0;
	for (size_t i = 0; i < comparing->end_count; i++) {
		const struct end *end = &comparing->ends[i];
		if (end->kind != END_WORKLOAD || !selects(end, service, VERSION_NEW) || selects(end, was, VERSION_OLD))
			continue;
		workloads += end->counts[VERSION_NEW];
		if (gained == NULL || (gained->counts[VERSION_NEW] > 0 && end->counts[VERSION_NEW] == 0))
			gained = end;
	}
	if (gained == NULL)
		return;
	const char *name = gained->workloads[VERSION_NEW]->name;
	const char *text =
	    arena_printf(comparing->arena, "service %s/%s selects more: %s", service->name_space, service->name, name);
	if (comparing->diff.has_inventory)
		text = arena_printf(comparing->arena, "%s (%zu workload%s of the inventory)", text, workloads,
				    workloads == 1 ? "" : "s");
	add(comparing, service->span, text);
}

static bool same_selector(const struct service *a, const struct service *b)
{
	bool same = a->workloads.count == b->workloads.count;
	for (size_t i = 0; same && i < a->workloads.count; i++) {
		const struct requirement *left = &a->workloads.items[i], *right = &b->workloads.items[i];
		same = left->kind == right->kind && strcmp(left->key, right->key) == 0 &&
		       left->value_count == right->value_count;
		for (size_t j = 0; same && j < left->value_count; j++)
			same = strcmp(left->values[j], right->values[j]) == 0;
	}
	return same;
}

static bool is_audited(const struct policy *policy, const struct service *service)
{
	return service->mode != MODE_UNSAID ? service->mode == MODE_AUDIT : policy->audit;
}

/* A service that is audited now, and not because the whole policy is. */
static void find_audited(struct comparing *comparing, const struct service *service, const struct service *was)
{
	const struct policy *before = comparing->worlds[VERSION_OLD]->policy;
	const struct policy *after = comparing->worlds[VERSION_NEW]->policy;
	if (!is_audited(after, service) || (was != NULL ? is_audited(before, was) : before->audit) ||
	    (service->mode == MODE_UNSAID && !before->audit))
		return;
	add(comparing, service->span,
	    arena_printf(comparing->arena,
			 "service %s/%s is in audit mode now: what it denies is logged and let through",
			 service->name_space, service->name));
}

static void find_services(struct comparing *comparing)
{
	const struct policy *before = comparing->worlds[VERSION_OLD]->policy;
	const struct policy *after = comparing->worlds[VERSION_NEW]->policy;
	bool any_changed = false;
	for (size_t i = 0; i < comparing->end_count && !any_changed; i++)
		any_changed = comparing->ends[i].changed;
	for (size_t i = 0; i < after->service_count; i++) {
		const struct service *was = service_of(before, after->services[i]);
		find_audited(comparing, after->services[i], was);
		if (was != NULL && (any_changed || !same_selector(was, after->services[i])))
			find_service(comparing, after->services[i], was);
	}
}

/* ---- allows ---- */

static bool is_wide(const struct peer *peer)
{
	return peer->kind == PEER_ANY || peer->kind == PEER_WORLD;
}

static const struct peer *wide_peer(const struct allow *allow, enum direction direction)
{
	const struct flows *flows = &allow->flows;
	for (size_t i = 0; direction == EGRESS && i < flows->from_count; i++)
		if (is_wide(&flows->from[i]))
			return &flows->from[i];
	for (size_t i = 0; direction == INGRESS && i < flows->to_count; i++)
		if (is_wide(&flows->to[i].peer))
			return &flows->to[i].peer;
	return NULL;
}

/* Allows that open something, once each: one that is only written otherwise opens nothing. */
static void find_wide_allows(struct comparing *comparing)
{
	static const char *const words[] = {[EGRESS] = "from", [INGRESS] = "to"};
	const struct allow **seen = NULL;
	size_t seen_count = 0;
	for (size_t i = 0; i < comparing->diff.change_count; i++) {
		const struct flow_change *change = &comparing->diff.changes[i];
		for (size_t j = 0; change->opened && j < change->cause_count; j++) {
			const struct allow *allow = change->causes[j].allow;
			bool known = allow == NULL;
			for (size_t k = 0; k < seen_count && !known; k++)
				known = seen[k] == allow;
			if (known)
				continue;
			*arena_push(comparing->arena, seen, seen_count) = allow;
			for (int k = EGRESS; k <= INGRESS; k++) {
				const struct peer *peer = wide_peer(allow, (enum direction)k);
				if (peer != NULL)
					add(comparing, allow->span,
					    arena_printf(comparing->arena, "an allow %s %s is new", words[k],
							 peer->kind == PEER_ANY ? "any" : "world"));
			}
		}
	}
}

/* The allow that holds longest of those that mean the same as the one at `*at`; moves `*at` behind them. */
static const struct allow *latest(const struct meanings *meanings, size_t *at)
{
	size_t start = *at;
	const struct allow *found = meanings->items[start].allow;
	for (; *at < meanings->count && meanings_order(&meanings->items[start], &meanings->items[*at]) == 0; ++*at) {
		const struct allow *allow = meanings->items[*at].allow;
		if (found->until != 0 && (allow->until == 0 || allow->until > found->until))
			found = allow;
	}
	return found;
}

static void compare_ends(struct comparing *comparing, int64_t was, const struct allow *allow)
{
	char until[32];
	if (was == 0 || !is_alive(comparing->worlds[VERSION_OLD], was) || (allow->until != 0 && allow->until <= was))
		return;
	if (allow->until == 0)
		add(comparing, allow->span, "an allow has no end any more");
	else
		add(comparing, allow->span,
		    arena_printf(comparing->arena, "an allow holds longer, until %s", time_print(allow->until, until)));
}

static void find_expiries(struct comparing *comparing)
{
	const struct meanings *lists = comparing->meanings;
	size_t old = 0, new = 0;
	while (old < lists[VERSION_OLD].count && new < lists[VERSION_NEW].count) {
		const struct allow *was, *is;
		int order = meanings_order(&lists[VERSION_OLD].items[old], &lists[VERSION_NEW].items[new]);
		if (order != 0) {
			*(order < 0 ? &old : &new) += 1;
			continue;
		}
		was = latest(&lists[VERSION_OLD], &old);
		is = latest(&lists[VERSION_NEW], &new);
		compare_ends(comparing, was->until, is);
	}
}

/* ---- quarantines ---- */

static bool is_held(const struct world *world, const struct quarantine *wanted)
{
	const struct workload workload = {.name_space = wanted->name_space, .name = wanted->name};
	return quarantine_of(world, &workload) != NULL;
}

static void find_quarantines(struct comparing *comparing)
{
	const struct world *before = comparing->worlds[VERSION_OLD], *after = comparing->worlds[VERSION_NEW];
	for (size_t i = 0; i < before->policy->quarantine_count; i++) {
		const struct quarantine *quarantine = before->policy->quarantines[i];
		if (is_alive(before, quarantine->until) && !is_held(after, quarantine))
			add(comparing, quarantine->span,
			    arena_printf(comparing->arena, "%s/%s is out of quarantine", quarantine->name_space,
					 quarantine->name));
	}
}

/* ---- nevers ---- */

static bool holds_all(const struct meanings *all, const struct meanings *wanted)
{
	bool held = true;
	for (size_t i = 0; held && i < wanted->count; i++)
		held = all->count > 0 &&
		       bsearch(&wanted->items[i], all->items, all->count, sizeof *all->items, meanings_order) != NULL;
	return held;
}

/* A never that is only written otherwise, as two or under other names, is not gone. */
static void find_nevers(struct comparing *comparing)
{
	const struct policy *before = comparing->worlds[VERSION_OLD]->policy;
	const struct policy *after = comparing->worlds[VERSION_NEW]->policy;
	struct arena *arena = comparing->arena;
	struct meanings all = {0};
	for (size_t i = 0; i < after->never_count; i++) {
		const struct meanings atoms = flows_atoms(arena, &after->nevers[i]->flows, '-');
		for (size_t j = 0; j < atoms.count; j++)
			*arena_push(arena, all.items, all.count) = atoms.items[j];
	}
	if (all.count > 1)
		qsort(all.items, all.count, sizeof *all.items, meanings_order);
	for (size_t i = 0; i < before->never_count; i++) {
		const struct meanings atoms = flows_atoms(arena, &before->nevers[i]->flows, '-');
		if (!holds_all(&all, &atoms))
			add(comparing, before->nevers[i]->span, "a `never` is gone, or says less now");
	}
}

static void find_broken(struct comparing *comparing)
{
	const struct world *after = comparing->worlds[VERSION_NEW];
	struct arena *arena = comparing->arena;
	char port[48];
	if (after->policy->never_count == 0)
		return;
	const struct proof proof = invariants_prove(arena, after, true);
	for (size_t i = 0; i < proof.count; i++) {
		const struct broken *broken = &proof.items[i];
		add(comparing, broken->never->span,
		    arena_printf(arena, "a `never` is broken: %s -> %s %s is opened by %s", broken->from, broken->to,
				 port_range_format(&broken->ports, port), broken->opened_by));
	}
	if (proof.cut)
		add(comparing, (struct span){0}, "not every `never` could be proved");
}

void widenings_find(struct comparing *comparing)
{
	find_settings(comparing);
	find_networks(comparing);
	find_services(comparing);
	find_wide_allows(comparing);
	find_expiries(comparing);
	find_quarantines(comparing);
	find_nevers(comparing);
	find_broken(comparing);
}
