/* Runs the sources of a table. What one tells is enforced at once; until each has told once who is there, nothing is:
 * a workload that is missing from the table is nobody's, and so open. */
#include "enforcer/service/sources.h"

#include "enforcer/sources/kubernetes.h"
#include "enforcer/sources/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REFUSED_KEPT = 64 };

struct running {
	struct sources *sources;
	const struct kind *kind;
	void *source;
	bool told;
	int64_t since;
	char *problem;
	char **refused;
	size_t refused_count;
};

/* A kind of source: whether the configuration has one, and how it is started and ended. */
struct kind {
	const char *name;
	bool (*is_wanted)(const struct config *config);
	int (*start)(void **source, const struct config *config, const struct source_setup *setup);
	void (*stop)(void *source);
};

static bool wants_kubernetes(const struct config *config)
{
	return config->kubernetes.url != NULL;
}

static int start_kubernetes(void **source, const struct config *config, const struct source_setup *setup)
{
	struct kubernetes *made = NULL;
	int error = kubernetes_create(&made, &config->kubernetes, setup);
	*source = made;
	return error;
}

static void stop_kubernetes(void *source)
{
	kubernetes_destroy(source);
}

static const struct kind kinds[] = {
    {"kubernetes", wants_kubernetes, start_kubernetes, stop_kubernetes},
    {NULL, NULL, NULL, NULL},
};

struct sources {
	struct daemon *daemon;
	sd_event *events;
	struct http_client *client;
	struct running *items;
	size_t count;
	void (*changed)(void *context);
	void *context;
};

/* ---- what they tell ---- */

static void on_tell(void *context, const struct told *items, size_t count, bool all)
{
	struct running *running = context;
	struct sources *sources = running->sources;
	struct changes changes = {0};
	state_tell(sources->daemon->state, running->kind->name, items, count, all, &changes);
	running->told = running->told || all;
	if (sources->daemon->enforced != NULL)
		daemon_follow(sources->daemon, &changes);
	sources->changed(sources->context);
}

static void on_problem(void *context, const char *text)
{
	struct running *running = context;
	if (text != NULL && running->problem != NULL && strcmp(text, running->problem) == 0)
		return;
	if (text != NULL)
		fprintf(stderr, "ringfenced: source %s: %s; its workloads stay as they were\n", running->kind->name,
			text);
	else if (running->problem != NULL)
		fprintf(stderr, "ringfenced: source %s: well again\n", running->kind->name);
	if (text == NULL || running->problem == NULL)
		running->since = text != NULL ? (int64_t)time(NULL) : 0;
	free(running->problem);
	running->problem = text != NULL ? strdup(text) : NULL;
}

static void forget_refused(struct running *running)
{
	for (size_t i = 0; i < running->refused_count; i++)
		free(running->refused[i]);
	running->refused_count = 0;
}

static bool was_refused(char *const *texts, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(texts[i], text) == 0)
			return true;
	return false;
}

static void on_refused(void *context, const char *const *texts, size_t count)
{
	struct running *running = context;
	char *now[REFUSED_KEPT];
	size_t kept = count < REFUSED_KEPT ? count : REFUSED_KEPT;
	for (size_t i = 0; i < kept; i++) {
		now[i] = strdup(texts[i]);
		if (now[i] == NULL)
			abort();
		if (!was_refused(running->refused, running->refused_count, texts[i]))
			fprintf(stderr, "ringfenced: source %s: %s\n", running->kind->name, texts[i]);
	}
	forget_refused(running);
	memcpy(running->refused, now, kept * sizeof *now);
	running->refused_count = kept;
}

/* ---- their life ---- */

int sources_create(struct sources **sources, sd_event *events, struct daemon *daemon, void (*changed)(void *context),
		   void *context)
{
	struct sources *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	*made = (struct sources){.daemon = daemon, .events = events, .changed = changed, .context = context};
	made->items = calloc(sizeof kinds / sizeof *kinds, sizeof *made->items);
	if (made->items == NULL)
		abort();
	for (const struct kind *kind = kinds; kind->name != NULL; kind++)
		if (kind->is_wanted(&daemon->config))
			made->items[made->count++] = (struct running){.sources = made, .kind = kind};
	int error = made->count > 0 ? http_client_create(&made->client, events) : 0;
	for (size_t i = 0; i < made->count && error == 0; i++)
		if ((made->items[i].refused = calloc(REFUSED_KEPT, sizeof(char *))) == NULL)
			error = -ENOMEM;
	if (error != 0) {
		sources_destroy(made);
		return error;
	}
	*sources = made;
	return 0;
}

int sources_start(struct sources *sources)
{
	const struct config *config = &sources->daemon->config;
	int error = 0;
	for (size_t i = 0; i < sources->count && error == 0; i++) {
		struct running *running = &sources->items[i];
		const struct source_setup setup = {.events = sources->events,
						   .client = sources->client,
						   .node = config->node,
						   .tell = on_tell,
						   .problem = on_problem,
						   .refused = on_refused,
						   .context = running};
		error = running->kind->start(&running->source, config, &setup);
		if (error != 0)
			fprintf(stderr, "ringfenced: source %s: %s\n", running->kind->name, strerror(-error));
	}
	return error;
}

void sources_destroy(struct sources *sources)
{
	if (sources == NULL)
		return;
	for (size_t i = 0; i < sources->count; i++) {
		struct running *running = &sources->items[i];
		if (running->source != NULL)
			running->kind->stop(running->source);
		forget_refused(running);
		free(running->refused);
		free(running->problem);
	}
	http_client_destroy(sources->client);
	free(sources->items);
	free(sources);
}

bool sources_have_told(const struct sources *sources)
{
	bool told = true;
	for (size_t i = 0; i < sources->count; i++)
		told = told && sources->items[i].told;
	return told;
}

void sources_view(const struct sources *sources, void (*call)(void *context, const struct source_view *view),
		  void *context)
{
	for (size_t i = 0; i < sources->count; i++) {
		const struct running *running = &sources->items[i];
		const struct source_view view = {running->kind->name,
						 running->told,
						 running->since,
						 running->problem,
						 (const char *const *)running->refused,
						 running->refused_count};
		call(context, &view);
	}
}
