/* Keeps the kernel's table as the sources say: enforce after a change, check after a notification.
 *
 * `enforced` follows each workload that changes and knows which elements that means, so a change costs no reading back.
 * When the kernel refuses a plan, the belief was wrong: the table is read whole and the plan is made again from what is
 * there. */
#include "enforcer/service/daemon.h"

#include "compiler/report/verdict_report.h"
#include "enforcer/service/bundles.h"

#include <ringfence/arena.h>
#include <ringfence/damage.h>
#include <ringfence/difference.h>
#include <ringfence/first_load.h>
#include <ringfence/scan.h>

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	DIFFERENCE_LINES = 100,
	DAMAGES_MOST = 100,
	FLOOD_LEAST = 1000,	   /* workloads changed at once */
	CHECK_AT_ONCE_MOST = 5000, /* elements that are read back without a look at anything else: some 10 ms */
	CHECK_SLICE = 1000,	   /* microseconds */
	CHECK_TRIES = 5		   /* while changes come in between; then all at once */
};

static int read_table(struct daemon *daemon, struct arena *arena, int64_t now, struct ruleset **actual)
{
	int error = kernel_read(daemon->kernel, arena, now, actual);
	if (error == 0)
		(*actual)->at = now;
	else
		fprintf(stderr, "ringfenced: cannot read the table from the kernel: %s\n", strerror(-error));
	return error;
}

static void note_objects(void *context, const struct ruleset *ruleset)
{
	*(const struct ruleset **)context = ruleset;
}

/* Chains, rules and sets, without their elements. */
static int read_objects(struct daemon *daemon, struct arena *arena, int64_t now, const struct ruleset **actual)
{
	static const char *const none[] = {NULL};
	const struct scan_reader reader = {.context = actual, .keep = none, .objects = note_objects};
	*actual = NULL;
	struct scan *scan = kernel_scan_start(daemon->kernel, arena, now, &reader);
	int step = scan != NULL ? 0 : -ENOMEM;
	while (step == 0 && *actual == NULL)
		step = kernel_scan_step(scan, 0);
	kernel_scan_finish(scan);
	return step < 0 ? step : 0;
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

static void release_held(struct daemon *daemon)
{
	arena_free(daemon->held_arena);
	daemon->held_arena = NULL;
	daemon->held = NULL;
}

/* The newest could not be enforced: what the kernel holds now is what it shall hold. */
static void hold(struct daemon *daemon)
{
	lowering_destroy(daemon->enforced);
	daemon->enforced = NULL;
	if (daemon->held != NULL)
		return;
	daemon->held_arena = arena_create();
	if (read_table(daemon, daemon->held_arena, (int64_t)time(NULL), &daemon->held) != 0)
		release_held(daemon);
}

static void count_change(struct counters *counters, bool policy, bool generation)
{
	counters->generations += generation;
	counters->policies_in_place += policy && !generation;
	counters->policies_by_generation += policy && generation;
}

/* The kernel holds what `lowering` says, for which `plan` was made. */
static void adopt(struct daemon *daemon, struct lowering *lowering, const struct plan *plan, const struct world *world)
{
	uint32_t generation = lowering_generation(lowering);
	bool policy = strcmp(daemon->revision, state_revision(daemon->state)) != 0;
	if (daemon->generation != generation || policy)
		daemon->since = world->at;
	if (daemon->generation != generation || policy || plan->count > 0)
		workload_times_reset(&daemon->times, world->at);
	count_change(&daemon->counters, policy, daemon->generation != generation && plan->count > 0);
	snprintf(daemon->revision, sizeof daemon->revision, "%s", state_revision(daemon->state));
	lowering_destroy(daemon->enforced);
	daemon->enforced = lowering;
	daemon->generation = generation;
	daemon->next_expiry = next_expiry(world);
	note_error(daemon, NULL);
	release_held(daemon);
	state_keep_policy(daemon->state);
}

/* Applies a plan from `actual`, which may be none, to `desired`, which only that takes. */
static struct answer load(struct daemon *daemon, struct arena *arena, const struct plan *plan,
			  const struct ruleset *actual, const struct ruleset *desired, int64_t at)
{
	int missed;
	struct answer answer = first_load(daemon->kernel, arena, plan, actual, desired, daemon->tracked, at, &missed);
	daemon->tracked = daemon->tracked || answer.error == 0; /* since we use it */
	if (missed < 0)
		fprintf(stderr, "ringfenced: %s\n", first_load_missed(arena, missed));
	daemon->bytes += answer.bytes;
	return answer;
}

/* Brings the kernel from what it holds to what the state says. */
static int apply(struct daemon *daemon, struct arena *arena, enum change change)
{
	struct world world = state_world(daemon->state, (int64_t)time(NULL));
	struct ruleset *whole = NULL;
	const struct ruleset *actual = NULL;
	struct plan *plan = NULL;
	struct diagnostics diagnostics;
	int error = change == CHANGE_GENERATION ? read_objects(daemon, arena, world.at, &actual)
						: read_table(daemon, arena, world.at, &whole);
	if (error != 0)
		return error;
	actual = whole != NULL ? whole : actual;
	diagnostics_init(&diagnostics, arena);
	struct lowering *lowering =
	    reconcile_lowering(arena, &world, daemon->config.node, actual, change, &plan, &diagnostics);
	if (lowering == NULL) {
		note_refusal(daemon, &diagnostics);
		return -E2BIG;
	}
	const struct ruleset *desired = ruleset_is_none(actual) ? lowering_ruleset(lowering, arena, true) : NULL;
	struct answer answer = load(daemon, arena, plan, actual, desired, world.at);
	if (answer.error != 0) {
		note_error(daemon, &answer);
		lowering_destroy(lowering);
		return answer.error;
	}
	adopt(daemon, lowering, plan, &world);
	return 0;
}

/* Gives up a check that goes on. */
static void check_end(struct daemon *daemon)
{
	struct checking *checking = &daemon->checking;
	check_finish(checking->check);
	arena_free(checking->arena);
	checking->check = NULL;
	checking->arena = NULL;
	malloc_trim(0);
}

/* The same; what it took of memory is given back. */
static int apply_whole(struct daemon *daemon, enum change change)
{
	double started = monotonic_seconds();
	struct arena *arena = arena_create();
	check_end(daemon); /* it reads over the same socket; what is due begins anew */
	int error = apply(daemon, arena, change);
	count_apply(&daemon->counters, change == CHANGE_REPAIR ? APPLY_REPAIR : APPLY_GENERATION, started, error);
	arena_free(arena);
	malloc_trim(0);
	return error;
}

int daemon_enforce(struct daemon *daemon)
{
	if (!state_has_policy(daemon->state) || !daemon->sources_read)
		return 0;
	if (daemon->enforced != NULL && apply_whole(daemon, CHANGE_GENERATION) == 0)
		return 0;
	int error = apply_whole(daemon, CHANGE_ANY);
	/* A policy that cannot be enforced is refused like one that does not check: workloads go on under the last one.
	 */
	if (error != 0 &&
	    state_revert_policy(daemon->state, daemon->error != NULL ? daemon->error : strerror(-error))) {
		count_refused_policy(&daemon->counters);
		if (apply_whole(daemon, CHANGE_ANY) == 0)
			return error;
	}
	if (error != 0)
		hold(daemon);
	else if (!daemon->ready)
		daemon_check(daemon);
	return error;
}

/* ---- single workloads ---- */

/* Whether following so many is dearer than beginning anew. */
static bool is_flood(const struct daemon *daemon, const struct changes *changes)
{
	const struct world world = state_world(daemon->state, 0);
	return changes->count > FLOOD_LEAST && changes->count > world.inventory->workload_count / 4;
}

static bool has_address(const struct workload *workload, const struct address *address)
{
	bool found = false;
	for (size_t i = 0; i < workload->address_count && !found; i++)
		found = address_compare(&workload->addresses[i], address) == 0;
	return found;
}

/* A workload of which some addresses go while others come is followed in two steps, or packets between these could meet
 * half of each. Returns it as it is in between, with the addresses that stay; NULL where one step will do. */
static struct workload *halfway(struct arena *arena, const struct workload_change *change)
{
	const struct workload *before = change->before, *after = change->after;
	if (before == NULL || after == NULL || before->conflict || after->conflict)
		return NULL;
	struct workload *between = arena_alloc(arena, sizeof *between);
	*between = *before;
	between->addresses = NULL;
	between->address_count = 0;
	for (size_t i = 0; i < before->address_count; i++)
		if (has_address(after, &before->addresses[i]))
			*arena_push(arena, between->addresses, between->address_count) = before->addresses[i];
	bool goes = between->address_count < before->address_count,
	     comes = between->address_count < after->address_count;
	return goes && comes ? between : NULL;
}

/* Makes the kernel follow; -EAGAIN where that takes another generation. */
static int follow(struct daemon *daemon, const struct workload_change *items, size_t count, struct arena *arena)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].before != NULL)
			lowering_leave(daemon->enforced, items[i].before);
	for (size_t i = 0; i < count; i++)
		if (items[i].after != NULL)
			lowering_enter(daemon->enforced, items[i].after);
	struct plan *plan = lowering_finish(daemon->enforced, arena);
	if (plan == NULL)
		return -EAGAIN;
	struct answer answer = kernel_apply(daemon->kernel, plan, (int64_t)time(NULL));
	daemon->bytes += answer.bytes;
	return answer.error;
}

int daemon_follow(struct daemon *daemon, const struct changes *changes)
{
	if (changes->count == 0 && !changes->wide)
		return 0;
	if (daemon->enforced == NULL || changes->wide || is_flood(daemon, changes))
		return daemon_enforce(daemon);
	double started = monotonic_seconds();
	struct arena *arena = arena_create();
	const struct workload *between = changes->count == 1 ? halfway(arena, changes->items) : NULL;
	const struct workload_change steps[] = {{changes->items[0].before, between},
						{between, changes->items[0].after}};
	int error = follow(daemon, between != NULL ? &steps[0] : changes->items, changes->count, arena);
	if (error == 0 && between != NULL)
		error = follow(daemon, &steps[1], 1, arena);
	arena_free(arena);
	daemon->changes += error == 0;
	if (error == 0)
		workload_times_note(&daemon->times, daemon->config.node, changes, (int64_t)time(NULL));
	count_apply(&daemon->counters, APPLY_WORKLOADS, started, error);
	/* What `enforced` says by now is what should be, and no longer what the kernel holds. */
	return error == 0 ? 0 : daemon_enforce(daemon);
}

static void tell_gone(const struct plan *plan, void (*gone)(void *context, const char *counter), void *context)
{
	for (size_t i = 0; plan->count > 0 && i < plan->transactions[0].count; i++)
		if (plan->transactions[0].operations[i].kind == OPERATION_DELETE_COUNTER)
			gone(context, plan->transactions[0].operations[i].name);
}

int daemon_sweep(struct daemon *daemon, void (*gone)(void *context, const char *counter), void *context)
{
	if (daemon->enforced == NULL || daemon->checking.check != NULL) /* what is wanted speaks of them */
		return 0;
	double started = monotonic_seconds();
	struct arena *arena = arena_create();
	const struct plan *plan = lowering_sweep(daemon->enforced, arena);
	struct answer answer = kernel_apply(daemon->kernel, plan, (int64_t)time(NULL));
	if (plan->count > 0)
		count_apply(&daemon->counters, APPLY_SWEEP, started, answer.error);
	if (answer.error == 0)
		tell_gone(plan, gone, context);
	arena_free(arena);
	daemon->bytes += answer.bytes;
	return answer.error == 0 ? 0 : daemon_enforce(daemon);
}

/* ---- the policy ---- */

/* -EAGAIN where that takes another generation. */
static int follow_policy(struct daemon *daemon, struct arena *arena)
{
	struct world world = state_world(daemon->state, (int64_t)time(NULL));
	struct plan *plan = NULL;
	struct lowering *lowering = reconcile_policy(arena, daemon->enforced, &world, daemon->config.node, &plan);
	if (lowering == NULL)
		return -EAGAIN;
	struct answer answer = kernel_apply(daemon->kernel, plan, world.at);
	daemon->bytes += answer.bytes;
	if (answer.error != 0) {
		lowering_destroy(lowering);
		return answer.error;
	}
	adopt(daemon, lowering, plan, &world);
	return 0;
}

int daemon_follow_policy(struct daemon *daemon, const struct changes *changes)
{
	if (daemon->enforced == NULL || changes->count > 0 || changes->wide)
		return daemon_enforce(daemon);
	double started = monotonic_seconds();
	struct arena *arena = arena_create();
	check_end(daemon); /* it is about the policy before */
	int error = follow_policy(daemon, arena);
	count_apply(&daemon->counters, APPLY_POLICY, started, error);
	arena_free(arena);
	malloc_trim(0);
	return error == 0 ? 0 : daemon_enforce(daemon);
}

/* After a policy was given: `result` is what the state says of it. */
static void follow_given(struct daemon *daemon, int result, const struct changes *changes)
{
	if (result < 0) {
		count_refused_policy(&daemon->counters);
		fprintf(stderr, "%sringfenced: the policy is refused; %s\n", state_policy_errors(daemon->state),
			state_has_policy(daemon->state) ? "the last good one stays in force"
							: "what the kernel holds stays as it is");
	}
	if (result > 0 && daemon_follow_policy(daemon, changes) == 0 && daemon->enforced != NULL)
		fprintf(stderr, "ringfenced: policy %s is in force, generation %u\n", daemon->revision,
			daemon->generation);
}

void daemon_read_policy(struct daemon *daemon)
{
	struct changes changes;
	int result = daemon->bundles != NULL
			 ? bundles_read(daemon->bundles, daemon->state, &changes)
			 : state_read_policy(daemon->state, daemon->config.policy_directory, &changes);
	follow_given(daemon, result, &changes);
}

void daemon_take_bundle(struct daemon *daemon, const struct offered *offered)
{
	struct changes changes;
	int result = bundles_offer(daemon->bundles, daemon->state, offered, &changes);
	follow_given(daemon, result, &changes);
}

/* ---- check and repair ---- */

/* Makes the kernel hold again what it held last, where what it should hold now is refused. */
static int restore(struct daemon *daemon, struct arena *arena, const struct ruleset *actual, struct ruleset *wanted)
{
	double started = monotonic_seconds();
	wanted->at = actual->at;
	struct answer answer = load(daemon, arena, plan_make(arena, actual, wanted), actual, wanted, actual->at);
	count_apply(&daemon->counters, APPLY_REPAIR, started, answer.error);
	return answer.error;
}

static void forget_difference(struct daemon *daemon)
{
	free(daemon->difference);
	json_decref(daemon->damages);
	daemon->difference = NULL;
	daemon->damages = NULL;
	daemon->differs = false;
}

/* What differs in the policy's terms; the caller's. */
static json_t *find_damages(const struct daemon *daemon, struct arena *arena, const struct plan *plan,
			    const struct ruleset *actual, const struct ruleset *wanted)
{
	const struct world world = state_world(daemon->state, actual->at);
	json_t *list = json_array();
	const struct damages damages =
	    plan_damages(arena, plan, actual, wanted, &world, daemon->config.node, DAMAGES_MOST);
	for (size_t i = 0; i < damages.count; i++) {
		const struct damage *damage = &damages.items[i];
		json_t *item = json_pack("{s:s, s:s, s:s}", "change", damage_words[damage->kind], "object",
					 damage->object, "text", damage->text);
		if (damage->from != NULL)
			json_object_update_new(item,
					       json_pack("{s:s, s:s, s:s, s:s*}", "from", damage->from, "to",
							 damage->to, "ports", damage->ports, "side", damage->side));
		json_array_append_new(list, item);
	}
	if (damages.left_out > 0)
		json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "change", "more", "object", "", "text",
						      json_sprintf("and %zu more", damages.left_out)));
	return list;
}

/* Once for each difference: a check finds one that nobody repairs again and again. */
static void tell_damages(const json_t *damages)
{
	size_t i;
	json_t *damage;
	json_array_foreach(damages, i, damage)
	    fprintf(stderr, "ringfenced: drift:   %s\n", json_string_value(json_object_get(damage, "text")));
}

/* Notes in words what differs, or that nothing does. */
static void note_difference(struct daemon *daemon, struct arena *arena, const struct ruleset *actual,
			    const struct ruleset *wanted)
{
	const struct plan *plan = plan_make(arena, actual, wanted);
	size_t size = 0;
	json_t *before = json_incref(daemon->damages);
	forget_difference(daemon);
	daemon->differs = plan->count > 0;
	if (!daemon->differs) {
		json_decref(before);
		return;
	}
	FILE *stream = open_memstream(&daemon->difference, &size);
	if (stream == NULL)
		abort();
	plan_print(stream, plan, DIFFERENCE_LINES);
	fclose(stream);
	daemon->damages = find_damages(daemon, arena, plan, actual, wanted);
	if (!json_equal(before, daemon->damages))
		tell_damages(daemon->damages);
	json_decref(before);
	drift_log_explain(&daemon->drift, daemon->damages);
}

/* What the kernel should hold, with all elements; NULL: not known. */
static struct ruleset *wanted_ruleset(struct daemon *daemon, struct arena *arena)
{
	if (daemon->held != NULL)
		return daemon->held;
	return daemon->enforced != NULL ? lowering_ruleset(daemon->enforced, arena, true) : NULL;
}

static bool repair(struct daemon *daemon, struct arena *arena, const struct ruleset *actual, struct ruleset *wanted)
{
	if (daemon->held == NULL && apply_whole(daemon, CHANGE_REPAIR) == 0)
		return true;
	return restore(daemon, arena, actual, wanted) == 0;
}

/* What was read against what is wanted; repairs where that is asked for. */
static void judge(struct daemon *daemon, struct arena *arena, struct ruleset *actual, struct ruleset *wanted)
{
	actual->at = wanted->at = (int64_t)time(NULL);
	note_difference(daemon, arena, actual, wanted);
	count_check(&daemon->counters, daemon->checking.started, daemon->differs);
	daemon->ready = daemon->ready || !daemon->differs;
	if (!daemon->differs)
		drift_log_repaired(&daemon->drift, monotonic_seconds());
	if (!daemon->differs || !daemon->config.repair || !repair(daemon, arena, actual, wanted))
		return;
	drift_log_repaired(&daemon->drift, monotonic_seconds());
	forget_difference(daemon);
	daemon->ready = true;
	fprintf(stderr, "ringfenced: drift: the table is repaired, generation %u\n", daemon->generation);
}

static void check_begin(struct daemon *daemon)
{
	struct checking *checking = &daemon->checking;
	checking->arena = arena_create();
	checking->wanted = wanted_ruleset(daemon, checking->arena);
	checking->changes = daemon->changes;
	checking->started = monotonic_seconds();
	if (checking->wanted != NULL)
		checking->check = check_start(daemon->kernel, checking->arena, checking->wanted, (int64_t)time(NULL));
}

/* Whether `wanted` still is what the lowering says; if not, it may point to classes that are gone. */
static bool is_current(const struct daemon *daemon)
{
	const struct checking *checking = &daemon->checking;
	return checking->changes == daemon->changes && checking->wanted->generation == daemon->generation;
}

/* What the check found, or the table read whole where that is needed. Returns 0, or -EAGAIN: once more. */
static int check_found(struct daemon *daemon, struct ruleset **actual)
{
	struct checking *checking = &daemon->checking;
	bool same = is_current(daemon);
	int error = same ? check_actual(checking->check, actual) : -EAGAIN;
	if (error == -EAGAIN && ++checking->tries < CHECK_TRIES)
		return -EAGAIN;
	check_finish(checking->check);
	checking->check = NULL;
	if (error == 0)
		return 0;
	if (!same && daemon->ready &&
	    !checking->asked) /* changes of ours all the time: the next check may have a moment */
		return -EBUSY;
	if (!same) { /* a snapshot of the moment */
		arena_free(checking->arena);
		checking->arena = arena_create();
		checking->wanted = wanted_ruleset(daemon, checking->arena);
	}
	return checking->wanted != NULL ? read_table(daemon, checking->arena, (int64_t)time(NULL), actual) : -ENOENT;
}

bool daemon_check_step(struct daemon *daemon)
{
	struct checking *checking = &daemon->checking;
	struct ruleset *actual = NULL;
	if (checking->arena == NULL)
		check_begin(daemon);
	int step = checking->check == NULL ? -ENOENT
		   : is_current(daemon)	   ? check_step(checking->check, CHECK_SLICE)
					   : -EAGAIN;
	if (step == 0)
		return false;
	int found = step > 0 || step == -EAGAIN ? check_found(daemon, &actual) : step;
	struct arena *arena = checking->arena; /* a repair ends the check */
	struct ruleset *wanted = checking->wanted;
	checking->arena = NULL;
	check_end(daemon);
	if (found == 0)
		judge(daemon, arena, actual, wanted);
	arena_free(arena);
	malloc_trim(0);
	if (found == -EAGAIN && checking->tries < CHECK_TRIES)
		return false;
	if (found != 0 && found != -ENOENT) /* that: there is nothing to compare with */
		daemon->counters.checks_unfinished++;
	checking->due = checking->asked = false;
	checking->tries = 0;
	return true;
}

void daemon_check(struct daemon *daemon)
{
	daemon->checking.due = true;
	if (daemon->enforced != NULL && lowering_elements(daemon->enforced) > CHECK_AT_ONCE_MOST)
		return;
	while (!daemon_check_step(daemon))
		;
}

void daemon_finish(struct daemon *daemon)
{
	check_end(daemon);
	lowering_destroy(daemon->enforced);
	release_held(daemon);
	drift_log_finish(&daemon->drift);
	forget_difference(daemon);
	workload_times_finish(&daemon->times);
	free(daemon->error);
}

/* Why a policy that was given is not in force; NULL: it is, or there was none. */
static const char *find_stale(const struct daemon *daemon)
{
	const char *errors = state_policy_errors(daemon->state);
	if (errors[0] != 0)
		return errors;
	if (!state_has_policy(daemon->state))
		return NULL;
	if (state_passed_over(daemon->state)[0] != 0)
		return "an earlier policy is in force, by a rollback";
	if (!daemon->sources_read)
		return "a source of workloads is not there yet, or cannot be read";
	if (daemon->error != NULL)
		return daemon->error;
	if (daemon->enforced == NULL || strcmp(daemon->revision, state_revision(daemon->state)) != 0)
		return "the newest policy is not in force yet";
	return NULL;
}

/* The problem of the policy, of the kernel, or of time; NULL: none. */
static const char *lack(const struct daemon *daemon)
{
	const char *stale = find_stale(daemon);
	if (stale != NULL)
		return stale;
	if (!state_has_policy(daemon->state))
		return "no policy has been read yet";
	return daemon->ready ? NULL : "the table has not been read back and found whole yet";
}

/* One line. */
static bool print_lack(const struct daemon *daemon, const char *why, char *text, size_t size)
{
	const char *intro = why != NULL && why == state_policy_errors(daemon->state) ? "the policy is refused: " : "";
	snprintf(text, size, "%s%.*s", intro, why != NULL ? (int)strcspn(why, "\n") : 0, why != NULL ? why : "");
	return why != NULL;
}

bool daemon_lacks(const struct daemon *daemon, char *text, size_t size)
{
	return print_lack(daemon, lack(daemon), text, size);
}

bool daemon_is_stale(const struct daemon *daemon, char *text, size_t size)
{
	return print_lack(daemon, find_stale(daemon), text, size);
}

void daemon_note_stale(struct daemon *daemon)
{
	char why[512];
	bool stale = daemon_is_stale(daemon, why, sizeof why);
	if (stale == (daemon->stale_since != 0))
		return;
	daemon->stale_since = stale ? (int64_t)time(NULL) : 0;
	if (stale)
		fprintf(stderr, "ringfenced: drift: an older policy (%s) is enforced than was given: %s\n",
			daemon->revision[0] != 0 ? daemon->revision : "of a daemon before this one", why);
	else
		fprintf(stderr, "ringfenced: drift: the newest policy is in force\n");
}

size_t daemon_elements(const struct daemon *daemon)
{
	size_t count = daemon->enforced != NULL ? lowering_elements(daemon->enforced) : 0;
	for (size_t i = 0; daemon->held != NULL && i < daemon->held->set_count; i++)
		count += daemon->held->sets[i]->element_count;
	return count;
}

static void add_file_error(void *context, const char *path, const char *text)
{
	json_array_append_new(context, json_pack("{s:o, s:o}", "file", text_json(path), "error", text_json(text)));
}

static json_t *conflicts(const struct inventory *inventory)
{
	json_t *list = json_array();
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		if (workload->conflict)
			json_array_append_new(list, json_sprintf("%s/%s", workload->name_space, workload->name));
	}
	return list;
}

/* In one word: of the node, of the policy, or of some of its services. */
static const char *daemon_mode(const struct daemon *daemon)
{
	const struct world world = state_world(daemon->state, 0);
	if (world.policy->node_audit || world.policy->audit)
		return "audit";
	return world_denies_by(&world, DENIED_AUDIT) ? "partly audit" : "enforce";
}

json_t *daemon_status(const struct daemon *daemon)
{
	char since[32];
	const struct world world = state_world(daemon->state, 0);
	const char *errors = state_policy_errors(daemon->state);
	json_t *policy_errors = json_array(), *file_errors = json_array();
	if (errors[0] != 0)
		json_array_append_new(policy_errors, text_json(errors));
	state_file_errors(daemon->state, add_file_error, file_errors);
	json_t *policy =
	    json_pack("{s:b, s:o}", "ok", errors[0] == 0 && state_has_policy(daemon->state), "errors", policy_errors);
	json_t *drift = json_pack("{s:b, s:I, s:I, s:s}", "differs", daemon->differs, "events",
				  (json_int_t)daemon->drift.next, "repaired", (json_int_t)daemon->drift.repaired,
				  "mode", daemon->config.repair ? "repair" : "report");
	return json_pack("{s:i, s:s, s:s, s:b, s:i, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "version",
			 1, "node", daemon->config.node, "mode", daemon_mode(daemon), "ready", daemon->ready,
			 "generation", (int)daemon->generation, "revision", daemon->revision, "since",
			 time_print(daemon->since, since), "workloads", (json_int_t)world.inventory->workload_count,
			 "policy", policy, "workload_files", file_errors, "conflicts", conflicts(world.inventory),
			 "drift", drift, "error", daemon->error != NULL ? text_json(daemon->error) : json_null(),
			 "resyncs", (json_int_t)daemon->resyncs, "changes", (json_int_t)daemon->changes,
			 "netlink_bytes", (json_int_t)daemon->bytes);
}

void daemon_look(struct daemon *daemon, bool wait)
{
	daemon->checking.asked = daemon->checking.asked || wait;
	daemon_check(daemon);
	while (wait && daemon->checking.due)
		daemon_check_step(daemon);
}

json_t *daemon_drift(const struct daemon *daemon)
{
	return json_pack("{s:i, s:b, s:s?, s:O?, s:o}", "version", 1, "drift", daemon->differs, "difference",
			 daemon->difference, "changes", daemon->damages, "events", drift_log_json(&daemon->drift));
}
