/* From a denied flow to the allows that nearly open it, and what each of them misses.
 *
 * The pass over all allows only counts; words are made for the few that are shown. What matches is asked of the
 * verdict's own functions, so that an allow that misses nothing cannot stand here. */
#include "compiler/analysis/samples.h"
#include "compiler/analysis/words.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <stdlib.h>
#include <string.h>

enum { KNOWN_SERVICES = 1024 };

/* ---- counting ---- */

/* An allow beside the flow: the ends of it that come nearest, and what misses. */
struct fit {
	const struct allow *allow;
	size_t from, to;
	bool missing[MISS_KINDS];
	size_t misses;
};

/* The best allows so far that count on one side, in order. */
struct ranking {
	struct fit *items;
	size_t count;
	bool open;  /* this side lacks an allow */
	bool named; /* some allow speaks of this end */
};

/* Which ends of the flow a service holds: most allows speak of services, and of each of them many do. */
struct known {
	const struct service *service;
	bool holds[2];
};

struct search {
	struct arena *arena;
	const struct world *world;
	const struct flow *flow;
	size_t most;
	struct ranking sides[2];
	struct known known[KNOWN_SERVICES]; /* a place for each address of a service, which others may share */
};

/* Whether `peer` matches the flow's source (EGRESS) or destination (INGRESS). */
static bool matches(struct search *search, const struct peer *peer, enum direction which)
{
	const struct world *world = search->world;
	const struct endpoint *ends[] = {[EGRESS] = &search->flow->from, [INGRESS] = &search->flow->to};
	if (peer->kind != PEER_SERVICE)
		return peer_matches(world, peer, ends[which], ends[1 - which]);
	struct known *known = &search->known[(uintptr_t)peer->service / sizeof *peer->service % KNOWN_SERVICES];
	if (known->service != peer->service) {
		known->service = peer->service;
		for (size_t i = 0; i < 2; i++)
			known->holds[i] = peer_matches(world, peer, ends[i], ends[1 - i]);
	}
	return known->holds[which];
}

/* Compares ends and ports of an allow with the flow, or with the way `back`. Returns false where neither end fits. */
static bool compare_ends(struct search *search, struct fit *fit, bool back, bool ends[2])
{
	const struct flows *flows = &fit->allow->flows;
	const struct flow *flow = search->flow;
	const struct workload *destination = back ? flow->from.workload : flow->to.workload;
	size_t best = MISS_KINDS;
	ends[EGRESS] = ends[INGRESS] = false;
	for (size_t i = 0; i < flows->from_count && !ends[EGRESS]; i++) {
		ends[EGRESS] = matches(search, &flows->from[i], back ? INGRESS : EGRESS);
		fit->from = i;
	}
	for (size_t i = 0; i < flows->to_count; i++) {
		const struct target *target = &flows->to[i];
		bool fits = matches(search, &target->peer, back ? EGRESS : INGRESS);
		ends[INGRESS] = ends[INGRESS] || fits;
		if (!ends[EGRESS] && !fits)
			continue;
		bool port = target_opens(target, destination, flow->protocol, flow->port);
		size_t misses = (size_t)!fits + !port;
		if (misses > best || (misses == best && (!fits || !fit->missing[MISS_DESTINATION])))
			continue;
		best = misses;
		fit->to = i;
		fit->missing[MISS_DESTINATION] = !fits;
		fit->missing[MISS_PORT] = !port;
	}
	fit->missing[MISS_SOURCE] = !ends[EGRESS];
	return best < MISS_KINDS;
}

/* Whether the allow opens the way back, on whatever ports. */
static bool is_reversed(struct search *search, const struct fit *fit)
{
	const struct flows *flows = &fit->allow->flows;
	bool source = false, destination = false;
	for (size_t i = 0; i < flows->from_count && !source; i++)
		source = matches(search, &flows->from[i], INGRESS);
	for (size_t i = 0; source && i < flows->to_count && !destination; i++)
		destination = matches(search, &flows->to[i].peer, EGRESS);
	return destination;
}

/* Fills `fit` for its allow; `ends` says which of the flow's ends the allow speaks of. Returns whether it is near. */
static bool compare_allow(struct search *search, struct fit *fit, bool ends[2])
{
	bool back_ends[2];
	if (!compare_ends(search, fit, false, ends)) {
		if (!is_reversed(search, fit))
			return false;
		fit->missing[MISS_DIRECTION] = compare_ends(search, fit, true, back_ends);
	}
	fit->missing[MISS_EXPIRED] = !is_alive(search->world, fit->allow->until);
	for (size_t i = 0; i < MISS_KINDS; i++)
		fit->misses += fit->missing[i];
	return fit->misses > 0;
}

/* Of two with as many misses, the one that speaks of these very ends comes nearer: expired, then on another port. */
static int compare_fits(const void *left, const void *right)
{
	const struct fit *a = left, *b = right;
	if (a->misses != b->misses)
		return a->misses < b->misses ? -1 : 1;
	for (int kind = 0; kind < MISS_KINDS; kind++)
		if (a->missing[kind] != b->missing[kind])
			return a->missing[kind] ? 1 : -1;
	return compare_spans(&a->allow->span, &b->allow->span);
}

static void rank(struct search *search, struct ranking *side, const struct fit *fit)
{
	size_t place = side->count;
	while (place > 0 && compare_fits(fit, &side->items[place - 1]) < 0)
		place--;
	if (place == search->most)
		return;
	side->count += side->count < search->most;
	memmove(&side->items[place + 1], &side->items[place], (side->count - place - 1) * sizeof *fit);
	side->items[place] = *fit;
}

static void search_allows(struct search *search)
{
	const struct policy *policy = search->world->policy;
	for (size_t i = 0; i < policy->allow_count; i++) {
		struct fit fit = {.allow = policy->allows[i]};
		bool counts[2], ends[2];
		for (size_t side = 0; side < 2; side++)
			counts[side] = fit.allow->counts[side] && search->sides[side].open;
		if (!counts[EGRESS] && !counts[INGRESS])
			continue;
		bool near = compare_allow(search, &fit, ends);
		for (size_t side = 0; side < 2; side++) {
			struct ranking *ranking = &search->sides[side];
			ranking->named = ranking->named || (fit.allow->counts[side] && ends[side]);
			if (near && counts[side])
				rank(search, ranking, &fit);
		}
	}
}

/* ---- words ---- */

static const char *label_value(const struct labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strcmp(labels->items[i].key, key) == 0)
			return labels->items[i].value;
	return NULL;
}

/* Why a requirement that does not hold does not. */
static const char *requirement_miss(struct arena *arena, const struct requirement *requirement,
				    const struct labels *labels)
{
	const char *value = label_value(labels, requirement->key);
	const char *wanted = text_list(arena, requirement->values, requirement->value_count, " or ", "\"");
	switch (requirement->kind) {
	case REQUIRE_IN:
		if (value == NULL)
			return arena_printf(arena, "%s is missing and not %s", requirement->key, wanted);
		return arena_printf(arena, "%s is \"%s\" and not %s", requirement->key, value, wanted);
	case REQUIRE_NOT_IN:
		return arena_printf(arena, "%s is \"%s\", which is excluded", requirement->key,
				    value != NULL ? value : "");
	case REQUIRE_EXISTS:
		return arena_printf(arena, "it has no label %s", requirement->key);
	case REQUIRE_ABSENT:
		return arena_printf(arena, "it has the label %s", requirement->key);
	}
	return "";
}

/* What misses of an end, as it is collected. */
struct end_miss {
	struct arena *arena;
	const char *text;
	size_t count;
};

static void miss_add(struct end_miss *miss, const char *piece)
{
	miss->text = text_append(miss->arena, miss->text, ", ", piece);
	miss->count++;
}

static void selector_miss(struct end_miss *miss, const struct selector *selector, const struct labels *labels,
			  const char *whose)
{
	for (size_t i = 0; i < selector->count; i++) {
		const struct selector one = {&selector->items[i], 1};
		if (!selector_matches(&one, labels))
			miss_add(miss, arena_printf(miss->arena, "%s%s", whose,
						    requirement_miss(miss->arena, &selector->items[i], labels)));
	}
}

/* The namespace of a workload, where the peer asks for another one. */
static void scope_miss(struct end_miss *miss, const struct world *world, const struct peer *peer,
		       const struct workload *workload)
{
	const char *const *names = peer->kind == PEER_SERVICE ? &peer->service->name_space : peer->namespaces;
	size_t count = peer->kind == PEER_SERVICE ? 1 : peer->namespace_count;
	bool found = false;
	if (peer->kind == PEER_LABELS && peer->scope == NAMESPACES_ANY)
		return;
	if (peer->kind == PEER_LABELS && peer->scope == NAMESPACES_LABELS) {
		struct label own = {"kubernetes.io/metadata.name", workload->name_space};
		const struct labels bare = {&own, 1};
		const struct name_space *space = inventory_namespace(world->inventory, workload->name_space);
		selector_miss(miss, &peer->namespace_labels, space != NULL ? &space->labels : &bare,
			      arena_printf(miss->arena, "namespace %s: ", workload->name_space));
		return;
	}
	for (size_t i = 0; i < count && !found; i++)
		found = strcmp(names[i], workload->name_space) == 0;
	if (!found)
		miss_add(miss, arena_printf(miss->arena, "its namespace is %s and not %s", workload->name_space,
					    text_list(miss->arena, names, count, " or ", "")));
}

/* Why `peer` does not match `end`. Of ends that carry labels, the less misses the nearer. */
static struct end_miss end_miss(const struct search *search, const struct peer *peer, const struct endpoint *end)
{
	struct arena *arena = search->arena;
	struct end_miss miss = {arena, "", 0};
	const char *name = endpoint_name(arena, end);
	switch (peer->kind) {
	case PEER_SERVICE:
	case PEER_LABELS:
		if (end->workload == NULL)
			break;
		scope_miss(&miss, search->world, peer, end->workload);
		selector_miss(&miss, peer->kind == PEER_SERVICE ? &peer->service->workloads : &peer->labels,
			      &end->workload->labels, "");
		return miss;
	case PEER_NETWORK:
		miss_add(&miss, end->has_address ? arena_printf(arena, "%s is not in %s", name, peer->name)
						 : arena_printf(arena, "%s has no address", name));
		return miss;
	case PEER_WORLD:
		miss_add(&miss, arena_printf(arena, "%s is %s", name,
					     end->workload != NULL ? "a workload"
					     : end->has_address	   ? "a node"
								   : "not the world"));
		return miss;
	case PEER_NODE:
		miss_add(&miss, arena_printf(arena, "%s is not the node of the other end", name));
		return miss;
	case PEER_CLUSTER:
	case PEER_ANY:
		break;
	}
	miss.count = MISS_KINDS;
	miss.text = arena_printf(arena, "%s is no workload", name);
	return miss;
}

/* Looks for the source that misses least, since none matches. */
static const char *source_miss(const struct search *search, struct fit *fit)
{
	const struct flows *flows = &fit->allow->flows;
	struct end_miss best = {0};
	for (size_t i = 0; i < flows->from_count; i++) {
		struct end_miss miss = end_miss(search, &flows->from[i], &search->flow->from);
		if (best.text != NULL && miss.count >= best.count)
			continue;
		best = miss;
		fit->from = i;
	}
	return arena_printf(search->arena, "the source: %s", best.text != NULL ? best.text : "there is none");
}

/* Looks for the destination that misses least, of those whose ports are as the fit says. */
static const char *destination_miss(const struct search *search, struct fit *fit)
{
	const struct flows *flows = &fit->allow->flows;
	const struct flow *flow = search->flow;
	struct end_miss best = {0};
	for (size_t i = 0; i < flows->to_count; i++) {
		struct end_miss miss = end_miss(search, &flows->to[i].peer, &flow->to);
		bool port = target_opens(&flows->to[i], flow->to.workload, flow->protocol, flow->port);
		if (port == fit->missing[MISS_PORT] || (best.text != NULL && miss.count >= best.count))
			continue;
		best = miss;
		fit->to = i;
	}
	return arena_printf(search->arena, "the destination: %s", best.text != NULL ? best.text : "there is none");
}

static const char *direction_miss(const struct search *search, struct fit *fit)
{
	(void)fit;
	return arena_printf(search->arena, "the direction is the other one");
}

static const char *port_miss(const struct search *search, struct fit *fit)
{
	(void)fit;
	char port[48];
	const struct port_range range = {search->flow->protocol, search->flow->port, search->flow->port};
	return arena_printf(search->arena, "the port is %s", port_range_format(&range, port));
}

static const char *expired_miss(const struct search *search, struct fit *fit)
{
	char time[32];
	return arena_printf(search->arena, "expired since %s", time_print(fit->allow->until, time));
}

static void put_into_words(const struct search *search, struct fit *fit, struct near_allow *near)
{
	static const char *(*const words[MISS_KINDS])(const struct search *, struct fit *) = {
	    [MISS_SOURCE] = source_miss, [MISS_DESTINATION] = destination_miss, [MISS_DIRECTION] = direction_miss,
	    [MISS_PORT] = port_miss,	 [MISS_EXPIRED] = expired_miss,
	};
	const struct allow *allow = near->allow = fit->allow;
	for (size_t kind = 0; kind < MISS_KINDS; kind++)
		if (fit->missing[kind])
			near->misses[near->miss_count++] =
			    (struct miss){(enum miss_kind)kind, words[kind](search, fit)};
	const struct target *target = &allow->flows.to[fit->to];
	const char *only = !allow->counts[INGRESS] ? ", egress only" : !allow->counts[EGRESS] ? ", ingress only" : "";
	near->text =
	    arena_printf(search->arena, "%s -> %s on %s%s", peer_text(search->arena, &allow->flows.from[fit->from]),
			 peer_text(search->arena, &target->peer), ports_text(search->arena, target), only);
}

/* The best of both sides, each once. */
static struct nearest collect(struct search *search)
{
	struct nearest nearest = {0};
	struct ranking *egress = &search->sides[EGRESS], *ingress = &search->sides[INGRESS];
	size_t count = egress->count + ingress->count;
	struct fit *all = arena_alloc(search->arena, (count + 1) * sizeof *all);
	for (size_t i = 0; i < count; i++)
		all[i] = i < egress->count ? egress->items[i] : ingress->items[i - egress->count];
	qsort(all, count, sizeof *all, compare_fits);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || all[i].allow != all[i - 1].allow)
			put_into_words(search, &all[i], arena_push(search->arena, nearest.items, nearest.count));
	return nearest;
}

struct nearest nearest_find(struct arena *arena, const struct world *world, const struct flow *flow,
			    const struct verdict *verdict, size_t most)
{
	static const char *const ends[] = {[EGRESS] = "source", [INGRESS] = "destination"};
	const struct side *sides[] = {[EGRESS] = &verdict->egress, [INGRESS] = &verdict->ingress};
	struct search search = {.arena = arena, .world = world, .flow = flow, .most = most};
	if (most == 0 || verdict->allowed || !ends_fit(&flow->from, &flow->to, flow->protocol))
		return (struct nearest){0};
	for (size_t i = 0; i < 2; i++) {
		if (!sides[i]->allowed && sides[i]->reason != REASON_NO_ALLOW)
			return (struct nearest){0};
		search.sides[i].open = !sides[i]->allowed;
		search.sides[i].items = arena_alloc(arena, (most + 1) * sizeof *search.sides[i].items);
	}
	search_allows(&search);
	struct nearest nearest = collect(&search);
	for (size_t i = 0; i < 2; i++)
		if (search.sides[i].open && !search.sides[i].named)
			nearest.unnamed[i] =
			    arena_printf(arena, "no allow has %s as its %s",
					 endpoint_name(arena, i == EGRESS ? &flow->from : &flow->to), ends[i]);
	return nearest;
}
