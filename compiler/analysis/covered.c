/* covered-allow: an allow whose every flow another single allow holds, for as long, and with what else it does.
 *
 * Being covered is an order, and of those that cover each other the first stays: whoever removes all that are found
 * here closes nothing. */
#include "compiler/analysis/linting.h"
#include "compiler/analysis/postings.h"
#include "compiler/analysis/within.h"

#include <ringfence/arena.h>

#include <string.h>

/* Whether some source of `outer` holds `peer`. */
static bool source_within(struct linting *linting, const struct peer *peer, const struct flows *outer)
{
	for (size_t i = 0; i < outer->from_count && linting_step(linting); i++)
		if (peer_within(peer, &outer->from[i]))
			return true;
	return false;
}

/* Whether one of `names` is this name, for its protocol. */
static bool name_within(const struct port_name *name, const struct port_name *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i].name, name->name) == 0 &&
		    (names[i].protocol == PROTOCOL_ANY || names[i].protocol == name->protocol))
			return true;
	return false;
}

/* Whether the targets of `outer` that hold this one's peer have its ports, together. */
static bool target_within(struct linting *linting, const struct target *target, const struct flows *outer)
{
	struct arena *arena = linting->arena;
	struct port_range *ranges = NULL;
	struct port_name *names = NULL;
	size_t range_count = 0, name_count = 0;
	for (size_t i = 0; i < outer->to_count && linting_step(linting); i++) {
		const struct target *holder = &outer->to[i];
		if (!peer_within(&target->peer, &holder->peer))
			continue;
		for (size_t j = 0; j < holder->port_count; j++)
			*arena_push(arena, ranges, range_count) = holder->ports[j];
		for (size_t j = 0; j < holder->container_port_count; j++)
			*arena_push(arena, names, name_count) = holder->container_ports[j];
	}
	for (size_t i = 0; i < target->port_count; i++)
		if (!linting_step(linting) || !ports_within(&target->ports[i], ranges, range_count))
			return false;
	for (size_t i = 0; i < target->container_port_count; i++) {
		const struct port_name *name = &target->container_ports[i];
		const struct port_range every = {name->protocol, 0, 65535}; /* whatever the name stands for */
		if (!name_within(name, names, name_count) && !ports_within(&every, ranges, range_count))
			return false;
	}
	return true;
}

/* Whether `outer` does all that `inner` does. A rate counts for the allow that has it. */
static bool covers(struct linting *linting, const struct allow *outer, const struct allow *inner)
{
	const struct flows *flows = &inner->flows;
	if (outer == inner || outer->log != inner->log || outer->rate.count > 0 || inner->rate.count > 0 ||
	    (outer->until != 0 && (inner->until == 0 || inner->until > outer->until)))
		return false;
	for (size_t i = 0; i < flows->from_count; i++)
		if (!source_within(linting, &flows->from[i], &outer->flows))
			return false;
	for (size_t i = 0; i < flows->to_count; i++)
		if (!target_within(linting, &flows->to[i], &outer->flows))
			return false;
	return true;
}

static bool can_cover(const struct linting *linting, const struct allow *allow)
{
	return allow_is_native(allow) && allow->rate.count == 0 && is_alive(linting->world, allow->until) &&
	       allow->flows.from_count > 0 && allow->flows.to_count > 0;
}

/* The first among `candidates` that covers `allow` and stays. */
static const struct allow *find_cover(struct linting *linting, const struct allow *allow,
				      const struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->count; i++) {
		for (size_t j = 0; j < candidates->lists[i].count && linting->steps > 0; j++) {
			const struct allow *other =
			    linting->world->policy->allows[candidates->lists[i].items[j].number];
			if (covers(linting, other, allow) &&
			    (compare_spans(&other->span, &allow->span) < 0 || !covers(linting, allow, other)))
				return linting->steps > 0 ? other : NULL;
		}
	}
	return NULL;
}

void lint_covered_allows(struct linting *linting)
{
	const struct policy *policy = linting->world->policy;
	struct holders sources = {.arena = linting->arena}, targets = {.arena = linting->arena};
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		if (!can_cover(linting, policy->allows[i]))
			continue;
		for (size_t j = 0; j < flows->from_count; j++)
			holders_add(&sources, &flows->from[j], i);
		for (size_t j = 0; j < flows->to_count; j++)
			holders_add(&targets, &flows->to[j].peer, i);
	}
	holders_sort(&sources);
	holders_sort(&targets);
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct allow *allow = policy->allows[i];
		if (!can_cover(linting, allow) || linting_is_off(linting, &allow->span))
			continue;
		const struct candidates from = holders_find(&sources, allow->flows.from);
		const struct candidates to = holders_find(&targets, &allow->flows.to->peer);
		const struct allow *cover = find_cover(linting, allow, from.total < to.total ? &from : &to);
		if (cover != NULL)
			linting_add(linting, allow->span, "remove it: nothing closes with it",
				    "the allow at %s:%u holds every flow of this one", cover->span.file,
				    cover->span.line);
	}
}
