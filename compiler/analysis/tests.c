/* Runs the tests of a policy: ends and ports of each to flows, each flow to a verdict, and the first that differs.
 *
 * A flow is asked of verdict_of against the statements that may speak of its ends; the others say nothing of it. A test
 * that passes is looked at once more: whether it could have failed for what an allow says. */
#include "compiler/analysis/selecting.h"
#include "compiler/analysis/speaking.h"
#include "compiler/analysis/testing.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <stdio.h>
#include <string.h>

/* The statements that may speak of an end on its side, and what isolates it. */
struct about {
	const uint64_t *allows, *nevers;
	const size_t *isolations;
	size_t isolation_count;
};

/* What is looked up for all tests. */
struct lookups {
	struct speaking *allows, *nevers;
	struct selecting *selecting;
};

struct running {
	struct testing *testing;
	const struct lookups *lookups;
	struct covering *covering; /* NULL: nobody asks for coverage */
	struct arena *scratch;	   /* of one test */
	struct test_result *result;
	const char *gap; /* why the first flow proves nothing, in `scratch` */
	bool proves;	 /* some flow proves something */
	/* of one pair of ends */
	struct policy policy;
	struct world world;
	size_t *numbers; /* of the allows in `policy` */
	const struct test_end *ends[2];
	const struct about *about[2];
	const char *port_name; /* as the test calls the port, or NULL */
};

/* ---- one pair of ends ---- */

static struct about *find_about(const struct running *running, const struct test_ends *ends, enum direction side)
{
	struct about *about = arena_alloc(running->scratch, (ends->count + 1) * sizeof *about);
	for (size_t i = 0; i < ends->count; i++) {
		const struct endpoint *end = &ends->items[i].end;
		about[i].allows = speaking_find(running->lookups->allows, running->scratch, end, side);
		about[i].nevers = speaking_find(running->lookups->nevers, running->scratch, end, side);
		if (end->workload != NULL)
			about[i].isolations = selecting_numbers(running->lookups->selecting, running->scratch,
								end->workload, &about[i].isolation_count);
	}
	return about;
}

/* Leaves in `policy` what may speak of the pair, in the order of the whole policy: the statement that decides is the
 * same. */
static void narrow(struct running *running)
{
	const struct policy *whole = running->testing->world->policy;
	const struct about *from = running->about[EGRESS], *to = running->about[INGRESS];
	struct policy *policy = &running->policy;
	policy->allow_count = policy->isolation_count = 0;
	for (size_t i = 0; i < speaking_words(running->lookups->allows); i++)
		for (uint64_t bits = from->allows[i] & to->allows[i]; bits != 0; bits &= bits - 1) {
			size_t number = i * 64 + (size_t)__builtin_ctzll(bits);
			running->numbers[policy->allow_count] = number;
			policy->allows[policy->allow_count++] = whole->allows[number];
		}
	for (size_t i = 0, j = 0; i < from->isolation_count || j < to->isolation_count;) {
		size_t a = i < from->isolation_count ? from->isolations[i] : SIZE_MAX;
		size_t b = j < to->isolation_count ? to->isolations[j] : SIZE_MAX;
		i += a <= b;
		j += b <= a;
		policy->isolations[policy->isolation_count++] = whole->isolations[a < b ? a : b];
	}
}

/* ---- flows ---- */

static void ask(struct running *running, const struct flow *flow)
{
	struct test_result *result = running->result;
	const struct endpoint *from = &flow->from, *to = &flow->to;
	if ((from->workload == NULL && to->workload == NULL) || !ends_fit(from, to, flow->protocol))
		return;
	struct verdict verdict = verdict_of(&running->world, flow);
	if (verdict.egress.reason == REASON_SELF)
		return;
	bool as_expected = verdict.allowed == result->test->expect_allow;
	if (result->flow_count++ == 0 || (result->passed && !as_expected)) {
		result->flow = *flow;
		result->verdict = verdict;
	}
	result->passed = result->passed && as_expected;
	if (!result->passed)
		return;
	const struct asked asked = {
	    result->test,
	    &running->world,
	    &running->policy,
	    running->numbers,
	    {running->about[EGRESS]->nevers, running->about[INGRESS]->nevers},
	    {running->ends[EGRESS], running->ends[INGRESS]},
	    running->port_name,
	    flow,
	    &verdict,
	};
	if (!running->proves) {
		const char *gap = asked_gap(running->testing, running->scratch, &asked);
		running->proves = gap == NULL;
		running->gap = running->gap == NULL ? gap : running->gap;
	}
	if (running->covering != NULL)
		covering_ask(running->covering, &asked);
}

/* A destination that stands for workloads has the ports that the test calls by name: one that no statement names. */
static void name_ports(const struct running *running, const struct target *target, struct endpoint *end)
{
	const struct port_list *pieces = &running->testing->samples.ports;
	if (target->container_port_count == 0 || end->workload == NULL || end->has_address ||
	    inventory_workload(running->testing->world->inventory, end->workload->name_space, end->workload->name) ==
		end->workload)
		return;
	struct workload *workload = arena_alloc(running->testing->arena, sizeof *workload);
	*workload = *end->workload;
	for (size_t i = 0; i < target->container_port_count; i++) {
		const struct port_name *name = &target->container_ports[i];
		uint16_t protocol = name->protocol == PROTOCOL_ANY ? PROTOCOL_TCP : name->protocol;
		uint16_t port = 1;
		for (size_t j = 0; j < pieces->count; j++)
			if (pieces->items[j].protocol == protocol)
				port = pieces->items[j].last;
		*arena_push(running->testing->arena, workload->ports, workload->port_count) =
		    (struct named_port){name->name, {protocol, port, port}};
	}
	end->workload = workload;
}

static void ask_range(struct running *running, struct flow *flow, const struct port_range *range)
{
	const struct port_list *pieces = &running->testing->samples.ports;
	for (size_t i = 0; i < pieces->count; i++) {
		struct port_range part = pieces->items[i];
		if (range->protocol != PROTOCOL_ANY && range->protocol != part.protocol)
			continue;
		part.first = range->first > part.first ? range->first : part.first;
		part.last = range->last < part.last ? range->last : part.last;
		if (part.first > part.last)
			continue;
		flow->protocol = part.protocol;
		flow->port = port_sample(&part);
		ask(running, flow);
	}
}

static void ask_pair(struct running *running, const struct target *target)
{
	const struct endpoint *to = &running->ends[INGRESS]->end;
	struct flow flow = {.from = running->ends[EGRESS]->end, .to = *to};
	narrow(running);
	running->port_name = NULL;
	for (size_t i = 0; i < target->port_count; i++)
		ask_range(running, &flow, &target->ports[i]);
	for (size_t i = 0; i < target->container_port_count; i++) {
		const struct port_name *name = &target->container_ports[i];
		running->port_name = name->name;
		for (size_t j = 0; to->workload != NULL && j < to->workload->port_count; j++) {
			const struct named_port *port = &to->workload->ports[j];
			if (strcmp(port->name, name->name) == 0 &&
			    (name->protocol == PROTOCOL_ANY || name->protocol == port->port.protocol))
				ask_range(running, &flow, &port->port);
		}
	}
}

static void ask_target(struct running *running, const struct test_ends *from, const struct about *about,
		       const struct target *target)
{
	struct test_ends to = {0};
	test_ends_add(running->testing, &to, running->result->test, &target->peer, &running->result->problem);
	for (size_t i = 0; i < to.count; i++)
		name_ports(running, target, &to.items[i].end);
	const struct about *about_to = find_about(running, &to, INGRESS);
	for (size_t i = 0; i < from->count; i++)
		for (size_t j = 0; j < to.count; j++) {
			running->ends[EGRESS] = &from->items[i];
			running->ends[INGRESS] = &to.items[j];
			running->about[EGRESS] = &about[i];
			running->about[INGRESS] = &about_to[j];
			ask_pair(running, target);
		}
}

/* ---- a name for a test ---- */

static const char *all_ports(struct arena *arena, const struct flows *flows)
{
	const char *text = "";
	char port[48];
	for (size_t i = 0; i < flows->to_count; i++) {
		const struct target *target = &flows->to[i];
		for (size_t j = 0; j < target->port_count + target->container_port_count; j++) {
			const char *one = j < target->port_count ? port_range_format(&target->ports[j], port)
								 : target->container_ports[j - target->port_count].name;
			const char *seen = strstr(text, one);
			size_t length = strlen(one);
			if (seen != NULL && (seen == text || seen[-1] == ' ') &&
			    (seen[length] == 0 || seen[length] == ','))
				continue;
			text = arena_printf(arena, "%s%s%s", text, *text != 0 ? ", " : "", one);
		}
	}
	return text;
}

static const char *test_name(struct arena *arena, const struct policy_test *test)
{
	const char *from = "", *to = "";
	for (size_t i = 0; i < test->flows.from_count; i++)
		from = arena_printf(arena, "%s%s%s", from, i > 0 ? ", " : "", test->flows.from[i].name);
	for (size_t i = 0; i < test->flows.to_count; i++)
		to = arena_printf(arena, "%s%s%s", to, i > 0 ? ", " : "", test->flows.to[i].peer.name);
	return arena_printf(arena, "%s -> %s %s: %s", from, to, all_ports(arena, &test->flows),
			    test->expect_allow ? "allow" : "deny");
}

static void run(struct running *running)
{
	struct test_result *result = running->result;
	const struct flows *flows = &result->test->flows;
	struct test_ends from = {0};
	result->passed = true;
	for (size_t i = 0; i < flows->from_count; i++)
		test_ends_add(running->testing, &from, result->test, &flows->from[i], &result->problem);
	const struct about *about = find_about(running, &from, EGRESS);
	for (size_t i = 0; i < flows->to_count && result->problem == NULL; i++)
		ask_target(running, &from, about, &flows->to[i]);
	if (result->flow_count == 0 && result->problem == NULL)
		result->problem = "there is no such flow: one end must be a workload, and both of one family";
	result->passed = result->passed && result->problem == NULL;
	if (result->passed && !running->proves)
		result->nothing = arena_copy(running->testing->arena, running->gap, strlen(running->gap));
}

static struct lookups find_lookups(struct testing *testing)
{
	const struct policy *policy = testing->world->policy;
	const struct flows **flows = NULL;
	size_t count = 0;
	struct lookups lookups = {.selecting = selecting_create(testing->arena, policy)};
	for (size_t i = 0; i < policy->allow_count; i++)
		*arena_push(testing->arena, flows, count) = &policy->allows[i]->flows;
	lookups.allows = speaking_create(testing->arena, testing->world, flows, count);
	flows = NULL;
	count = 0;
	for (size_t i = 0; i < policy->never_count; i++)
		*arena_push(testing->arena, flows, count) = &policy->nevers[i]->flows;
	lookups.nevers = speaking_create(testing->arena, testing->world, flows, count);
	return lookups;
}

struct test_result *tests_run_covering(struct testing *testing, struct covering *covering)
{
	const struct policy *policy = testing->world->policy;
	struct arena *arena = testing->arena;
	const struct lookups lookups = find_lookups(testing);
	struct test_result *results = arena_alloc(arena, (policy->test_count + 1) * sizeof *results);
	struct running running = {
	    .testing = testing, .lookups = &lookups, .covering = covering, .policy = *policy, .world = *testing->world};
	running.world.policy = &running.policy;
	running.numbers = arena_alloc(arena, (policy->allow_count + 1) * sizeof *running.numbers);
	running.policy.allows = arena_alloc(arena, (policy->allow_count + 1) * sizeof(struct allow *));
	running.policy.isolations = arena_alloc(arena, (policy->isolation_count + 1) * sizeof(struct isolation *));
	for (size_t i = 0; i < policy->test_count; i++) {
		running.result = &results[i];
		running.scratch = arena_create();
		running.proves = false;
		running.gap = NULL;
		results[i].test = policy->tests[i];
		results[i].name = test_name(arena, policy->tests[i]);
		run(&running);
		if (covering != NULL)
			covering_end(covering, results[i].passed);
		arena_free(running.scratch);
	}
	return results;
}

struct test_result *tests_run(struct arena *arena, const struct world *world)
{
	struct testing testing = {.arena = arena, .world = world};
	samples_init(&testing.samples, arena, world);
	return tests_run_covering(&testing, NULL);
}
