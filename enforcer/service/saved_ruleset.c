/* See saved_ruleset.h. What is read went through the checks of encoding.h, so that even somebody who can write the file
 * reaches no other table. */
#include "enforcer/service/saved_ruleset.h"

#include "enforcer/kernel/encoding.h"

#include <ringfence/arena.h>
#include <ringfence/first_load.h>
#include <ringfence/scan.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void drop_expired(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->set_count; i++) {
		struct set *set = ruleset->sets[i];
		size_t kept = 0;
		for (size_t j = 0; j < set->element_count; j++)
			if (set->elements[j].expires == 0 || set->elements[j].expires > ruleset->at)
				set->elements[kept++] = set->elements[j];
		set->element_count = kept;
	}
}

char *saved_ruleset_read(const struct state_directory *directory, struct arena *arena, int64_t now,
			 struct ruleset **ruleset)
{
	struct state_content content;
	*ruleset = NULL;
	char *error = state_file_read(directory, SAVED_RULESET, STATE_RULESET, &content);
	if (error != NULL || content.file == NULL)
		return error;
	struct ruleset *read;
	const char *wrong = ruleset_decode(arena, content.payload, content.length, &read);
	state_content_finish(&content);
	if (wrong != NULL) {
		if (asprintf(&error, "%s/%s: damaged: %s", directory->path, SAVED_RULESET, wrong) < 0)
			abort();
		return error;
	}
	read->at = read->at > now ? read->at : now;
	drop_expired(read);
	*ruleset = read;
	return NULL;
}

/* ---- into the kernel ---- */

static void note_objects(void *context, const struct ruleset *ruleset)
{
	*(const struct ruleset **)context = ruleset;
}

/* Chains, rules and sets without elements: a large table is not read for this. */
static int read_objects(struct kernel *kernel, struct arena *arena, const struct ruleset **objects)
{
	static const char *const none[] = {NULL};
	const struct scan_reader hearing = {.context = objects, .keep = none, .objects = note_objects};
	*objects = NULL;
	struct scan *scan = kernel_scan_start(kernel, arena, (int64_t)time(NULL), &hearing);
	int step = scan != NULL ? 0 : -ENOMEM;
	while (step == 0 && *objects == NULL)
		step = kernel_scan_step(scan, 0);
	kernel_scan_finish(scan);
	return step < 0 ? step : 0;
}

/* Whether the table's hooks are there and lead somewhere; their rules never change while a table is ours. */
static bool enforces(const struct ruleset *objects)
{
	size_t hooks = 0, ruled = 0;
	for (size_t i = 0; i < objects->chain_count; i++) {
		hooks += objects->chains[i]->base;
		ruled += objects->chains[i]->base && objects->chains[i]->rule_count > 0;
	}
	return hooks > 0 && ruled == hooks;
}

__attribute__((format(printf, 2, 3))) static enum saved_outcome failed(char **error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (vasprintf(error, format, args) < 0)
		abort();
	va_end(args);
	return SAVED_FAILED;
}

/* Brings the kernel to `saved`, and reads it back. */
static enum saved_outcome restore(struct kernel *kernel, struct arena *arena, struct ruleset *saved, bool tracked,
				  char **error)
{
	struct ruleset *actual;
	int read = kernel_read(kernel, arena, saved->at, &actual);
	if (read < 0)
		return failed(error, "cannot read the table from the kernel: %s", strerror(-read));
	actual->at = saved->at;
	int missed;
	struct answer answer =
	    first_load(kernel, arena, plan_make(arena, actual, saved), actual, saved, tracked, saved->at, &missed);
	if (missed < 0)
		fprintf(stderr, "ringfenced: %s\n", first_load_missed(arena, missed));
	if (answer.error != 0)
		return failed(error, "the kernel refused %s of the saved ruleset: %s", answer.object,
			      strerror(-answer.error));
	read = kernel_read(kernel, arena, saved->at, &actual);
	if (read < 0)
		return failed(error, "cannot read the table back from the kernel: %s", strerror(-read));
	actual->at = saved->at;
	if (plan_make(arena, actual, saved)->count > 0)
		return failed(error, "the kernel's table is not the saved ruleset after it was loaded");
	return SAVED_RESTORED;
}

enum saved_outcome saved_ruleset_enforce(const struct state_directory *directory, struct kernel *kernel, bool tracked,
					 char **error)
{
	const struct ruleset *objects;
	struct ruleset *saved;
	struct arena *arena = arena_create();
	enum saved_outcome outcome;
	*error = NULL;
	int read = read_objects(kernel, arena, &objects);
	if (read < 0) {
		failed(error, "cannot read the table from the kernel: %s", strerror(-read));
		outcome = SAVED_UNSEEN;
	} else if (enforces(objects))
		outcome = SAVED_UNNEEDED;
	else if ((*error = saved_ruleset_read(directory, arena, (int64_t)time(NULL), &saved)) != NULL)
		outcome = SAVED_FAILED;
	else if (saved == NULL)
		outcome = SAVED_NOTHING;
	else
		outcome = restore(kernel, arena, saved, tracked, error);
	arena_free(arena);
	return outcome;
}
