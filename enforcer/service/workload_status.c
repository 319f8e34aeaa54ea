/* Workload by workload: what keeps it from being in force is either the same for all, or its own. */
#include "enforcer/service/workload_status.h"

#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WHY_SIZE = 512 };

/* A workload of a file that no longer says what is in force: it does not check. */
struct stale {
	const struct workload *workload;
	const char *file;
};

struct telling {
	struct daemon *daemon;
	struct world world;
	struct arena *arena;
	struct stale *stale; /* sorted by the workload */
	size_t stale_count;
	char lack[WHY_SIZE]; /* why nothing is, or not the newest; empty: all is well */
};

static void note_stale(void *context, const struct workload *workload, const char *file)
{
	struct telling *telling = context;
	*arena_push(telling->arena, telling->stale, telling->stale_count) =
	    (struct stale){workload, arena_copy(telling->arena, file, strlen(file))};
}

static int compare_stale(const void *left, const void *right)
{
	uintptr_t a = (uintptr_t)((const struct stale *)left)->workload,
		  b = (uintptr_t)((const struct stale *)right)->workload;
	return (a > b) - (a < b);
}

static void begin(struct telling *telling, struct daemon *daemon)
{
	*telling = (struct telling){
	    .daemon = daemon, .world = state_world(daemon->state, (int64_t)time(NULL)), .arena = arena_create()};
	if (!daemon_lacks(daemon, telling->lack, sizeof telling->lack) && daemon->differs)
		strcpy(telling->lack, "the table differs from the policy: see `ringfence drift`");
	state_stale_workloads(daemon->state, note_stale, telling);
	if (telling->stale_count > 1)
		qsort(telling->stale, telling->stale_count, sizeof *telling->stale, compare_stale);
}

/* Why the newest that is known of a workload is not in force; NULL: it is. */
static const char *why_not(const struct telling *telling, const struct workload *workload)
{
	const struct stale key = {.workload = workload}, *stale = NULL;
	if (telling->lack[0] != 0)
		return telling->lack;
	if (workload->conflict)
		return "in conflict: another workload, or a node, has its name or one of its addresses";
	if (telling->stale_count > 0)
		stale = bsearch(&key, telling->stale, telling->stale_count, sizeof key, compare_stale);
	return stale != NULL
		   ? arena_printf(telling->arena, "%s does not check: what it said before is in force", stale->file)
		   : NULL;
}

static json_t *one(const struct telling *telling, const struct workload *workload)
{
	const struct daemon *daemon = telling->daemon;
	const char *why = why_not(telling, workload);
	const struct quarantine *quarantine = quarantine_of(&telling->world, workload);
	int64_t since = workload_times_find(&daemon->times, workload);
	char text[32];
	json_t *object = json_pack("{s:o, s:b}", "name", json_sprintf("%s/%s", workload->name_space, workload->name),
				   "in_force", why == NULL);
	if (since != 0)
		json_object_set_new(object, "since", json_string(time_print(since, text)));
	if (why != NULL)
		json_object_set_new(object, "why", text_json(why));
	if (quarantine != NULL)
		json_object_set_new(
		    object, "quarantine",
		    text_json(quarantine->span.file != NULL
				  ? arena_printf(telling->arena, "%s:%u", quarantine->span.file, quarantine->span.line)
				  : "here"));
	return object;
}

static bool is_here(const struct telling *telling, const struct workload *workload)
{
	return workload->node != NULL && strcmp(workload->node, telling->daemon->config.node) == 0;
}

/* Those of this node; returns how many there was no room for. */
static size_t tell_all(const struct telling *telling, json_t *list)
{
	const struct inventory *inventory = telling->world.inventory;
	size_t left_out = 0;
	for (size_t i = 0; i < inventory->workload_count; i++) {
		if (!is_here(telling, inventory->workloads[i]))
			continue;
		if (json_array_size(list) < WORKLOADS_TOLD_MAX)
			json_array_append_new(list, one(telling, inventory->workloads[i]));
		else
			left_out++;
	}
	return left_out;
}

/* The one that is called so; NULL, or why there is none to tell of. */
static const char *tell_named(const struct telling *telling, const char *name, json_t *list)
{
	const char *slash = strchr(name, '/');
	const struct workload *workload = NULL;
	if (slash != NULL)
		workload = inventory_workload(telling->world.inventory,
					      arena_copy(telling->arena, name, (size_t)(slash - name)), slash + 1);
	if (workload == NULL)
		return "no workload is called so, of those that this node knows: it is NAMESPACE/NAME";
	if (!is_here(telling, workload))
		return workload->node == NULL
			   ? "it runs on no node that is known"
			   : arena_printf(telling->arena, "it runs on %s: ask there", workload->node);
	json_array_append_new(list, one(telling, workload));
	return NULL;
}

json_t *workload_status(struct daemon *daemon, json_t *request)
{
	struct telling telling;
	json_t *list = json_array(), *name = json_object_get(request, "name");
	size_t left_out = 0;
	const char *wrong = NULL;
	begin(&telling, daemon);
	if (name == NULL)
		left_out = tell_all(&telling, list);
	else if (json_is_string(name))
		wrong = tell_named(&telling, json_string_value(name), list);
	else
		wrong = "`name` is a text";
	json_t *answer = wrong != NULL
			     ? json_pack("{s:i, s:o}", "version", 1, "error", text_json(wrong))
			     : json_pack("{s:i, s:s, s:s, s:i, s:O, s:I}", "version", 1, "node", daemon->config.node,
					 "revision", daemon->revision, "generation", (int)daemon->generation,
					 "workloads", list, "left_out", (json_int_t)left_out);
	json_decref(list);
	arena_free(telling.arena);
	return answer;
}
