/* A case before both judges. The lab stays as it is from case to case: an address has its place by its number, whoever
 * the documents say it belongs to. */
#include "tests/agreement/judge.h"
#include "tests/agreement/generate.h"
#include "tests/agreement/random.h"
#include "tests/agreement/text.h"

#include <ringfence/arena.h>
#include <ringfence/reconcile.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Milliseconds to wait for packets: at first, and where an allowed flow seems blocked, again. */
static const int waits[] = {40, 200, 1000};
enum { WAIT_COUNT = sizeof waits / sizeof *waits, FLOWS = 110 };

static const char *const far_addresses[] = {"192.0.2.1",   "192.0.2.130",   "198.51.100.7",
					    "2001:db8::1", "2001:db8::130", "2001:db8:1::7"};
enum { FAR_COUNT = sizeof far_addresses / sizeof *far_addresses };

/* ---- the lab ---- */

static struct address address_of(unsigned family, unsigned number)
{
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	snprintf(text, sizeof text, family == 4 ? "10.77.0.%u" : "fd77::%x", number);
	if (address_parse(&address, text) != NULL)
		abort();
	return address;
}

/* Far addresses of one family are the first half, or the second. */
static struct address far_address(unsigned number)
{
	struct address address;
	if (address_parse(&address, far_addresses[number]) != NULL)
		abort();
	return address;
}

static size_t place_of(unsigned number)
{
	return number == NODE_NUMBER ? (size_t)LAB_ROUTER : number;
}

static int give_addresses(struct lab *lab)
{
	int error = 0;
	for (unsigned family = 4; family <= 6; family += 2) {
		for (unsigned i = 0; i < NUMBERS && error == 0; i++) {
			struct address address = address_of(family, i);
			error = lab_add_address(lab, place_of(i), &address);
		}
	}
	for (unsigned i = 0; i < FAR_COUNT && error == 0; i++) {
		struct address address = far_address(i);
		error = lab_add_address(lab, LAB_OUTSIDE, &address);
	}
	return error;
}

bool judge_open(struct judge *judge)
{
	*judge = (struct judge){.lab = lab_create(NUMBERS)};
	if (judge->lab == NULL)
		return false;
	int error = give_addresses(judge->lab);
	if (error == 0)
		error = lab_enter_router(judge->lab);
	if (error == 0) {
		error = kernel_open(&judge->kernel);
		lab_leave(judge->lab);
	}
	if (error == 0)
		return true;
	fprintf(stderr, "the lab has no addresses or no nf_tables: %s\n", strerror(-error));
	judge_close(judge);
	return false;
}

void judge_close(struct judge *judge)
{
	kernel_close(judge->kernel);
	lab_destroy(judge->lab);
}

/* ---- a stage ---- */

void stage_read(struct stage *stage, const json_t *description)
{
	const char *name;
	json_t *documents;
	*stage =
	    (struct stage){.arena = arena_create(), .node = json_string_value(json_object_get(description, "node"))};
	diagnostics_init(&stage->diagnostics, stage->arena);
	frontend_init(&stage->frontend, stage->arena, &stage->diagnostics);
	json_object_foreach(json_object_get(description, "files"), name, documents)
	{
		char *text = documents_text(name, documents);
		const char *copy = arena_copy(stage->arena, text, strlen(text));
		free(text);
		frontend_add_text(&stage->frontend, arena_copy(stage->arena, name, strlen(name)), copy, strlen(copy));
	}
	frontend_finish(&stage->frontend);
	stage->world = (struct world){&stage->frontend.policy, &stage->frontend.inventory, time(NULL)};
}

void stage_finish(struct stage *stage)
{
	arena_free(stage->arena);
}

static struct endpoint endpoint_at(const struct world *world, const struct address *address)
{
	return (struct endpoint){
	    .workload = inventory_at(world->inventory, address), .has_address = true, .address = *address};
}

/* Whether the stage's node judges this end: its own workload, or an address that it gives to workloads. */
static bool is_local(const struct stage *stage, const struct endpoint *end)
{
	if (stage->node == NULL)
		return true;
	if (end->workload != NULL)
		return end->workload->node != NULL && strcmp(end->workload->node, stage->node) == 0;
	const struct node *node = inventory_node(stage->world.inventory, stage->node);
	for (size_t i = 0; node != NULL && i < node->pool_count; i++)
		if (prefix_contains(&node->pools[i], &end->address))
			return true;
	return false;
}

bool stage_allows(const struct stage *stage, const struct lab_probe *probe, struct flow *flow, struct verdict *verdict)
{
	*flow = (struct flow){endpoint_at(&stage->world, &probe->source),
			      endpoint_at(&stage->world, &probe->destination), probe->protocol, probe->port};
	*verdict = verdict_of(&stage->world, flow);
	return stage->world.policy->audit || ((!is_local(stage, &flow->from) || verdict->egress.allowed) &&
					      (!is_local(stage, &flow->to) || verdict->ingress.allowed));
}

/* ---- flows ---- */

/* Mostly workloads; the rest is nodes, addresses that nobody has, and addresses far away. */
static struct address draw_end(struct random *random, const struct inventory *inventory, unsigned family, size_t *place)
{
	size_t count;
	const struct place *places = inventory_places(inventory, &count);
	struct address address = {0};
	for (unsigned i = 0; count > 0 && i < 4 && !one_in(random, 3); i++) {
		address = places[roll(random, (unsigned)count)].address;
		if (address.family != family)
			continue;
		*place = place_of(address.bytes[address_size((uint8_t)family) - 1]);
		return address;
	}
	unsigned number = roll(random, NUMBERS + 4);
	if (number < NUMBERS) {
		*place = place_of(number);
		return address_of(family, number);
	}
	*place = LAB_OUTSIDE;
	return far_address(roll(random, FAR_COUNT / 2) + (family == 4 ? 0 : FAR_COUNT / 2));
}

static void draw_port(struct random *random, unsigned family, struct lab_probe *probe)
{
	unsigned kind = roll(random, 20);
	probe->protocol = kind < 9 ? IPPROTO_TCP : kind < 15 ? IPPROTO_UDP : IPPROTO_SCTP;
	probe->port = (uint16_t)(one_in(random, 20) ? 65535 : PORT_FIRST - 1 + roll(random, PORT_COUNT + 3));
	if (kind < 17)
		return;
	probe->protocol = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	probe->port = (uint16_t)((family == 4 ? 8 : 128) << 8);
}

static size_t draw_flows(struct random *random, const struct inventory *inventory, struct lab_probe *probes)
{
	size_t count = 0;
	for (unsigned i = 0; i < FLOWS; i++) {
		unsigned family = one_in(random, 2) ? 4 : 6;
		struct lab_probe probe = {0};
		probe.source = draw_end(random, inventory, family, &probe.from);
		probe.destination = draw_end(random, inventory, family, &probe.to);
		draw_port(random, family, &probe);
		if (probe.from != probe.to) /* else no packet passes the router */
			probes[count++] = probe;
	}
	return count;
}

/* ---- the comparison ---- */

static enum trouble compare(bool allowed, const struct lab_probe *probe)
{
	if (!allowed)
		return probe->request_arrived ? TROUBLE_LEAK : TROUBLE_NONE;
	return probe->request_arrived && probe->answer_arrived ? TROUBLE_NONE : TROUBLE_BLOCK;
}

static void fail(struct outcome *outcome, enum trouble trouble, const char *message, int error)
{
	outcome->trouble = trouble;
	outcome->disagreements++;
	snprintf(outcome->message, sizeof outcome->message, "%s: %s", message, strerror(-error));
}

/* Asks the kernel again for the flows that seem blocked, with more patience. */
static int ask_again(struct judge *judge, struct lab_probe *probes, const bool *allowed, size_t count)
{
	struct lab_probe again[FLOWS];
	int error = 0;
	for (unsigned i = 1; i < WAIT_COUNT && error == 0; i++) {
		size_t blocked = 0;
		for (size_t j = 0; j < count; j++)
			if (compare(allowed[j], &probes[j]) == TROUBLE_BLOCK)
				again[blocked++] = probes[j];
		if (blocked == 0)
			break;
		error = lab_probe(judge->lab, again, blocked, waits[i]);
		blocked = 0;
		for (size_t j = 0; j < count; j++)
			if (compare(allowed[j], &probes[j]) == TROUBLE_BLOCK)
				probes[j] = again[blocked++];
	}
	return error;
}

static void judge_flows(struct judge *judge, const struct stage *stage, struct lab_probe *probes, size_t count,
			struct outcome *outcome)
{
	bool allowed[FLOWS];
	struct flow flow;
	struct verdict verdict;
	for (size_t i = 0; i < count; i++) {
		allowed[i] = stage_allows(stage, &probes[i], &flow, &verdict);
		outcome->allowed += allowed[i];
	}
	outcome->flows += count;
	int error = lab_probe(judge->lab, probes, count, waits[0]);
	if (error == 0)
		error = ask_again(judge, probes, allowed, count);
	if (error != 0) {
		fail(outcome, TROUBLE_LAB, "the lab cannot ask", error);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		enum trouble trouble = compare(allowed[i], &probes[i]);
		outcome->disagreements += trouble != TROUBLE_NONE;
		if (trouble == TROUBLE_NONE || outcome->trouble != TROUBLE_NONE)
			continue;
		outcome->trouble = trouble;
		outcome->probe = probes[i];
	}
}

/* Takes everything out of the table, so that a case begins with none. */
static int clear(struct judge *judge)
{
	struct arena *arena = arena_create();
	int64_t now = time(NULL);
	struct ruleset *actual, nothing = {.at = now};
	int error = kernel_read(judge->kernel, arena, now, &actual);
	if (error == 0 && actual->chain_count + actual->set_count > 0)
		error = kernel_apply(judge->kernel, plan_make(arena, actual, &nothing), now).error;
	arena_free(arena);
	return error;
}

/* Brings the stage into the kernel, from what `*loaded` says is there; then that is the stage's ruleset. */
static void load(struct judge *judge, struct stage *stage, const json_t *description, struct ruleset **loaded,
		 struct outcome *outcome)
{
	const char *change = json_string_value(json_object_get(description, "change"));
	struct plan *plan;
	int error = 0;
	if (json_is_true(json_object_get(description, "reads")) && *loaded != NULL)
		error = kernel_read(judge->kernel, stage->arena, stage->world.at, loaded);
	if (error != 0) {
		fail(outcome, TROUBLE_APPLY, "the kernel does not tell its table", error);
		return;
	}
	bool one = change != NULL && strcmp(change, "workload") == 0;
	*loaded = reconcile(stage->arena, &stage->world, stage->node, *loaded, one ? CHANGE_ONE_WORKLOAD : CHANGE_ANY,
			    &plan, &stage->diagnostics);
	if (*loaded == NULL) {
		fail(outcome, TROUBLE_APPLY, "the ruleset is too large", 0);
		return;
	}
	struct answer answer = kernel_apply(judge->kernel, plan, stage->world.at);
	if (answer.error != 0)
		fail(outcome, TROUBLE_APPLY, answer.object, answer.error);
}

static void judge_stage(struct judge *judge, const json_t *trial, size_t index, struct stage *stage,
			struct ruleset **loaded, uint64_t seed, const struct lab_probe *only, struct outcome *outcome)
{
	const json_t *stages = json_object_get(trial, "stages"), *description = json_array_get(stages, index);
	struct random random = {seed + index};
	struct lab_probe probes[FLOWS];
	outcome->stage = index;
	stage_read(stage, description);
	if (stage->diagnostics.errors > 0) {
		outcome->trouble = TROUBLE_READ;
		outcome->disagreements++;
		return;
	}
	load(judge, stage, description, loaded, outcome);
	if (outcome->trouble != TROUBLE_NONE)
		return;
	if (only == NULL) {
		size_t count = draw_flows(&random, stage->world.inventory, probes);
		judge_flows(judge, stage, probes, count, outcome);
	} else if (index + 1 == json_array_size(stages)) {
		probes[0] = *only;
		judge_flows(judge, stage, probes, 1, outcome);
	}
}

struct outcome judge_case(struct judge *judge, const json_t *trial, uint64_t seed, const struct lab_probe *only)
{
	size_t count = json_array_size(json_object_get(trial, "stages")), read = 0;
	struct outcome outcome = {0};
	struct ruleset *loaded = NULL;
	struct stage *stages = calloc(count + 1, sizeof *stages);
	int error = stages != NULL ? clear(judge) : -ENOMEM;
	if (error != 0)
		fail(&outcome, TROUBLE_LAB, "the table cannot be cleared", error);
	while (read < count && outcome.trouble == TROUBLE_NONE) {
		judge_stage(judge, trial, read, &stages[read], &loaded, seed, only, &outcome);
		read++;
	}
	for (size_t i = 0; i < read; i++) /* only now: what is loaded points into them */
		stage_finish(&stages[i]);
	free(stages);
	return outcome;
}
