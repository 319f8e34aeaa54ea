/* What should be in the kernel, from what the sources said last: the policy, and the live inventory of all of them. */
#include "enforcer/desired/state.h"

#include "enforcer/desired/files.h"

#include <ringfence/arena.h>
#include <ringfence/invariants.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct state {
	struct live live;
	struct incidents incidents;
	const char *node;
	struct files files;
	struct content policy_content; /* older than every file */
	struct arena *policy_arena;
	const struct frontend *policy; /* in its arena: what is in force still points to it while a newer one is read */
	struct arena
	    *proven_arena; /* of the policy that the kernel took last, while `policy` is a newer one; or NULL */
	const struct frontend *proven;
	char *policy_errors;
	char directory_revision[17]; /* of the directory's policy, as last read well */
	char passed_over[17];	     /* is not taken from the directory */
	bool audit;
};

static const struct quarantine *quarantine_by_operator(void *context, const struct workload *workload)
{
	const struct state *state = context;
	return incidents_of(&state->incidents, &state->policy->policy, state->node, workload);
}

struct state *state_create(const char *node)
{
	static const struct frontend none;
	struct state *state = calloc(1, sizeof *state);
	if (state == NULL)
		abort();
	state->policy = &none;
	live_init(&state->live);
	state->live.quarantine = quarantine_by_operator;
	state->live.context = state;
	state->node = node;
	state->files = (struct files){.live = &state->live, .node = node};
	return state;
}

void state_destroy(struct state *state)
{
	if (state == NULL)
		return;
	live_begin(&state->live);
	files_finish(&state->files);
	live_replace(&state->live, &state->policy_content, &(struct inventory){0}, 0);
	live_finish(&state->live);
	incidents_finish(&state->incidents);
	arena_free(state->policy_arena);
	arena_free(state->proven_arena);
	free(state->policy_errors);
	free(state);
}

void state_audit(struct state *state)
{
	state->audit = true;
}

/* ---- the policy ---- */

/* A policy that breaks a `never` of its own is as wrong as one that does not parse. The workloads of the moment are
 * left out: one that starts must not take the policy away from the others. */
static void prove(const struct frontend *frontend, struct diagnostics *diagnostics)
{
	const struct world world = {&frontend->policy, &frontend->inventory, (int64_t)time(NULL)};
	struct proof proof = invariants_prove(diagnostics->arena, &world, false);
	invariants_report(diagnostics, &proof);
}

/* The policy directory may speak of workloads, too. */
static struct changes take_inventory(struct state *state)
{
	live_begin(&state->live);
	live_replace(&state->live, &state->policy_content, &state->policy->inventory, 0);
	const struct incident *panic = state->incidents.panic;
	for (size_t i = 0; panic != NULL && panic->exception_count > 0 && i < state->live.inventory.workload_count; i++)
		live_reconsider(&state->live, state->live.inventory.workloads[i]); /* services may select others */
	return live_settle(&state->live);
}

/* A reading in an arena of its own, which the frontend that is returned lives in. */
static struct frontend *reading_create(void)
{
	struct arena *arena = arena_create();
	struct diagnostics *diagnostics = arena_alloc(arena, sizeof *diagnostics);
	struct frontend *frontend = arena_alloc(arena, sizeof *frontend);
	diagnostics_init(diagnostics, arena);
	frontend_init(frontend, arena, diagnostics);
	return frontend;
}

/* Ends the reading; `where` it was read from is told where nothing is there. */
static void reading_finish(struct frontend *frontend, const char *where)
{
	struct diagnostics *diagnostics = frontend->diagnostics;
	frontend_finish(frontend);
	if (diagnostics->errors == 0 && frontend->policy.isolation_count + frontend->policy.allow_count == 0 &&
	    frontend->policy.unmatched == UNMATCHED_DEFAULT)
		diagnostics_error(diagnostics, (struct span){0},
				  "%s: no policy there; an empty directory changes nothing", where);
	if (diagnostics->errors == 0)
		prove(frontend, diagnostics);
}

/* Whether the policy is this one, read from files of the same names. */
static bool is_same(const struct state *state, const struct frontend *read)
{
	const struct diagnostics *ours, *theirs = read->diagnostics;
	if (state->policy_arena == NULL || strcmp(state->policy->revision, read->revision) != 0)
		return false;
	ours = state->policy->diagnostics;
	return ours->source_count == theirs->source_count &&
	       (ours->source_count == 0 || strcmp(ours->sources[0]->file, theirs->sources[0]->file) == 0);
}

/* What was read well is the policy from now on. */
static struct changes take(struct state *state, struct frontend *frontend)
{
	if (state->proven_arena == NULL) { /* else the one in between was never in force */
		state->proven_arena = state->policy_arena;
		state->proven = state->policy;
	} else {
		arena_free(state->policy_arena);
	}
	state->policy_arena = frontend->arena;
	state->policy = frontend;
	return take_inventory(state);
}

int state_read_policy(struct state *state, const char *directory, struct changes *changes)
{
	*changes = (struct changes){0};
	struct frontend *frontend = reading_create();
	frontend_add_path(frontend, directory);
	reading_finish(frontend, directory);
	frontend->policy.node_audit = state->audit;
	free(state->policy_errors);
	state->policy_errors = errors_text(frontend->diagnostics);
	if (state->policy_errors == NULL)
		memcpy(state->directory_revision, frontend->revision, sizeof frontend->revision);
	bool same = is_same(state, frontend);
	if (same)
		state->passed_over[0] = 0; /* it is in force, so there is nothing to pass over */
	if (state->policy_errors != NULL || same || strcmp(frontend->revision, state->passed_over) == 0) {
		arena_free(frontend->arena);
		return state->policy_errors == NULL ? 0 : -1;
	}
	*changes = take(state, frontend);
	return 1;
}

struct frontend *policy_texts_read(const struct policy_texts *texts)
{
	struct frontend *frontend = reading_create();
	struct arena *arena = frontend->arena;
	frontend->root_length = texts->root_length;
	for (size_t i = 0; i < texts->count; i++) {
		const struct source *file = &texts->files[i];
		frontend_add_text(frontend, arena_copy(arena, file->file, strlen(file->file)),
				  arena_copy(arena, file->text, file->length), file->length);
	}
	reading_finish(frontend, "a policy that was kept");
	return frontend;
}

int state_take_policy(struct state *state, const struct policy_texts *texts, struct changes *changes, char **errors)
{
	*changes = (struct changes){0};
	struct frontend *frontend = policy_texts_read(texts);
	frontend->policy.node_audit = state->audit;
	*errors = errors_text(frontend->diagnostics);
	bool same = is_same(state, frontend);
	if (*errors != NULL || same) {
		arena_free(frontend->arena);
		return *errors == NULL ? 0 : -1;
	}
	*changes = take(state, frontend);
	return 1;
}

struct policy_texts state_policy_texts(const struct state *state, struct arena *arena)
{
	const struct diagnostics *diagnostics = state->policy->diagnostics;
	size_t count = diagnostics != NULL ? diagnostics->source_count : 0;
	struct policy_texts texts = {state->policy->root_length, arena_alloc(arena, (count + 1) * sizeof *texts.files),
				     count};
	for (size_t i = 0; i < count; i++)
		texts.files[i] = *diagnostics->sources[i];
	return texts;
}

void state_pass_over(struct state *state, const char *revision)
{
	snprintf(state->passed_over, sizeof state->passed_over, "%s", revision);
}

const char *state_passed_over(const struct state *state)
{
	return state->passed_over;
}

const char *state_directory_revision(const struct state *state)
{
	return state->directory_revision;
}

void state_keep_policy(struct state *state)
{
	arena_free(state->proven_arena);
	state->proven_arena = NULL;
	if (strcmp(state_revision(state), state->directory_revision) == 0)
		state->passed_over[0] = 0;
}

bool state_revert_policy(struct state *state, const char *why)
{
	if (state->proven_arena == NULL)
		return false;
	arena_free(state->policy_arena);
	state->policy_arena = state->proven_arena;
	state->policy = state->proven;
	state->proven_arena = NULL;
	take_inventory(state);
	free(state->policy_errors);
	state->policy_errors = strdup(why);
	return true;
}

bool state_has_policy(const struct state *state)
{
	return state->policy_arena != NULL;
}

const char *state_revision(const struct state *state)
{
	return state_has_policy(state) ? state->policy->revision : "";
}

const char *state_policy_errors(const struct state *state)
{
	return state->policy_errors != NULL ? state->policy_errors : "";
}

/* ---- workload files ---- */

int state_read_workloads(struct state *state, const char *path, struct changes *changes)
{
	live_begin(&state->live);
	int result = files_read(&state->files, path);
	*changes = live_settle(&state->live);
	return result;
}

void state_forget_workloads(struct state *state, const char *path, struct changes *changes)
{
	live_begin(&state->live);
	files_forget(&state->files, path);
	*changes = live_settle(&state->live);
}

int state_scan_workloads(struct state *state, const char *directory, struct changes *changes)
{
	live_begin(&state->live);
	int result = files_scan(&state->files, directory);
	*changes = live_settle(&state->live);
	return result;
}

/* ---- other sources ---- */

void state_tell(struct state *state, const char *source, const struct told *items, size_t count, bool all,
		struct changes *changes)
{
	live_begin(&state->live);
	files_tell(&state->files, source, items, count, all);
	*changes = live_settle(&state->live);
}

bool state_knows_idle_hosts(const struct state *state)
{
	return state->live.told_only;
}

void state_file_errors(const struct state *state, void (*call)(void *context, const char *path, const char *text),
		       void *context)
{
	files_errors(&state->files, call, context);
}

void state_stale_workloads(const struct state *state,
			   void (*call)(void *context, const struct workload *workload, const char *path),
			   void *context)
{
	files_stale(&state->files, call, context);
}

size_t state_conflict_count(const struct state *state)
{
	return state->live.conflict_count;
}

size_t state_file_error_count(const struct state *state)
{
	return state->files.bad_count;
}

/* ---- incidents ---- */

struct incidents *state_incidents(struct state *state)
{
	return &state->incidents;
}

/* NULL: there is no such workload. */
static bool follow_incident(struct state *state, const struct workload *workload, struct changes *changes)
{
	*changes = (struct changes){0};
	if (workload == NULL || !live_is_isolated_otherwise(&state->live, workload))
		return false;
	live_begin(&state->live);
	live_reconsider(&state->live, workload);
	*changes = live_settle(&state->live);
	return true;
}

bool state_follow_incident(struct state *state, const char *name_space, const char *name, struct changes *changes)
{
	return follow_incident(state, inventory_workload(&state->live.inventory, name_space, name), changes);
}

bool state_follow_incidents(struct state *state, size_t *at, struct changes *changes)
{
	bool other = false;
	while (*at < state->live.inventory.workload_count && !other)
		other = follow_incident(state, state->live.inventory.workloads[(*at)++], changes);
	return other;
}

struct world state_world(const struct state *state, int64_t now)
{
	return (struct world){&state->policy->policy, &state->live.inventory, now};
}
