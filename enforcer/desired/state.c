/* What should be in the kernel, from what the sources said last: the policy, and the live inventory of all of them. */
#include "enforcer/desired/state.h"

#include "enforcer/desired/files.h"

#include <ringfence/arena.h>
#include <ringfence/invariants.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct state {
	struct live live;
	struct files files;
	struct content policy_content; /* older than every file */
	struct content units_content;
	struct arena *policy_arena;
	const struct frontend *policy; /* in its arena: what is in force still points to it while a newer one is read */
	struct arena
	    *proven_arena; /* of the policy that the kernel took last, while `policy` is a newer one; or NULL */
	const struct frontend *proven;
	char *policy_errors;
};

struct state *state_create(const char *node)
{
	static const struct frontend none;
	struct state *state = calloc(1, sizeof *state);
	if (state == NULL)
		abort();
	state->policy = &none;
	live_init(&state->live);
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
	live_replace(&state->live, &state->units_content, &(struct inventory){0}, 0);
	live_finish(&state->live);
	arena_free(state->policy_arena);
	arena_free(state->proven_arena);
	free(state->policy_errors);
	free(state);
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
	return live_settle(&state->live);
}

int state_read_policy(struct state *state, const char *directory, struct changes *changes)
{
	*changes = (struct changes){0};
	struct arena *arena = arena_create();
	struct diagnostics *diagnostics = arena_alloc(arena, sizeof *diagnostics);
	struct frontend *frontend = arena_alloc(arena, sizeof *frontend);
	diagnostics_init(diagnostics, arena);
	frontend_init(frontend, arena, diagnostics);
	frontend_add_path(frontend, directory);
	frontend_finish(frontend);
	if (diagnostics->errors == 0 && frontend->policy.isolation_count + frontend->policy.allow_count == 0 &&
	    frontend->policy.unmatched == UNMATCHED_DEFAULT)
		diagnostics_error(diagnostics, (struct span){0},
				  "%s: no policy there; an empty directory changes nothing", directory);
	if (diagnostics->errors == 0)
		prove(frontend, diagnostics);
	free(state->policy_errors);
	state->policy_errors = errors_text(diagnostics);
	bool same = state->policy_arena != NULL && strcmp(state->policy->revision, frontend->revision) == 0;
	if (state->policy_errors != NULL || same) {
		arena_free(arena);
		return same && state->policy_errors == NULL ? 0 : -1;
	}
	if (state->proven_arena == NULL) { /* else the one in between was never in force */
		state->proven_arena = state->policy_arena;
		state->proven = state->policy;
	} else {
		arena_free(state->policy_arena);
	}
	state->policy_arena = arena;
	state->policy = frontend;
	*changes = take_inventory(state);
	return 1;
}

void state_keep_policy(struct state *state)
{
	arena_free(state->proven_arena);
	state->proven_arena = NULL;
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

/* ---- units ---- */

void state_take_units(struct state *state, const struct inventory *inventory, struct changes *changes)
{
	uint64_t order = state->units_content.order;
	live_begin(&state->live);
	live_replace(&state->live, &state->units_content, inventory, order != 0 ? order : ++state->files.last_order);
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

size_t state_conflict_count(const struct state *state)
{
	return state->live.conflict_count;
}

size_t state_file_error_count(const struct state *state)
{
	return state->files.bad_count;
}

struct world state_world(const struct state *state, int64_t now)
{
	return (struct world){&state->policy->policy, &state->live.inventory, now};
}
