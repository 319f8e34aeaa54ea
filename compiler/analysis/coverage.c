/* Which statements the tests of a policy would miss.
 *
 * Running all tests again without each statement would be the plain way. But without an allow only those flows change
 * that it decides, so each flow that a test asks for is asked again without the allows that decide it, one at a time,
 * and with an allow in the place of each `never` that speaks of it. Closing one flow fails a test of `expect: allow`,
 * opening one fails a test of `expect: deny`. An allow also brings ends to tests of everybody, which are not asked
 * about without it (test_end_stays); one that brings the only end of all leaves such a test with no flow. */
#include "compiler/analysis/testing.h"
#include "compiler/analysis/words.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* What the test at hand says about a statement; numbers of tests count from 1. */
struct mark {
	struct statement_coverage *statement; /* NULL: an allow that is over */
	const struct flows *flows;
	size_t asked_in, covered_in;
};

struct covering {
	struct testing *testing;
	struct mark *allows, *nevers; /* by number in the policy */
	struct allow *stand_ins;      /* for the nevers */
	size_t test;		      /* the one at hand */
	struct mark **marked;	      /* by it */
	size_t marked_count, flow_count;
	const struct flows *bringers[2]; /* without one of these the test would have no flow at all */
	struct allow **changed;		 /* the allows of an asked flow less one, or with one more */
};

static void mark(struct covering *covering, struct mark *mark, bool covers)
{
	if (mark->asked_in != covering->test)
		covering->marked[covering->marked_count++] = mark;
	mark->asked_in = covering->test;
	if (covers)
		mark->covered_in = covering->test;
}

static bool is_settled(const struct covering *covering, const struct mark *mark)
{
	return mark->statement == NULL || mark->statement->covered || mark->covered_in == covering->test;
}

/* The verdict of an asked flow against the first `count` of `changed`. */
static bool is_allowed_by(const struct covering *covering, const struct asked *asked, size_t count)
{
	struct policy policy = *asked->policy;
	const struct world world = {&policy, asked->world->inventory, asked->world->at};
	policy.allows = covering->changed;
	policy.allow_count = count;
	return verdict_of(&world, asked->flow).allowed;
}

static bool is_allowed_without(const struct covering *covering, const struct asked *asked, size_t place)
{
	const struct policy *policy = asked->policy;
	memcpy(covering->changed, policy->allows, place * sizeof(struct allow *));
	memcpy(covering->changed + place, policy->allows + place + 1,
	       (policy->allow_count - place - 1) * sizeof(struct allow *));
	return is_allowed_by(covering, asked, policy->allow_count - 1);
}

static bool is_allowed_with(const struct covering *covering, const struct asked *asked, struct allow *allow)
{
	memcpy(covering->changed, asked->policy->allows, asked->policy->allow_count * sizeof(struct allow *));
	covering->changed[asked->policy->allow_count] = allow;
	return is_allowed_by(covering, asked, asked->policy->allow_count + 1);
}

static bool ends_stay(const struct covering *covering, const struct asked *asked, const struct flows *flows)
{
	return test_end_stays(covering->testing, asked->ends[EGRESS], flows) &&
	       test_end_stays(covering->testing, asked->ends[INGRESS], flows);
}

/* Whether an end is a host workload: the other one sees its node, and statements about that may count. */
static bool meets_host(const struct flow *flow)
{
	return (flow->from.workload != NULL && workload_is_host(flow->from.workload)) ||
	       (flow->to.workload != NULL && workload_is_host(flow->to.workload));
}

static void ask_without_allows(struct covering *covering, const struct asked *asked)
{
	for (size_t i = 0; i < asked->policy->allow_count; i++) {
		const struct allow *allow = asked->policy->allows[i];
		struct mark *own = &covering->allows[asked->numbers[i]];
		bool decides = asked->verdict->egress.allow == allow || asked->verdict->ingress.allow == allow;
		if (is_settled(covering, own) || (!decides && !flows_hold(asked->world, &allow->flows, asked->flow)))
			continue;
		mark(covering, own,
		     decides && ends_stay(covering, asked, &allow->flows) && !is_allowed_without(covering, asked, i));
	}
}

static void ask_without_nevers(struct covering *covering, const struct asked *asked)
{
	for (size_t i = 0; i <= asked->world->policy->never_count / 64; i++)
		for (uint64_t bits = asked->nevers[EGRESS][i] & asked->nevers[INGRESS][i]; bits != 0;
		     bits &= bits - 1) {
			size_t number = i * 64 + (size_t)__builtin_ctzll(bits);
			struct mark *own = &covering->nevers[number];
			bool holds = flows_hold(asked->world, own->flows, asked->flow);
			if (is_settled(covering, own) || (!holds && !meets_host(asked->flow)))
				continue;
			bool opens = is_allowed_with(covering, asked, &covering->stand_ins[number]);
			if (holds || opens)
				mark(covering, own, opens);
		}
}

/* Keeps the statements that brought an end of every flow so far. */
static void keep_bringers(struct covering *covering, const struct asked *asked)
{
	for (int i = EGRESS; i <= INGRESS; i++) {
		const struct flows **bringer = &covering->bringers[i];
		if (covering->flow_count == 0)
			*bringer = asked->ends[i]->only;
		else if (asked->ends[EGRESS]->only != *bringer && asked->ends[INGRESS]->only != *bringer)
			*bringer = NULL;
	}
	covering->flow_count++;
}

void covering_ask(struct covering *covering, const struct asked *asked)
{
	keep_bringers(covering, asked);
	if (asked->test->expect_allow)
		ask_without_allows(covering, asked);
	else
		ask_without_nevers(covering, asked);
}

static void mark_bringers(struct covering *covering)
{
	const struct policy *policy = covering->testing->world->policy;
	for (int i = EGRESS; i <= INGRESS; i++)
		for (size_t j = 0; covering->bringers[i] != NULL && j < policy->allow_count; j++)
			if (covering->allows[j].flows == covering->bringers[i] &&
			    !is_settled(covering, &covering->allows[j]))
				mark(covering, &covering->allows[j], true);
}

void covering_end(struct covering *covering, bool passed)
{
	if (passed)
		mark_bringers(covering);
	for (size_t i = 0; passed && i < covering->marked_count; i++) {
		const struct mark *mark = covering->marked[i];
		mark->statement->asked = true;
		mark->statement->covered = mark->statement->covered || mark->covered_in == covering->test;
	}
	covering->marked_count = covering->flow_count = 0;
	covering->bringers[EGRESS] = covering->bringers[INGRESS] = NULL;
	covering->test++;
}

/* ---- the statements ---- */

static int compare_statements(const void *left, const void *right)
{
	const struct statement_coverage *a = left, *b = right;
	return a->is_never != b->is_never ? a->is_never - b->is_never : compare_spans(&a->span, &b->span);
}

struct listed {
	struct statement_coverage statement; /* first, so that it sorts as one */
	struct mark *mark;
};

static void list(struct listed *listed, struct arena *arena, struct mark *mark, const char *note, const char *why,
		 struct span span)
{
	*listed =
	    (struct listed){.statement = {.text = arena_printf(arena, "%s%s", flows_text(arena, mark->flows), note),
					  .why = why,
					  .span = span},
			    .mark = mark};
}

static void list_statements(struct covering *covering, struct coverage *coverage)
{
	struct arena *arena = covering->testing->arena;
	const struct world *world = covering->testing->world;
	const struct policy *policy = world->policy;
	struct listed *listed = arena_alloc(arena, (policy->allow_count + policy->never_count + 1) * sizeof *listed);
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct allow *allow = policy->allows[i];
		covering->allows[i].flows = &allow->flows;
		if (is_alive(world, allow->until))
			list(&listed[coverage->allows++], arena, &covering->allows[i],
			     !allow->counts[INGRESS]  ? ", egress only"
			     : !allow->counts[EGRESS] ? ", ingress only"
						      : "",
			     allow->why, allow->span);
	}
	coverage->expired = policy->allow_count - coverage->allows;
	coverage->count = coverage->allows;
	for (size_t i = 0; i < policy->never_count; i++) {
		const struct never *never = policy->nevers[i];
		covering->nevers[i].flows = &never->flows;
		covering->stand_ins[i] =
		    (struct allow){.flows = never->flows, .counts = {true, true}, .span = never->span};
		list(&listed[coverage->count], arena, &covering->nevers[i], "", never->why, never->span);
		listed[coverage->count++].statement.is_never = true;
	}
	coverage->nevers = policy->never_count;
	coverage->items = arena_alloc(arena, (coverage->count + 1) * sizeof *coverage->items);
	if (coverage->count > 1)
		qsort(listed, coverage->count, sizeof *listed, compare_statements);
	for (size_t i = 0; i < coverage->count; i++) {
		coverage->items[i] = listed[i].statement;
		listed[i].mark->statement = &coverage->items[i];
	}
}

struct test_result *coverage_run(struct arena *arena, const struct world *world, struct coverage *coverage)
{
	const struct policy *policy = world->policy;
	size_t most = policy->allow_count + policy->never_count + 1;
	struct testing testing = {.arena = arena, .world = world};
	struct covering covering = {
	    .testing = &testing,
	    .allows = arena_alloc(arena, (policy->allow_count + 1) * sizeof(struct mark)),
	    .nevers = arena_alloc(arena, (policy->never_count + 1) * sizeof(struct mark)),
	    .stand_ins = arena_alloc(arena, (policy->never_count + 1) * sizeof(struct allow)),
	    .marked = arena_alloc(arena, most * sizeof(struct mark *)),
	    .changed = arena_alloc(arena, most * sizeof(struct allow *)),
	    .test = 1,
	};
	*coverage = (struct coverage){0};
	samples_init(&testing.samples, arena, world);
	list_statements(&covering, coverage);
	struct test_result *results = tests_run_covering(&testing, &covering);
	for (size_t i = 0; i < coverage->count; i++)
		*(coverage->items[i].is_never ? &coverage->nevers_covered : &coverage->allows_covered) +=
		    coverage->items[i].covered;
	return results;
}
