/* From recorded flows to allows.
 *
 * Flows that the policy denies are put together by who may be named for their ends and by port: a group passes or not
 * as a whole. An atom is an allow of one source, one destination and one port; those that would break a `never` are out
 * before anything is chosen. covering.c chooses the atoms that open least, suggest_statements.c makes few statements of
 * them, and in the end every flow is judged once more under the policy with them. */
#include "compiler/analysis/covering.h"
#include "compiler/analysis/narrowing.h"
#include "compiler/analysis/samples.h"
#include "compiler/analysis/suggesting.h"

#include <ringfence/replay.h>

#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION HASH_OAT /* the default falls through cases, of which clang warns */
#include <uthash.h>

/* A flow that an allow could open. */
struct wanted {
	const struct endpoints *ends[2];
	const char *names[2], *groups[2];
	const void *units[2];
	uint16_t protocol, port;
	uint64_t times;
	int64_t first, last;
	size_t group;
};

/* What tells one group from another; bytes between the fields are 0. */
struct group_key {
	const struct kind *kinds[2];
	uint16_t protocol, port;
};

struct group {
	struct group_key key;
	size_t number;
	size_t *atoms; /* narrowest source first */
	size_t atom_count;
	UT_hash_handle hh;
};

struct atom_key {
	size_t ends[2];
	uint16_t protocol, port;
};

struct known_atom {
	struct atom_key key;
	size_t number;
	UT_hash_handle hh;
};

/* The scope of an end in the policy with what is proposed. */
struct known_scope {
	const struct endpoints *end;
	const struct scope *scope;
	UT_hash_handle hh;
};

struct gap {
	const char *reason;
	const struct never *never;
	const char *names[2], *groups[2], *port;
	struct seen seen;
};

struct suggest {
	struct arena *arena;
	const struct world *world;
	struct replay *replay;
	struct candidates *candidates;
	int64_t since;
	uint64_t fewest;
	struct wanted *wanted;
	size_t wanted_count;
	struct group *groups; /* by their keys */
	struct group **group_list;
	size_t group_count;
	struct known_atom *known_atoms;
	struct atom *atoms;
	size_t atom_count;
	struct known_scope *scopes;
	struct gap *gaps;
	size_t gap_count;
	struct suggestion suggestion;
};

struct suggest *suggest_create(struct arena *arena, const struct world *world, int64_t since, size_t fewest)
{
	struct suggest *suggest = arena_alloc(arena, sizeof *suggest);
	*suggest = (struct suggest){.arena = arena, .world = world, .since = since, .fewest = fewest};
	suggest->replay = replay_create(arena, world, world);
	suggest->candidates = candidates_create(arena, world);
	return suggest;
}

const char *suggest_add(struct suggest *suggest, const struct flow_record *record)
{
	if (suggest->since != 0 && record->time < suggest->since) {
		suggest->suggestion.early += record->time != 0;
		suggest->suggestion.untimed += record->time == 0;
		return NULL;
	}
	return replay_add(suggest->replay, record);
}

/* ---- counting ---- */

static void see(struct seen *seen, uint64_t times, int64_t first, int64_t last)
{
	seen->flows++;
	if (__builtin_add_overflow(seen->times, times, &seen->times))
		seen->times = UINT64_MAX;
	if (first != 0 && (seen->first == 0 || first < seen->first))
		seen->first = first;
	if (last > seen->last)
		seen->last = last;
}

static const char *port_text(struct arena *arena, uint16_t protocol, uint16_t port)
{
	char text[48];
	const struct port_range range = {protocol, port, port};
	return arena_printf(arena, "%s", port_range_format(&range, text));
}

static void add_gap(struct suggest *suggest, const struct wanted *wanted, const char *reason, const struct never *never)
{
	struct gap *gap = arena_push(suggest->arena, suggest->gaps, suggest->gap_count);
	*gap = (struct gap){.reason = reason, .never = never};
	memcpy(gap->names, wanted->names, sizeof gap->names);
	memcpy(gap->groups, wanted->groups, sizeof gap->groups);
	/* where an end is not known, what a port's name means is not known either */
	gap->port = wanted->protocol != 0 ? port_text(suggest->arena, wanted->protocol, wanted->port) : "";
	see(&gap->seen, wanted->times, wanted->first, wanted->last);
	see(&suggest->suggestion.uncovered, wanted->times, wanted->first, wanted->last);
}

/* ---- what could be opened ---- */

/* Why no allow opens a flow that is denied so, or NULL. */
static const char *verdict_problem(const struct verdict *verdict)
{
	const struct side *const sides[] = {&verdict->egress, &verdict->ingress};
	struct span span;
	for (size_t i = 0; i < 2; i++)
		if (!sides[i]->allowed && sides[i]->reason != REASON_NO_ALLOW)
			return side_text(sides[i], &span);
	return NULL;
}

static bool fits(const struct counted_flow *flow, uint16_t protocol)
{
	for (size_t i = 0; i < flow->ends[EGRESS]->count; i++)
		for (size_t j = 0; j < flow->ends[INGRESS]->count; j++)
			if (ends_fit(&flow->ends[EGRESS]->items[i], &flow->ends[INGRESS]->items[j], protocol))
				return true;
	return false;
}

/* Whether the language has a word for just this port. */
static bool has_word(uint16_t protocol, uint16_t port)
{
	char text[48];
	struct port_range range = {protocol, port, port};
	return port_range_parse(&range, port_range_format(&range, text)) == NULL && range.first == range.last &&
	       port_range_holds(&range, protocol, port);
}

static size_t group_of(struct suggest *suggest, const struct kind *from, const struct kind *to, uint16_t protocol,
		       uint16_t port)
{
	struct group_key key;
	struct group *group;
	memset(&key, 0, sizeof key);
	key.kinds[EGRESS] = from;
	key.kinds[INGRESS] = to;
	key.protocol = protocol;
	key.port = port;
	HASH_FIND(hh, suggest->groups, &key, sizeof key, group);
	if (group != NULL)
		return group->number;
	group = arena_alloc(suggest->arena, sizeof *group);
	group->key = key;
	group->number = suggest->group_count;
	HASH_ADD(hh, suggest->groups, key, sizeof key, group);
	*arena_push(suggest->arena, suggest->group_list, suggest->group_count) = group;
	return group->number;
}

static struct candidate *first_of(const struct suggest *suggest, const struct kind *kind)
{
	return candidate_at(suggest->candidates, kind->numbers[0]);
}

static void want(struct suggest *suggest, const struct counted_flow *flow, struct wanted *wanted)
{
	const struct kind *kinds[2];
	if (flow->times < suggest->fewest) {
		add_gap(suggest, wanted, "seen fewer times than --min-count asks for", NULL);
		return;
	}
	for (int end = EGRESS; end <= INGRESS; end++) {
		kinds[end] =
		    candidates_of(suggest->candidates, flow->ends[end], flow->ends[1 - end], &wanted->units[end]);
		if (kinds[end]->problem != NULL) {
			add_gap(suggest, wanted, kinds[end]->problem, NULL);
			return;
		}
	}
	for (int end = EGRESS; end <= INGRESS; end++) {
		uint64_t *times = &first_of(suggest, kinds[end])->times;
		if (__builtin_add_overflow(*times, wanted->times, times))
			*times = UINT64_MAX;
	}
	wanted->group = group_of(suggest, kinds[EGRESS], kinds[INGRESS], wanted->protocol, wanted->port);
	*arena_push(suggest->arena, suggest->wanted, suggest->wanted_count) = *wanted;
}

/* Whether an end is a host workload, and the other a workload that sees its node in place of it. */
static bool needs_both_sides(const struct counted_flow *flow)
{
	for (int end = EGRESS; end <= INGRESS; end++)
		for (size_t i = 0; i < flow->ends[end]->count; i++) {
			const struct workload *workload = flow->ends[end]->items[i].workload;
			if (workload != NULL && workload_is_host(workload) &&
			    flow->ends[1 - end]->items[0].workload != NULL)
				return true;
		}
	return false;
}

static void take_denied(struct suggest *suggest, const struct counted_flow *flow, struct wanted *wanted)
{
	static const struct {
		uint16_t protocol, port;
	} echoes[] = {{PROTOCOL_ICMP, 8 << 8}, {PROTOCOL_ICMPV6, 128 << 8}};
	const char *wrong = verdict_problem(&flow->verdict);
	bool fit =
	    flow->both_icmp ? fits(flow, PROTOCOL_ICMP) || fits(flow, PROTOCOL_ICMPV6) : fits(flow, flow->protocol);
	if (wrong == NULL && !fit)
		wrong = "its ends have no address of one family";
	if (wrong == NULL && needs_both_sides(flow))
		wrong = "to the other end a host workload is its node: it takes an allow for each side";
	if (wrong == NULL && !flow->both_icmp && !has_word(flow->protocol, flow->port))
		wrong = "nothing but `ports: [any]` would let this protocol or message pass";
	if (wrong != NULL) {
		add_gap(suggest, wanted, wrong, NULL);
		return;
	}
	if (!flow->both_icmp) {
		want(suggest, flow, wanted);
		return;
	}
	/* a line that says `icmp` is a flow of each version that its ends have */
	for (size_t i = 0; i < sizeof echoes / sizeof *echoes; i++) {
		if (!fits(flow, echoes[i].protocol))
			continue;
		wanted->protocol = echoes[i].protocol;
		wanted->port = echoes[i].port;
		want(suggest, flow, wanted);
	}
}

static void take(void *context, const struct counted_flow *flow)
{
	struct suggest *suggest = context;
	struct wanted wanted = {.ends = {flow->ends[EGRESS], flow->ends[INGRESS]},
				.names = {flow->names[EGRESS], flow->names[INGRESS]},
				.groups = {flow->groups[EGRESS], flow->groups[INGRESS]},
				.protocol = flow->protocol,
				.port = flow->port,
				.times = flow->times,
				.first = flow->first,
				.last = flow->last};
	if (flow->problem != NULL) {
		add_gap(suggest, &wanted, flow->problem, NULL);
	} else if (flow->verdict.allowed) {
		see(&suggest->suggestion.allowed, flow->times, flow->first, flow->last);
		suggest->suggestion.denied_before += flow->denied;
	} else {
		take_denied(suggest, flow, &wanted);
	}
}

/* ---- atoms ---- */

static size_t atom_of(struct suggest *suggest, size_t from, size_t to, uint16_t protocol, uint16_t port)
{
	struct atom_key key;
	struct known_atom *known;
	memset(&key, 0, sizeof key);
	key.ends[EGRESS] = from;
	key.ends[INGRESS] = to;
	key.protocol = protocol;
	key.port = port;
	HASH_FIND(hh, suggest->known_atoms, &key, sizeof key, known);
	if (known != NULL)
		return known->number;
	known = arena_alloc(suggest->arena, sizeof *known);
	known->key = key;
	known->number = suggest->atom_count;
	HASH_ADD(hh, suggest->known_atoms, key, sizeof key, known);
	*arena_push(suggest->arena, suggest->atoms, suggest->atom_count) =
	    (struct atom){.ends = {from, to}, .protocol = protocol, .port = port};
	return known->number;
}

static bool is_dropped(const struct suggest *suggest, const struct group *group)
{
	return first_of(suggest, group->key.kinds[EGRESS])->is_dropped ||
	       first_of(suggest, group->key.kinds[INGRESS])->is_dropped;
}

static void find_atoms(struct suggest *suggest, struct group *group)
{
	const struct kind *from = group->key.kinds[EGRESS], *to = group->key.kinds[INGRESS];
	for (size_t i = 0; i < from->count; i++)
		for (size_t j = 0; j < to->count; j++)
			*arena_push(suggest->arena, group->atoms, group->atom_count) =
			    atom_of(suggest, from->numbers[i], to->numbers[j], group->key.protocol, group->key.port);
}

/* Sorts by the names of the ends, and then by port. */
static int compare_atoms(const void *left, const void *right, void *candidates)
{
	const struct atom *a = left, *b = right;
	for (int end = EGRESS; end <= INGRESS; end++) {
		int order =
		    strcmp(candidate_at(candidates, a->ends[end])->key, candidate_at(candidates, b->ends[end])->key);
		if (order != 0)
			return order;
	}
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return (a->port > b->port) - (a->port < b->port);
}

/* Sorts the atoms, so that what is chosen does not depend on the order of the log. */
static void sort_atoms(struct suggest *suggest)
{
	struct known_atom *known;
	if (suggest->atom_count > 1)
		qsort_r(suggest->atoms, suggest->atom_count, sizeof *suggest->atoms, compare_atoms,
			suggest->candidates);
	size_t *moved = arena_alloc(suggest->arena, (suggest->atom_count + 1) * sizeof *moved);
	for (size_t i = 0; i < suggest->atom_count; i++) {
		struct atom_key key;
		memset(&key, 0, sizeof key);
		memcpy(key.ends, suggest->atoms[i].ends, sizeof key.ends);
		key.protocol = suggest->atoms[i].protocol;
		key.port = suggest->atoms[i].port;
		HASH_FIND(hh, suggest->known_atoms, &key, sizeof key, known);
		moved[known->number] = i;
	}
	for (size_t i = 0; i < suggest->group_count; i++)
		for (size_t j = 0; j < suggest->group_list[i]->atom_count; j++)
			suggest->group_list[i]->atoms[j] = moved[suggest->group_list[i]->atoms[j]];
}

/* ---- choosing ---- */

static uint64_t cost_of(const struct suggest *suggest, const struct atom *atom)
{
	uint64_t from = candidate_at(suggest->candidates, atom->ends[EGRESS])->ends;
	uint64_t to = candidate_at(suggest->candidates, atom->ends[INGRESS])->ends;
	return from * to < UINT32_MAX ? from * to : UINT32_MAX;
}

static void choose(struct suggest *suggest)
{
	struct choice *choices = arena_alloc(suggest->arena, (suggest->atom_count + 1) * sizeof *choices);
	for (size_t i = 0; i < suggest->atom_count; i++)
		choices[i].cost = cost_of(suggest, &suggest->atoms[i]);
	for (size_t i = 0; i < suggest->group_count; i++) {
		const struct group *group = suggest->group_list[i];
		for (size_t j = 0; j < group->atom_count; j++) {
			struct choice *choice = &choices[group->atoms[j]];
			if (suggest->atoms[group->atoms[j]].breaks == NULL)
				*arena_push(suggest->arena, choice->elements, choice->count) = i;
		}
	}
	choices_cover(choices, suggest->atom_count, suggest->group_count);
	for (size_t i = 0; i < suggest->atom_count; i++)
		suggest->atoms[i].chosen = choices[i].chosen;
}

/* ---- what was seen of what is proposed ---- */

/* A pair of ends that was seen, of those that an allow opens. */
struct pair {
	size_t allow;
	const void *units[2];
};

static int compare_pairs(const void *left, const void *right)
{
	const struct pair *a = left, *b = right;
	if (a->allow != b->allow)
		return a->allow < b->allow ? -1 : 1;
	for (int end = EGRESS; end <= INGRESS; end++)
		if (a->units[end] != b->units[end])
			return (uintptr_t)a->units[end] < (uintptr_t)b->units[end] ? -1 : 1;
	return 0;
}

static int compare_example(const struct suggested_example *a, const struct suggested_example *b)
{
	if (a->times != b->times)
		return a->times > b->times ? -1 : 1;
	int order = strcmp(a->from, b->from);
	if (order == 0)
		order = strcmp(a->to, b->to);
	return order != 0 ? order : strcmp(a->port, b->port);
}

static void add_example(struct suggested_allow *allow, const struct suggested_example *example)
{
	size_t at = allow->example_count;
	for (; at > 0 && compare_example(example, &allow->examples[at - 1]) < 0; at--)
		if (at < SUGGEST_EXAMPLES)
			allow->examples[at] = allow->examples[at - 1];
	if (at < SUGGEST_EXAMPLES)
		allow->examples[at] = *example;
	allow->example_count += allow->example_count < SUGGEST_EXAMPLES;
}

/* Counts a flow for each allow that lets it pass. */
static void count_flow(struct suggest *suggest, const struct wanted *wanted, struct pair **pairs, size_t *pair_count)
{
	const struct group *group = suggest->group_list[wanted->group];
	const struct suggested_example example = {wanted->names[EGRESS], wanted->names[INGRESS],
						  port_text(suggest->arena, wanted->protocol, wanted->port),
						  wanted->times};
	see(&suggest->suggestion.covered, wanted->times, wanted->first, wanted->last);
	for (size_t i = 0; i < group->atom_count; i++) {
		const struct atom *atom = &suggest->atoms[group->atoms[i]];
		bool counted = !atom->chosen;
		for (size_t j = 0; j < i && !counted; j++)
			counted = suggest->atoms[group->atoms[j]].chosen &&
				  suggest->atoms[group->atoms[j]].statement == atom->statement;
		if (counted)
			continue;
		struct suggested_allow *allow = &suggest->suggestion.allows[atom->statement];
		see(&allow->seen, wanted->times, wanted->first, wanted->last);
		add_example(allow, &example);
		*arena_push(suggest->arena, *pairs, *pair_count) =
		    (struct pair){atom->statement, {wanted->units[EGRESS], wanted->units[INGRESS]}};
	}
}

static void count_pairs(struct suggest *suggest, struct pair *pairs, size_t count)
{
	if (count > 1)
		qsort(pairs, count, sizeof *pairs, compare_pairs);
	for (size_t i = 0; i < count; i++) {
		struct suggested_allow *allow = &suggest->suggestion.allows[pairs[i].allow];
		bool again = i > 0 && compare_pairs(&pairs[i - 1], &pairs[i]) == 0;
		/* a log that names a service and its only workload has seen one pair by two names */
		allow->pairs_seen += !again && allow->pairs_seen < allow->pairs_opened;
	}
}

/* Why a group has no atom that is chosen. */
static const char *group_problem(struct suggest *suggest, const struct group *group, const struct never **never)
{
	*never = NULL;
	if (is_dropped(suggest, group))
		return arena_printf(suggest->arena,
				    "there are more than %d addresses outside of every network: define networks",
				    SUGGEST_ADDRESSES_MOST);
	for (size_t i = 0; i < group->atom_count && *never == NULL; i++)
		*never = suggest->atoms[group->atoms[i]].breaks;
	return "an allow would break a `never`";
}

static bool is_covered(const struct suggest *suggest, const struct group *group)
{
	for (size_t i = 0; i < group->atom_count; i++)
		if (suggest->atoms[group->atoms[i]].chosen)
			return true;
	return false;
}

static const struct scope *scope_of(struct suggest *suggest, struct narrowing *narrowing, const struct endpoints *end)
{
	struct known_scope *known;
	HASH_FIND_PTR(suggest->scopes, &end, known);
	if (known != NULL)
		return known->scope;
	known = arena_alloc(suggest->arena, sizeof *known);
	known->end = end;
	known->scope = narrowing_scope(narrowing, end);
	HASH_ADD_PTR(suggest->scopes, end, known);
	return known->scope;
}

/* The last word: what of a flow is still denied with all that is proposed, or NULL. */
static const char *still_denied(struct suggest *suggest, struct narrowing *narrowing, const struct wanted *wanted)
{
	struct flow asked;
	struct span span;
	const struct scope *from = scope_of(suggest, narrowing, wanted->ends[EGRESS]);
	const struct scope *to = scope_of(suggest, narrowing, wanted->ends[INGRESS]);
	const struct verdict verdict =
	    verdict_of_endpoints(narrowing_world(narrowing, from, to), wanted->ends[EGRESS], wanted->ends[INGRESS],
				 wanted->protocol, wanted->port, &asked);
	if (verdict.allowed)
		return NULL;
	const struct side *side = verdict.egress.allowed ? &verdict.ingress : &verdict.egress;
	return arena_printf(suggest->arena, "an allow opens it for a part of its workloads; of another, %s",
			    side_text(side, &span));
}

static void count_all(struct suggest *suggest)
{
	struct pair *pairs = NULL;
	size_t pair_count = 0;
	struct narrowing *narrowing = narrowing_create(suggest->arena, &suggest->suggestion.world);
	for (size_t i = 0; i < suggest->wanted_count; i++) {
		const struct wanted *wanted = &suggest->wanted[i];
		const struct group *group = suggest->group_list[wanted->group];
		const struct never *never = NULL;
		const char *problem =
		    still_denied(suggest, narrowing, wanted); /* what other flows need may let it pass */
		if (problem != NULL && !is_covered(suggest, group))
			problem = group_problem(suggest, group, &never);
		if (problem != NULL)
			add_gap(suggest, wanted, problem, never);
		else
			count_flow(suggest, wanted, &pairs, &pair_count);
	}
	narrowing_finish(narrowing);
	count_pairs(suggest, pairs, pair_count);
}

/* ---- what is not covered ---- */

static int compare_nevers(const struct never *a, const struct never *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	int order = strcmp(a->span.file, b->span.file);
	return order != 0 ? order : (a->span.line > b->span.line) - (a->span.line < b->span.line);
}

/* What is told in one line is equal. */
static int compare_gaps(const struct gap *a, const struct gap *b)
{
	int order = strcmp(a->reason, b->reason);
	if (order == 0)
		order = compare_nevers(a->never, b->never);
	for (int end = EGRESS; end <= INGRESS && order == 0; end++)
		order = strcmp(a->groups[end], b->groups[end]);
	return order != 0 ? order : strcmp(a->port, b->port);
}

static int compare_all_gaps(const void *left, const void *right)
{
	const struct gap *a = left, *b = right;
	int order = compare_gaps(a, b);
	for (int end = EGRESS; end <= INGRESS && order == 0; end++)
		order = strcmp(a->names[end], b->names[end]);
	return order;
}

static void tell_gaps(struct suggest *suggest)
{
	struct suggestion *suggestion = &suggest->suggestion;
	if (suggest->gap_count > 1)
		qsort(suggest->gaps, suggest->gap_count, sizeof *suggest->gaps, compare_all_gaps);
	for (size_t i = 0, next; i < suggest->gap_count; i = next) {
		const struct gap *first = &suggest->gaps[i];
		struct suggested_gap gap = {
		    first->reason,
		    first->never,
		    {first->names[EGRESS], first->names[INGRESS], first->port, first->seen.times},
		    {0}};
		for (next = i; next < suggest->gap_count && compare_gaps(first, &suggest->gaps[next]) == 0; next++)
			see(&gap.seen, suggest->gaps[next].seen.times, suggest->gaps[next].seen.first,
			    suggest->gaps[next].seen.last);
		if (suggestion->gap_count < SUGGEST_GAPS_MOST)
			*arena_push(suggest->arena, suggestion->gaps, suggestion->gap_count) = gap;
		else
			suggestion->gaps_left_out++;
	}
}

/* ---- all of it ---- */

static void add_to_world(struct suggest *suggest)
{
	struct suggestion *suggestion = &suggest->suggestion;
	const struct policy *whole = suggest->world->policy;
	struct policy *policy = arena_alloc(suggest->arena, sizeof *policy);
	*policy = *whole;
	policy->allows =
	    arena_alloc(suggest->arena, (whole->allow_count + suggestion->allow_count + 1) * sizeof(struct allow *));
	for (size_t i = 0; i < whole->allow_count; i++)
		policy->allows[i] = whole->allows[i];
	for (size_t i = 0; i < suggestion->allow_count; i++)
		policy->allows[policy->allow_count++] = (struct allow *)(uintptr_t)suggestion->allows[i].allow;
	suggestion->world = *suggest->world;
	suggestion->world.policy = policy;
}

struct suggestion suggest_finish(struct suggest *suggest)
{
	replay_each(suggest->replay, take, suggest);
	candidates_close(suggest->candidates);
	for (size_t i = 0; i < suggest->group_count; i++)
		if (!is_dropped(suggest, suggest->group_list[i]))
			find_atoms(suggest, suggest->group_list[i]);
	sort_atoms(suggest);
	nevers_mark(suggest->world, suggest->candidates, suggest->atoms, suggest->atom_count);
	choose(suggest);
	statements_make(suggest->arena, suggest->candidates, suggest->atoms, suggest->atom_count, &suggest->suggestion);
	add_to_world(suggest);
	count_all(suggest);
	tell_gaps(suggest);
	HASH_CLEAR(hh, suggest->groups);
	HASH_CLEAR(hh, suggest->known_atoms);
	HASH_CLEAR(hh, suggest->scopes);
	candidates_finish(suggest->candidates);
	replay_end(suggest->replay);
	return suggest->suggestion;
}
