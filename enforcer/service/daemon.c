/* Keeps the kernel's table as the sources say: enforce after a change, check after a notification.
 *
 * `enforced` is what we believe the kernel holds, so that one changed workload costs no reading back. When the kernel
 * refuses a plan, the belief was wrong: the table is read whole and the plan is made again from what is there. */
#include "enforcer/service/daemon.h"

#include <ringfence/arena.h>
#include <ringfence/difference.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DIFFERENCE_LINES = 100 };

static double monotonic(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int read_table(struct daemon *daemon, struct arena *arena, int64_t now, struct ruleset **actual)
{
	int error = kernel_read(daemon->kernel, arena, now, actual);
	if (error == 0)
		(*actual)->at = now;
	else
		fprintf(stderr, "ringfenced: cannot read the table from the kernel: %s\n", strerror(-error));
	return error;
}

static json_t *conflicts(const struct world *world)
{
	json_t *list = json_array();
	for (size_t i = 0; i < world->inventory->workload_count; i++) {
		const struct workload *workload = world->inventory->workloads[i];
		if (workload->conflict)
			json_array_append_new(list, json_sprintf("%s/%s", workload->name_space, workload->name));
	}
	return list;
}

static int64_t next_expiry(const struct world *world)
{
	int64_t next = 0;
	for (size_t i = 0; i < world->policy->allow_count + world->policy->quarantine_count; i++) {
		int64_t until = i < world->policy->allow_count
				    ? world->policy->allows[i]->until
				    : world->policy->quarantines[i - world->policy->allow_count]->until;
		if (until > world->at && (next == 0 || until < next))
			next = until;
	}
	return next;
}

/* Takes over `arena` and the ruleset in it as what the kernel holds. What is needed of the world is copied: its texts
 * belong to the sources and go with their next reading. */
static void adopt(struct daemon *daemon, struct arena *arena, const struct world *world, struct ruleset *enforced)
{
	bool other = daemon->enforced == NULL || daemon->enforced->generation != enforced->generation ||
		     strcmp(daemon->revision, state_revision(daemon->state)) != 0;
	if (other)
		daemon->since = world->at;
	snprintf(daemon->revision, sizeof daemon->revision, "%s", state_revision(daemon->state));
	arena_free(daemon->arena);
	daemon->arena = arena;
	daemon->enforced = enforced;
	daemon->workload_count = world->inventory->workload_count;
	daemon->next_expiry = next_expiry(world);
	json_decref(daemon->conflicts);
	daemon->conflicts = conflicts(world);
}

/* Keeps, and says, why the rules in force are not the newest; NULL: they are. */
static void note_problem(struct daemon *daemon, char *text)
{
	free(daemon->error);
	daemon->error = text;
	if (text != NULL)
		fprintf(stderr, "ringfenced: %s; the rules that were in force still are\n", text);
}

static void note_error(struct daemon *daemon, const struct answer *answer)
{
	char *text = NULL;
	if (answer != NULL &&
	    asprintf(&text, "the kernel refused %s: %s", answer->object, strerror(-answer->error)) < 0)
		abort();
	note_problem(daemon, text);
}

static void note_refusal(struct daemon *daemon, const struct diagnostics *diagnostics)
{
	const struct diagnostic *first = &diagnostics->items[0];
	char *text = NULL;
	const char *file = first->span.file != NULL ? first->span.file : "the policy";
	if (asprintf(&text, "%s:%u: %s", file, first->span.line, first->message) < 0)
		abort();
	note_problem(daemon, text);
}

/* Plans from `from` (NULL: from what the kernel holds) and applies. */
static int apply(struct daemon *daemon, const struct ruleset *from, enum change change)
{
	struct arena *arena = arena_create();
	struct world world = state_world(daemon->state, (int64_t)time(NULL));
	struct ruleset *actual = NULL;
	struct plan *plan = NULL;
	int error = from == NULL ? read_table(daemon, arena, world.at, &actual) : 0;
	if (error != 0) {
		arena_free(arena);
		return error;
	}
	struct diagnostics diagnostics;
	diagnostics_init(&diagnostics, arena);
	struct ruleset *desired =
	    reconcile(arena, &world, daemon->config.node, from != NULL ? from : actual, change, &plan, &diagnostics);
	if (desired == NULL) {
		note_refusal(daemon, &diagnostics);
		arena_free(arena);
		return -E2BIG;
	}
	struct answer answer = kernel_apply(daemon->kernel, plan, world.at);
	if (answer.error != 0) {
		note_error(daemon, &answer);
		arena_free(arena);
		return answer.error;
	}
	note_error(daemon, NULL);
	state_keep_policy(daemon->state);
	adopt(daemon, arena, &world, desired);
	return 0;
}

int daemon_enforce(struct daemon *daemon, enum change change)
{
	if (!state_has_policy(daemon->state) || !daemon->sources_read)
		return 0;
	if (daemon->enforced != NULL) {
		daemon->enforced->at = (int64_t)time(NULL);
		if (apply(daemon, daemon->enforced, change) == 0)
			return 0;
	}
	int error = apply(daemon, NULL, CHANGE_ANY);
	/* A policy that cannot be enforced is refused like one that does not check: workloads go on under the last one.
	 */
	if (error != 0 && state_revert_policy(daemon->state, daemon->error != NULL ? daemon->error : strerror(-error)))
		apply(daemon, NULL, CHANGE_ANY);
	if (error == 0 && !daemon->ready)
		daemon_check(daemon);
	return error;
}

/* Makes the kernel hold again what it held last, where what it should hold now is refused. */
static int restore(struct daemon *daemon)
{
	struct arena *arena = arena_create();
	struct ruleset *actual = NULL;
	int64_t now = (int64_t)time(NULL);
	int error = read_table(daemon, arena, now, &actual);
	daemon->enforced->at = now;
	if (error == 0)
		error = kernel_apply(daemon->kernel, plan_make(arena, actual, daemon->enforced), now).error;
	arena_free(arena);
	return error;
}

/* Notes in words what differs, or that nothing does. */
static void note_difference(struct daemon *daemon, const struct plan *plan)
{
	size_t size = 0;
	free(daemon->difference);
	daemon->difference = NULL;
	daemon->differs = plan->count > 0;
	if (!daemon->differs)
		return;
	FILE *stream = open_memstream(&daemon->difference, &size);
	if (stream == NULL)
		abort();
	plan_print(stream, plan, DIFFERENCE_LINES);
	fclose(stream);
}

void daemon_check(struct daemon *daemon)
{
	if (daemon->enforced == NULL)
		return;
	struct arena *arena = arena_create();
	int64_t now = (int64_t)time(NULL);
	struct ruleset *actual = NULL;
	if (read_table(daemon, arena, now, &actual) == 0) {
		daemon->enforced->at = now;
		note_difference(daemon, plan_make(arena, actual, daemon->enforced));
		daemon->ready = daemon->ready || !daemon->differs;
	}
	arena_free(arena);
	if (!daemon->differs)
		drift_log_repaired(&daemon->drift, monotonic());
	if (!daemon->differs || !daemon->config.repair)
		return;
	if (apply(daemon, NULL, CHANGE_REPAIR) == 0 || restore(daemon) == 0) {
		drift_log_repaired(&daemon->drift, monotonic());
		daemon->differs = false;
		daemon->ready = true;
		free(daemon->difference);
		daemon->difference = NULL;
		fprintf(stderr, "ringfenced: drift: the table is repaired, generation %u\n",
			daemon->enforced->generation);
	}
}

static void add_file_error(void *context, const char *path, const char *text)
{
	json_array_append_new(context, json_pack("{s:s, s:s}", "file", path, "error", text));
}

json_t *daemon_status(const struct daemon *daemon)
{
	char since[32];
	const char *errors = state_policy_errors(daemon->state);
	json_t *policy_errors = json_array(), *file_errors = json_array();
	if (errors[0] != 0)
		json_array_append_new(policy_errors, json_string(errors));
	state_file_errors(daemon->state, add_file_error, file_errors);
	json_t *policy =
	    json_pack("{s:b, s:o}", "ok", errors[0] == 0 && state_has_policy(daemon->state), "errors", policy_errors);
	json_t *drift = json_pack("{s:b, s:I, s:I, s:s}", "differs", daemon->differs, "events",
				  (json_int_t)daemon->drift.next, "repaired", (json_int_t)daemon->drift.repaired,
				  "mode", daemon->config.repair ? "repair" : "report");
	return json_pack("{s:i, s:s, s:b, s:i, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:s?, s:I}", "version", 1, "node",
			 daemon->config.node, "ready", daemon->ready, "generation",
			 daemon->enforced != NULL ? (int)daemon->enforced->generation : 0, "revision", daemon->revision,
			 "since", time_print(daemon->since, since), "workloads", (json_int_t)daemon->workload_count,
			 "policy", policy, "workload_files", file_errors, "conflicts",
			 daemon->conflicts != NULL ? json_incref(daemon->conflicts) : json_array(), "drift", drift,
			 "error", daemon->error, "resyncs", (json_int_t)daemon->resyncs);
}

json_t *daemon_drift(struct daemon *daemon)
{
	daemon_check(daemon);
	return json_pack("{s:i, s:b, s:s?, s:o}", "version", 1, "drift", daemon->differs, "difference",
			 daemon->difference, "events", drift_log_json(&daemon->drift));
}
