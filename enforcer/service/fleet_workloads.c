#include "enforcer/service/fleet_workloads.h"

#include "enforcer/service/saving.h"
#include "enforcer/sources/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME "fleet" /* in the state directory */
enum { SAVE_S = 600 };	  /* between two writings, at least */

struct fleet_workloads {
	struct etcd *etcd;
	struct fleet_source *source;
	struct saving *saving; /* NULL: nothing is kept */
	sd_event_source *timer;
};

static void say(const char *before, char *error, const char *after)
{
	fprintf(stderr, "ringfenced: source etcd: %s%s%s\n", before, error, after);
	free(error);
}

static void on_saved(void *context, char *error)
{
	struct fleet_workloads *workloads = context;
	if (error == NULL)
		return;
	say("cannot be kept: ", error, "");
	fleet_nodes_save_again(fleet_source_nodes(workloads->source));
}

static void save(struct fleet_workloads *workloads)
{
	size_t length;
	if (workloads->saving == NULL || saving_is_busy(workloads->saving))
		return;
	uint8_t *bytes = fleet_nodes_save(fleet_source_nodes(workloads->source), &length);
	if (bytes != NULL)
		saving_begin(workloads->saving, (struct encoded){.bytes = bytes, .length = length});
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *context)
{
	save(context);
	sd_event_source_set_time(timer, usec + (uint64_t)SAVE_S * 1000000);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* What cannot be read is none: then the store is heard first. */
static void load(struct fleet_workloads *workloads, const struct state_directory *directory)
{
	struct state_content content;
	char *error = state_file_read(directory, FILE_NAME, STATE_FLEET, &content);
	bool good = fleet_nodes_load(fleet_source_nodes(workloads->source), content.payload, content.length);
	state_content_finish(&content);
	if (error == NULL && !good && asprintf(&error, "%s/" FILE_NAME ": damaged", directory->path) < 0)
		abort();
	if (error != NULL)
		say("what was kept is not used: ", error, "; the store is heard first");
}

static int begin_keeping(struct fleet_workloads *workloads, sd_event *events, const struct state_directory *directory)
{
	uint64_t now = 0;
	sd_event_now(events, CLOCK_MONOTONIC, &now);
	int error = sd_event_add_time(events, &workloads->timer, CLOCK_MONOTONIC, now + (uint64_t)SAVE_S * 1000000, 0,
				      on_timer, workloads);
	if (error >= 0)
		error =
		    saving_create(&workloads->saving, events, directory, FILE_NAME, STATE_FLEET, on_saved, workloads);
	if (error >= 0)
		load(workloads, directory);
	return error < 0 ? error : 0;
}

int fleet_workloads_create(struct fleet_workloads **workloads, const struct source_setup *setup,
			   const struct fleet_settings *settings, const struct state_directory *directory)
{
	struct fleet_workloads *made = calloc(1, sizeof *made);
	*workloads = NULL;
	if (made == NULL)
		return -ENOMEM;
	made->etcd = etcd_create(setup->client, &settings->store);
	int error = fleet_source_create(&made->source, setup, made->etcd, &settings->keys);
	if (error == 0 && directory->fd >= 0)
		error = begin_keeping(made, setup->events, directory);
	if (error < 0) {
		fleet_workloads_destroy(made);
		return error;
	}
	*workloads = made;
	return 0;
}

void fleet_workloads_destroy(struct fleet_workloads *workloads)
{
	if (workloads == NULL)
		return;
	if (workloads->saving != NULL)
		saving_wait(workloads->saving);
	if (workloads->source != NULL)
		save(workloads);
	saving_destroy(workloads->saving);
	sd_event_source_disable_unref(workloads->timer);
	fleet_source_destroy(workloads->source);
	etcd_destroy(workloads->etcd);
	free(workloads);
}

void fleet_workloads_reread(struct fleet_workloads *workloads)
{
	fleet_nodes_reread(fleet_source_nodes(workloads->source));
}
