/* Runs the sources of a table. What one tells is enforced at once; until each has told once who is there, nothing is:
 * a workload that is missing from the table is nobody's, and so open. */
#include "enforcer/service/sources.h"

#include "enforcer/service/bundle_store.h"
#include "enforcer/service/fleet_workloads.h"
#include "enforcer/sources/docker.h"
#include "enforcer/sources/kubernetes.h"
#include "enforcer/sources/source.h"

#include "compiler/report/verdict_report.h"

#include <ringfence/diagnostic.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REFUSED_KEPT = 64, SAY_AGAIN_S = 60 };

struct running {
	struct sources *sources;
	const struct kind *kind;
	void *source;
	bool told;
	int64_t since;
	char *problem;
	time_t said; /* on stderr; each try may fail with other words */
	char **refused;
	size_t refused_count;
};

struct sources {
	struct daemon *daemon;
	const struct state_directory *directory;
	sd_event *events;
	struct http_client *client;
	struct running *items;
	size_t count;
	void (*changed)(void *context);
	void *context;
};

/* A kind of source: whether the configuration has one, and how it is started and ended. */
struct kind {
	const char *name;
	bool (*is_wanted)(const struct config *config);
	int (*start)(void **source, const struct config *config, const struct source_setup *setup);
	void (*stop)(void *source);
	void (*reread)(void *source); /* NULL: there is nothing to judge anew */
};

/* ---- containers ---- */

static bool wants_docker(const struct config *config)
{
	return config->docker.socket != NULL;
}

static int start_docker(void **source, const struct config *config, const struct source_setup *setup)
{
	return docker_start((struct docker **)source, &config->docker, setup);
}

static void stop_docker(void *source)
{
	docker_stop(source);
}

/* ---- pods ---- */

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

/* ---- the fleet ---- */

static bool wants_fleet(const struct config *config)
{
	return config->fleet.store.endpoint_count > 0;
}

static int start_fleet(void **source, const struct config *config, const struct source_setup *setup)
{
	struct running *running = setup->context;
	return fleet_workloads_create((struct fleet_workloads **)source, setup, &config->fleet,
				      running->sources->directory);
}

static void stop_fleet(void *source)
{
	fleet_workloads_destroy(source);
}

static void reread_fleet(void *source)
{
	fleet_workloads_reread(source);
}

/* ---- the policy, where it comes from a store: no source of workloads, and alike in all else ---- */

static bool wants_bundles(const struct config *config)
{
	return config->bundle.store.endpoint_count > 0;
}

static int start_bundles(void **source, const struct config *config, const struct source_setup *setup)
{
	struct running *running = setup->context;
	struct sources *sources = running->sources;
	struct bundle_store *store;
	(void)config;
	running->told = true; /* nobody's workloads wait for it */
	int error = bundle_store_create(&store, setup, sources->daemon, sources->changed, sources->context);
	*source = store;
	return error;
}

static void stop_bundles(void *source)
{
	bundle_store_destroy(source);
}

static void reread_bundles(void *source)
{
	bundle_store_offer(source);
}

static const struct kind kinds[] = {
    {"docker", wants_docker, start_docker, stop_docker, NULL},
    {"kubernetes", wants_kubernetes, start_kubernetes, stop_kubernetes, NULL},
    {"policy", wants_bundles, start_bundles, stop_bundles, reread_bundles},
    {"etcd", wants_fleet, start_fleet, stop_fleet, reread_fleet},
    {NULL, NULL, NULL, NULL, NULL},
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

static void on_heard(void *context)
{
	struct running *running = context;
	running->told = true;
	running->sources->changed(running->sources->context);
}

/* On stderr, whatever others put into the text. */
static void say(const struct running *running, const char *text, const char *more)
{
	fprintf(stderr, "ringfenced: source %s: ", running->kind->name);
	escape_print(stderr, text, strlen(text));
	fprintf(stderr, "%s\n", more);
}

/* Whether two texts differ in numbers at most: times, ports, the next member of a store. */
static bool says_the_same(const char *one, const char *other)
{
	static const char digits[] = "0123456789";
	while (*one != 0 && *other != 0) {
		one += strspn(one, digits);
		other += strspn(other, digits);
		if (*one != *other)
			return false;
		one += *one != 0;
		other += *other != 0;
	}
	return *one == *other;
}

static void on_problem(void *context, const char *text)
{
	struct running *running = context;
	if (text != NULL && running->problem != NULL && strcmp(text, running->problem) == 0)
		return;
	time_t now = time(NULL);
	bool news = text != NULL && (running->problem == NULL || !says_the_same(text, running->problem));
	if (text != NULL && (news || now - running->said >= SAY_AGAIN_S)) {
		say(running, text, "; what it told last stays in force");
		running->said = now;
	}
	if (text == NULL && running->problem != NULL)
		say(running, "well again", "");
	if (text == NULL || running->problem == NULL)
		running->since = text != NULL ? (int64_t)now : 0;
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
			say(running, texts[i], "");
	}
	forget_refused(running);
	memcpy(running->refused, now, kept * sizeof *now);
	running->refused_count = kept;
}

/* ---- their life ---- */

int sources_create(struct sources **sources, sd_event *events, struct daemon *daemon,
		   const struct state_directory *directory, void (*changed)(void *context), void *context)
{
	struct sources *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	*made = (struct sources){
	    .daemon = daemon, .directory = directory, .events = events, .changed = changed, .context = context};
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
						   .heard = on_heard,
						   .problem = on_problem,
						   .refused = on_refused,
						   .context = running};
		error = running->kind->start(&running->source, config, &setup);
		if (error != 0)
			fprintf(stderr, "ringfenced: source %s: %s\n", running->kind->name, strerror(-error));
	}
	return error;
}

void sources_reread(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		if (sources->items[i].kind->reread != NULL)
			sources->items[i].kind->reread(sources->items[i].source);
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
	for (size_t i = 0; sources != NULL && i < sources->count; i++) {
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

struct listing {
	json_t *list;
	bool unheard; /* only those that cannot be heard */
};

static void add_source(void *context, const struct source_view *view)
{
	char since[32];
	const struct listing *listing = context;
	if (listing->unheard && view->problem == NULL && view->told)
		return;
	json_t *refused = json_array();
	for (size_t i = 0; i < view->refused_count; i++)
		json_array_append_new(refused, text_json(view->refused[i]));
	json_array_append_new(listing->list,
			      json_pack("{s:s, s:b, s:o, s:o, s:o}", "source", view->name, "told", view->told, "since",
					view->since != 0 ? json_string(time_print(view->since, since)) : json_null(),
					"problem", view->problem != NULL ? text_json(view->problem) : json_null(),
					"refused", refused));
}

json_t *sources_json(const struct sources *sources, bool unheard)
{
	const struct listing listing = {json_array(), unheard};
	sources_view(sources, add_source, (void *)&listing);
	return listing.list;
}
