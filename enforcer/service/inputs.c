/* A watch for each. Events come from inotify (enforcer/sources/directory.h); a directory that was swapped gives none,
 * so each is looked at now and then. */
#include "enforcer/service/inputs.h"

#include "enforcer/sources/directory.h"

#include <ringfence/arena.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct watch {
	struct inputs *inputs;
	struct directory *directory; /* NULL: not there yet */
	sd_event_source *source;
	const char *path;
	bool policy, units; /* else workload files */
	bool unread;	    /* the last reading of all failed, which was told: each tick tries again */
	bool known;	    /* one did not */
};

struct inputs {
	struct daemon *daemon;
	sd_event *events;
	struct input_calls calls;
	struct watch *watches;
	size_t watch_count;
};

struct file_event {
	enum directory_event kind;
	char *path;
};

/* ---- sources of workloads ---- */

static int scan_units(struct inputs *inputs, struct changes *changes)
{
	struct arena *arena = arena_create();
	const struct config *config = &inputs->daemon->config;
	struct inventory inventory = {0};
	int error = units_read(arena, &config->units, config->node, &inventory);
	if (error == 0)
		state_tell(inputs->daemon->state, "systemd", &(struct told){"units", &inventory}, 1, true, changes);
	arena_free(arena);
	return error;
}

/* Reads all that a source of workloads says now. Where that fails, what was known stays in force. */
static void read_source(struct watch *watch)
{
	struct inputs *inputs = watch->inputs;
	struct changes changes = {0};
	int error = watch->units ? scan_units(inputs, &changes)
				 : state_scan_workloads(inputs->daemon->state, watch->path, &changes);
	if (error != 0 && !watch->unread)
		fprintf(stderr, "ringfenced: %s cannot be read (%s); its workloads stay as they were\n", watch->path,
			strerror(-error));
	watch->unread = error != 0;
	watch->known = watch->known || error == 0;
	if (error == 0 && inputs->daemon->enforced != NULL)
		daemon_follow(inputs->daemon, &changes);
}

/* ---- workload files ---- */

struct events {
	struct file_event *items;
	size_t count;
};

static void collect(void *context, enum directory_event kind, const char *path)
{
	struct events *events = context;
	struct file_event *items = realloc(events->items, (events->count + 1) * sizeof *items);
	if (items == NULL)
		abort();
	events->items = items;
	events->items[events->count++] = (struct file_event){kind, strdup(path)};
}

/* Of a file that is gone again by now another event tells. */
static bool is_there(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Reads what one event concerns, and enforces it. */
static void take_event(struct inputs *inputs, struct watch *watch, const struct file_event *event)
{
	struct state *state = inputs->daemon->state;
	struct changes changes = {0};
	switch (event->kind) {
	case DIRECTORY_CHANGED:
		if (state_read_workloads(state, event->path, &changes) != 0 && is_there(event->path))
			fprintf(stderr, "ringfenced: %s does not check; what it said before stays in force\n",
				event->path);
		break;
	case DIRECTORY_REMOVED:
		state_forget_workloads(state, event->path, &changes);
		break;
	case DIRECTORY_RESCAN:
		read_source(watch);
		break;
	case DIRECTORY_LOST:
		fprintf(stderr, "ringfenced: %s is gone; its workloads stay as they were\n", watch->path);
		break;
	}
	if (inputs->daemon->enforced != NULL)
		daemon_follow(inputs->daemon, &changes);
}

/* While there is nothing that could follow single workloads, all is made anew once for all events, and not for each. */
static void take_events(struct inputs *inputs, struct watch *watch, struct events *events)
{
	for (size_t i = 0; i < events->count; i++) {
		take_event(inputs, watch, &events->items[i]);
		free(events->items[i].path);
	}
	free(events->items);
	if (events->count > 0 && inputs->daemon->enforced == NULL)
		daemon_enforce(inputs->daemon);
	inputs->calls.changed(inputs->calls.context);
}

static void policy_event(void *context, enum directory_event kind, const char *path)
{
	struct watch *watch = context;
	(void)path;
	if (kind == DIRECTORY_LOST)
		fprintf(stderr, "ringfenced: %s is gone; the last good policy stays in force\n", watch->path);
	watch->inputs->calls.policy(watch->inputs->calls.context);
}

/* ---- units ---- */

static void units_event(void *context, enum directory_event kind, const char *path)
{
	bool *changed = context;
	(void)path;
	*changed = *changed || kind == DIRECTORY_RESCAN;
}

/* A directory of a slice came or went: a unit started, stopped, or both. */
static void on_units(struct watch *watch)
{
	struct inputs *inputs = watch->inputs;
	bool changed = false;
	directory_read(watch->directory, units_event, &changed);
	if (!changed)
		return;
	read_source(watch);
	if (inputs->daemon->enforced == NULL)
		daemon_enforce(inputs->daemon);
	inputs->calls.changed(inputs->calls.context);
}

static int on_directory(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct watch *watch = context;
	struct events events = {0};
	(void)source;
	(void)fd;
	(void)revents;
	if (watch->policy) {
		directory_read(watch->directory, policy_event, watch);
		return 0;
	}
	if (watch->units) {
		on_units(watch);
		return 0;
	}
	directory_read(watch->directory, collect, &events);
	take_events(watch->inputs, watch, &events);
	return 0;
}

static int watch_path(struct watch *watch)
{
	if (watch->policy && watch->inputs->daemon->bundles != NULL)
		return directory_create_file(&watch->directory, watch->path);
	/* Below their services users make cgroups as they like, without end: slices alone are watched. */
	return watch->units ? directory_create_within(&watch->directory, watch->path, ".slice")
			    : directory_create(&watch->directory, watch->path, watch->policy);
}

/* Watches a directory that is there, or comes back; reads it whole. */
static void open_watch(struct watch *watch)
{
	struct inputs *inputs = watch->inputs;
	int changed = 0;
	if (watch->directory == NULL) {
		changed = watch_path(watch) == 0;
		if (changed)
			sd_event_add_io(inputs->events, &watch->source, directory_fd(watch->directory), EPOLLIN,
					on_directory, watch);
	} else {
		changed = directory_reopen(watch->directory) == 1;
	}
	if (!changed)
		return;
	if (watch->policy)
		inputs->calls.policy(inputs->calls.context);
	else
		read_source(watch);
}

/* `path` NULL: there is nothing of this kind to watch. */
static void start_watch(struct inputs *inputs, const char *path, bool policy, bool units)
{
	if (path == NULL)
		return;
	struct watch *watch = &inputs->watches[inputs->watch_count++];
	*watch = (struct watch){.inputs = inputs, .path = path, .policy = policy, .units = units};
	open_watch(watch);
	if (watch->directory == NULL)
		fprintf(stderr, "ringfenced: %s is not there yet\n", path);
}

struct inputs *inputs_create(sd_event *events, struct daemon *daemon, const struct input_calls *calls)
{
	const struct config *config = &daemon->config;
	struct inputs *inputs = calloc(1, sizeof *inputs);
	if (inputs == NULL)
		abort();
	*inputs = (struct inputs){.daemon = daemon, .events = events, .calls = *calls};
	inputs->watches = calloc(config->workload_directory_count + 2, sizeof *inputs->watches);
	if (inputs->watches == NULL)
		abort();
	start_watch(inputs, daemon->bundles != NULL ? config->bundle.path : config->policy_directory, true, false);
	for (size_t i = 0; i < config->workload_directory_count; i++)
		start_watch(inputs, config->workload_directories[i], false, false);
	start_watch(inputs, config->units.root, false, true);
	return inputs;
}

void inputs_destroy(struct inputs *inputs)
{
	if (inputs == NULL)
		return;
	for (size_t i = 0; i < inputs->watch_count; i++) {
		sd_event_source_unref(inputs->watches[i].source);
		directory_destroy(inputs->watches[i].directory);
	}
	free(inputs->watches);
	free(inputs);
}

void inputs_tick(struct inputs *inputs)
{
	for (size_t i = 0; i < inputs->watch_count; i++)
		open_watch(&inputs->watches[i]);
	for (size_t i = 0; i < inputs->watch_count; i++)
		if (inputs->watches[i].unread)
			read_source(&inputs->watches[i]);
}

bool inputs_are_read(const struct inputs *inputs)
{
	bool read = true;
	for (size_t i = 0; i < inputs->watch_count; i++) {
		const struct watch *watch = &inputs->watches[i];
		read = read && (watch->policy || (watch->directory != NULL && watch->known));
	}
	return read;
}
