/* A look every LOOK_SECONDS, in slices behind everything that enforces. The table of connections remembers each for
 * longer than that, so no flow is missed between two looks, however short it was, and however few records the rules
 * write: what a limit keeps from being logged is seen all the same. */
#include "enforcer/service/watching.h"

#include "enforcer/kernel/socket.h"
#include "enforcer/service/control.h"
#include "enforcer/service/saving.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	LOOK_SECONDS = 5,
	SLICE = 1000,	   /* microseconds */
	SAVE_SECONDS = 60, /* between two writings */
	SECOND_US = 1000000
};

struct watching {
	struct daemon *daemon;
	struct kernel *kernel;
	const struct state_directory *directory;
	struct evidence *evidence;
	struct saving *saving; /* NULL: nothing is kept */
	sd_event_source *timer, *slice;
	char revision[17]; /* of the policy that was followed last */
	int64_t expiry;	   /* the next one that was known then */
	bool looking;
	bool half;    /* others are watched since it began: it does not count */
	double begun; /* monotonic seconds, of the look that goes on */
	int64_t now;  /* the same as Unix time */
	double saved; /* monotonic seconds */
	bool unsaved, told_problem;
	char *problem; /* of the file; NULL: none */
};

/* ---- the file ---- */

static void note_problem(struct watching *watching, char *text)
{
	if (text != NULL)
		fprintf(stderr, "ringfenced: %s\n", text);
	free(watching->problem);
	watching->problem = text;
}

static void on_saved(void *context, char *error)
{
	note_problem(context, error);
}

static void save(struct watching *watching)
{
	json_t *json = evidence_json(watching->evidence, NULL);
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(json);
	if (text == NULL)
		abort();
	watching->unsaved = false;
	watching->saved = monotonic_seconds();
	saving_begin(watching->saving,
		     (struct encoded){.bytes = (uint8_t *)text, .length = strlen(text), .room = strlen(text)});
}

static void load(struct watching *watching)
{
	struct state_content content;
	char *error = state_file_read(watching->directory, WATCHING_FILE, STATE_EVIDENCE, &content);
	if (error == NULL && content.file != NULL) {
		json_t *json = json_loadb((const char *)content.payload, content.length, JSON_REJECT_DUPLICATES, NULL);
		const char *wrong = evidence_read(watching->evidence, json);
		json_decref(json);
		if (wrong != NULL && asprintf(&error, "%s/" WATCHING_FILE ": %s", watching->directory->path, wrong) < 0)
			abort();
	}
	if (error != NULL)
		fputs("ringfenced: what was found of services in audit mode cannot be had; they are watched anew\n",
		      stderr);
	note_problem(watching, error);
	state_content_finish(&content);
}

/* ---- looks ---- */

static void take(void *context, const struct connection *connection)
{
	struct watching *watching = context;
	const struct world world = state_world(watching->daemon->state, watching->now);
	evidence_see(watching->evidence, &world, connection, watching->now);
}

static void end_look(struct watching *watching)
{
	watching->looking = false;
	sd_event_source_set_enabled(watching->slice, SD_EVENT_OFF);
}

/* Once: a kernel that does not tell of connections will not do so the next time. */
static void fail_look(struct watching *watching, int error)
{
	end_look(watching);
	kernel_reopen(watching->kernel);
	if (!watching->told_problem)
		fprintf(stderr, "ringfenced: services in audit mode are not watched: cannot read conntrack: %s\n",
			strerror(-error));
	watching->told_problem = true;
}

static int on_slice(sd_event_source *source, void *context)
{
	struct watching *watching = context;
	const struct connections_reader reader = {watching, take};
	(void)source;
	int step = connections_step(watching->kernel, &reader, SLICE);
	if (step == 0)
		return 0;
	if (step < 0) {
		fail_look(watching, step);
		return 0;
	}
	if (!watching->half)
		evidence_end(watching->evidence, watching->begun);
	watching->unsaved = true;
	watching->told_problem = false;
	end_look(watching);
	return 0;
}

static void begin_look(struct watching *watching)
{
	const struct world world = state_world(watching->daemon->state, (int64_t)time(NULL));
	watching->begun = monotonic_seconds();
	watching->now = world.at;
	evidence_begin(watching->evidence, &world);
	watching->looking = true;
	watching->half = false;
	int error = connections_start(watching->kernel);
	if (error != 0)
		fail_look(watching, error);
	else
		sd_event_source_set_enabled(watching->slice, SD_EVENT_ON);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct watching *watching = context;
	if (!watching->looking && watching->daemon->enforced != NULL)
		begin_look(watching);
	if (watching->saving != NULL && watching->unsaved && !saving_is_busy(watching->saving) &&
	    monotonic_seconds() - watching->saved >= SAVE_SECONDS)
		save(watching);
	sd_event_source_set_time(source, usec + LOOK_SECONDS * (uint64_t)SECOND_US);
	return sd_event_source_set_enabled(source,
					   evidence_count(watching->evidence) > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

void watching_follow(struct watching *watching)
{
	const struct daemon *daemon = watching->daemon;
	const int64_t now = (int64_t)time(NULL);
	if (daemon->enforced == NULL ||
	    (strcmp(daemon->revision, watching->revision) == 0 && daemon->next_expiry == watching->expiry))
		return;
	const struct world world = state_world(daemon->state, now);
	snprintf(watching->revision, sizeof watching->revision, "%s", daemon->revision);
	watching->expiry = daemon->next_expiry;
	size_t before = evidence_count(watching->evidence);
	evidence_follow(watching->evidence, &world, now);
	watching->unsaved = watching->unsaved || before > 0 || evidence_count(watching->evidence) > 0;
	evidence_begin(watching->evidence, &world);
	watching->half = true;
	int enabled = SD_EVENT_OFF;
	sd_event_source_get_enabled(watching->timer, &enabled);
	if (evidence_count(watching->evidence) == 0 || enabled != SD_EVENT_OFF)
		return;
	sd_event_source_set_time_relative(watching->timer, 0);
	sd_event_source_set_enabled(watching->timer, SD_EVENT_ONESHOT);
}

void watching_hear(struct watching *watching, const struct event *event)
{
	if (event->reason.logged == LOGGED_AUDIT)
		evidence_hear(watching->evidence, event, (int64_t)time(NULL));
}

/* ---- answers ---- */

json_t *watching_answer(const struct watching *watching, const json_t *request)
{
	const struct config *config = &watching->daemon->config;
	const json_t *of = json_object_get(request, "of");
	char now[32];
	if (of != NULL && !json_is_string(of))
		return control_refusal("`of` is a service or a namespace");
	return json_pack("{s:i, s:s, s:s, s:s, s:b, s:b, s:s?, s:s?, s:i, s:i, s:o}", "version", 1, "node",
			 config->node, "revision", watching->revision, "now", time_print((int64_t)time(NULL), now),
			 "kept", watching->saving != NULL, "node_audit", config->mode == MODE_AUDIT, "problem",
			 watching->problem, "config", config->mode == MODE_AUDIT ? config->mode_span.file : NULL,
			 "config_line", config->mode == MODE_AUDIT ? (int)config->mode_span.line : 0, "config_column",
			 config->mode == MODE_AUDIT ? (int)config->mode_span.column : 0, "services",
			 evidence_json(watching->evidence, json_string_value(of)));
}

/* ---- its life ---- */

int watching_create(struct watching **watching, struct kernel *kernel, sd_event *event, struct daemon *daemon,
		    const struct state_directory *directory)
{
	struct watching *made = *watching = calloc(1, sizeof *made);
	if (made == NULL)
		abort();
	*made = (struct watching){.daemon = daemon, .kernel = kernel, .directory = directory};
	made->evidence = evidence_create(daemon->config.node);
	int error = sd_event_add_time(event, &made->timer, CLOCK_MONOTONIC, 0, 0, on_timer, made);
	if (error >= 0)
		error = sd_event_source_set_enabled(made->timer, SD_EVENT_OFF);
	if (error >= 0)
		error = sd_event_add_defer(event, &made->slice, on_slice, made);
	if (error >= 0)
		error = sd_event_source_set_enabled(made->slice, SD_EVENT_OFF);
	if (error >= 0)
		error = sd_event_source_set_priority(made->slice, SD_EVENT_PRIORITY_IDLE);
	if (error >= 0 && directory->fd >= 0) {
		load(made);
		error = saving_create(&made->saving, event, directory, WATCHING_FILE, STATE_EVIDENCE, on_saved, made);
	}
	return error < 0 ? error : 0;
}

void watching_destroy(struct watching *watching)
{
	if (watching == NULL)
		return;
	sd_event_source_disable_unref(watching->timer);
	sd_event_source_disable_unref(watching->slice);
	if (watching->saving != NULL)
		saving_wait(watching->saving);
	if (watching->saving != NULL && watching->unsaved)
		save(watching);
	saving_destroy(watching->saving);
	evidence_destroy(watching->evidence);
	kernel_close(watching->kernel);
	free(watching->problem);
	free(watching);
}
