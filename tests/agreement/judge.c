/* A case before both judges. Each stage is loaded as the daemon would: from what is there, by a plan. */
#include "tests/agreement/judge.h"
#include "tests/agreement/flows.h"
#include "tests/agreement/generate.h"
#include "tests/unit/follow.h"

#include <ringfence/arena.h>
#include <ringfence/reconcile.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Milliseconds without news after which packets count as lost: at first, and where an allowed flow seems blocked,
 * again; the last wait is for what nobody has seen before. */
static const int waits[] = {20, 100, 1000};
enum { WAIT_COUNT = sizeof waits / sizeof *waits };

/* A case in progress. */
struct hearing {
	struct judge *judge;
	const json_t *stages;
	uint64_t seed;
	const struct outcome *only;
	struct ruleset *loaded;
	struct lowering *lowering; /* of `loaded`, to follow workloads with; or NULL */
	struct inventory live;	   /* of the lowering */
	const struct stage *before;
	struct lab_probe open[FLOWS_MOST]; /* connections of the stage before */
	size_t open_count;
	struct outcome outcome;
};

bool judge_open(struct judge *judge)
{
	*judge = (struct judge){.lab = lab_create(NUMBERS)};
	if (judge->lab == NULL)
		return false;
	int error = flows_place(judge->lab);
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

static void fail(struct hearing *hearing, enum trouble trouble, const char *message, int error)
{
	struct outcome *outcome = &hearing->outcome;
	outcome->trouble = trouble;
	outcome->disagreements++;
	snprintf(outcome->message, sizeof outcome->message, "%s: %s", message, strerror(-error));
}

/* ---- the ruleset ---- */

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

static bool change_is(const json_t *description, const char *word)
{
	const char *change = json_string_value(json_object_get(description, "change"));
	return change != NULL && strcmp(change, word) == 0;
}

/* Element by element from the stage before, or NULL where that cannot be. */
static struct plan *follow(struct hearing *hearing, struct stage *stage, const json_t *description)
{
	if (!change_is(description, "workload") || hearing->lowering == NULL ||
	    strcmp(hearing->before->frontend.revision, stage->frontend.revision) != 0)
		return NULL;
	struct plan *plan = follow_inventory(hearing->lowering, &hearing->live, stage->world.inventory, stage->arena);
	if (plan != NULL)
		hearing->loaded = lowering_ruleset(hearing->lowering, stage->arena, true);
	return plan;
}

/* As a whole, and ready to be followed from there. */
static struct plan *reconcile_stage(struct hearing *hearing, struct stage *stage, const json_t *description)
{
	struct plan *plan = NULL;
	if (hearing->lowering != NULL) /* what is loaded is borrowed from it */
		lowering_leave_to(hearing->lowering, stage->arena);
	hearing->live = *stage->world.inventory;
	const struct world world = {stage->world.policy, &hearing->live, stage->world.at};
	hearing->lowering = reconcile_lowering(stage->arena, &world, stage->node, hearing->loaded,
					       change_is(description, "repair") ? CHANGE_REPAIR : CHANGE_ANY, &plan,
					       &stage->diagnostics);
	hearing->loaded = hearing->lowering != NULL ? lowering_ruleset(hearing->lowering, stage->arena, true) : NULL;
	return plan;
}

/* Brings the stage into the kernel, from what is loaded; then that is the stage's ruleset. */
static void load(struct hearing *hearing, struct stage *stage, const json_t *description)
{
	struct kernel *kernel = hearing->judge->kernel;
	int error = 0;
	if (json_is_true(json_object_get(description, "reads")) && hearing->loaded != NULL)
		error = kernel_read(kernel, stage->arena, stage->world.at, &hearing->loaded);
	if (error != 0) {
		fail(hearing, TROUBLE_APPLY, "the kernel does not tell its table", error);
		return;
	}
	struct plan *plan = follow(hearing, stage, description);
	if (plan == NULL)
		plan = reconcile_stage(hearing, stage, description);
	hearing->before = stage;
	if (hearing->loaded == NULL) {
		fail(hearing, TROUBLE_APPLY, "the ruleset is too large", -E2BIG);
		return;
	}
	struct answer answer = kernel_apply(kernel, plan, stage->world.at);
	if (answer.error != 0)
		fail(hearing, TROUBLE_APPLY, answer.object, answer.error);
}

/* ---- the comparison ---- */

static enum trouble compare(const struct expectation *expect, const struct lab_probe *probe)
{
	if ((!expect->request && probe->request_arrived) || (!expect->answer && probe->answer_arrived))
		return TROUBLE_LEAK;
	if ((expect->request && !probe->request_arrived) || (expect->answer && !probe->answer_arrived))
		return TROUBLE_BLOCK;
	return TROUBLE_NONE;
}

typedef int probing(struct lab *lab, struct lab_probe *probes, size_t count, int milliseconds);

/* Asks the kernel; again, with more patience, for the flows that seem blocked. */
static int ask_patiently(const struct hearing *hearing, probing *ask, const struct expectation *expect,
			 struct lab_probe *probes, size_t count)
{
	struct lab *lab = hearing->judge->lab;
	unsigned times = hearing->only != NULL ? WAIT_COUNT - 1 : WAIT_COUNT;
	struct lab_probe blocked[FLOWS_MOST];
	size_t places[FLOWS_MOST];
	int error = ask(lab, probes, count, waits[0]);
	for (unsigned i = 1; i < times && error == 0; i++) {
		size_t blocked_count = 0;
		for (size_t j = 0; j < count; j++) {
			if (compare(&expect[j], &probes[j]) != TROUBLE_BLOCK)
				continue;
			blocked[blocked_count] = probes[j];
			places[blocked_count++] = j;
		}
		if (blocked_count == 0)
			break;
		error = ask(lab, blocked, blocked_count, waits[i]);
		for (size_t j = 0; j < blocked_count; j++)
			probes[places[j]] = blocked[j];
	}
	return error;
}

static void judge_flows(struct hearing *hearing, const struct stage *stage, bool again, struct lab_probe *probes,
			size_t count)
{
	struct expectation expect[FLOWS_MOST];
	struct outcome *outcome = &hearing->outcome;
	for (size_t i = 0; i < count; i++) {
		expect[i] = stage_expect(stage, &probes[i], again);
		outcome->allowed += expect[i].request;
		outcome->by_statement += expect[i].request && (expect[i].verdict.egress.reason == REASON_ALLOW ||
							       expect[i].verdict.ingress.reason == REASON_ALLOW);
	}
	outcome->flows += count;
	int error = ask_patiently(hearing, again ? lab_probe_again : lab_probe, expect, probes, count);
	if (error != 0)
		fail(hearing, TROUBLE_LAB, "the lab cannot ask", error);
	for (size_t i = 0; i < count && error == 0; i++) {
		enum trouble trouble = compare(&expect[i], &probes[i]);
		outcome->disagreements += trouble != TROUBLE_NONE;
		if (trouble == TROUBLE_NONE || outcome->trouble != TROUBLE_NONE)
			continue;
		outcome->trouble = trouble;
		outcome->probe = probes[i];
		outcome->again = again;
	}
}

/* Connections that got through, but those of the router, whose kernel ends them at once. */
static void keep_open(struct hearing *hearing, const struct lab_probe *probes, size_t count)
{
	hearing->open_count = 0;
	for (size_t i = 0; i < count; i++)
		if (probes[i].answer_arrived && probes[i].from != LAB_ROUTER && probes[i].to != LAB_ROUTER)
			hearing->open[hearing->open_count++] = probes[i];
}

static void judge_new_flows(struct hearing *hearing, const struct stage *stage, size_t index)
{
	struct random random = {hearing->seed + index};
	struct lab_probe probes[FLOWS_MOST];
	size_t count = flows_draw(&random, stage, probes);
	judge_flows(hearing, stage, false, probes, count);
	keep_open(hearing, probes, count);
}

/* The one flow that is in trouble: in the last stage, or of a connection made in the one before that. */
static void judge_only(struct hearing *hearing, const struct stage *stage, size_t index)
{
	size_t last = json_array_size(hearing->stages) - 1;
	struct lab_probe probe = hearing->only->probe;
	if (hearing->only->again && index + 1 == last) {
		lab_probe(hearing->judge->lab, &probe, 1, waits[1]);
		keep_open(hearing, &probe, 1);
	} else if (!hearing->only->again && index == last) {
		judge_flows(hearing, stage, false, &probe, 1);
	}
}

static void judge_stage(struct hearing *hearing, struct stage *stage, size_t index)
{
	const json_t *description = json_array_get(hearing->stages, index);
	hearing->outcome.stage = index;
	stage_read(stage, description);
	if (stage->diagnostics.errors > 0) {
		fail(hearing, TROUBLE_READ, "the frontend refuses the documents", -EINVAL);
		return;
	}
	load(hearing, stage, description);
	if (hearing->outcome.trouble != TROUBLE_NONE)
		return;
	if (hearing->open_count > 0)
		judge_flows(hearing, stage, true, hearing->open, hearing->open_count);
	if (hearing->only == NULL)
		judge_new_flows(hearing, stage, index);
	else
		judge_only(hearing, stage, index);
}

struct outcome judge_case(struct judge *judge, const json_t *trial, uint64_t seed, const struct outcome *only)
{
	struct hearing hearing = {
	    .judge = judge, .stages = json_object_get(trial, "stages"), .seed = seed, .only = only};
	size_t count = json_array_size(hearing.stages), read = 0;
	struct stage *stages = calloc(count + 1, sizeof *stages);
	if (stages == NULL)
		abort();
	int error = clear(judge);
	if (error != 0)
		fail(&hearing, TROUBLE_LAB, "the table cannot be cleared", error);
	while (read < count && hearing.outcome.trouble == TROUBLE_NONE) {
		judge_stage(&hearing, &stages[read], read);
		read++;
	}
	lowering_destroy(hearing.lowering);
	for (size_t i = 0; i < read; i++) /* only now: what is loaded points into them */
		stage_finish(&stages[i]);
	free(stages);
	return hearing.outcome;
}
