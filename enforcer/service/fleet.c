/* What is told of this node: every workload of its own, whoever told of it but the store itself; and a status that a
 * rollout can be judged by. */
#include "enforcer/service/fleet.h"

#include "enforcer/fleet/publisher.h"
#include "enforcer/fleet/record.h"
#include "enforcer/service/sources.h"

#include "compiler/report/verdict_report.h"

#include <ringfence/diagnostic.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct fleet {
	struct daemon *daemon;
	sd_event *events;
	struct http_client *client;
	struct etcd *etcd;
	struct publisher *publisher; /* NULL: not yet */
	char *problem;
	int64_t since;
};

static void collect(void *context, struct published *all)
{
	const struct fleet *fleet = context;
	const struct world world = state_world(fleet->daemon->state, 0);
	for (size_t i = 0; i < world.inventory->workload_count; i++) {
		const struct workload *workload = world.inventory->workloads[i];
		char *name;
		if (workload->node == NULL || strcmp(workload->node, fleet->daemon->config.node) != 0 ||
		    workload->conflict || (workload->address_count == 0 && workload->cgroup == NULL))
			continue;
		if (asprintf(&name, "%s/%s", workload->name_space, workload->name) < 0)
			abort();
		publisher_add(all, name, record_write(workload));
		free(name);
	}
}

static void add_stale(void *context, const struct source_view *view)
{
	if (view->problem != NULL || !view->told)
		json_array_append_new(context, json_string(view->name));
}

static char *status(void *context)
{
	const struct fleet *fleet = context;
	const struct daemon *daemon = fleet->daemon;
	char since[32], why[512];
	bool stale = daemon_is_stale(daemon, why, sizeof why);
	json_t *sources = json_array();
	sources_view(daemon->sources, add_stale, sources);
	json_t *object =
	    json_pack("{s:i, s:s, s:s, s:b, s:s, s:s, s:i, s:o, s:b, s:I, s:o}", "version", 1, "node",
		      daemon->config.node, "ringfenced", RINGFENCE_VERSION, "ready", daemon->ready, "revision",
		      daemon->revision, "since", time_print(daemon->since, since), "generation",
		      (int)daemon->generation, "stale", stale ? text_json(why) : json_null(), "differs",
		      daemon->differs, "drift_events", (json_int_t)daemon->drift.next, "unheard_sources", sources);
	char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (text == NULL)
		abort();
	return text;
}

static void on_problem(void *context, const char *text)
{
	struct fleet *fleet = context;
	if (text != NULL && fleet->problem == NULL)
		fleet->since = (int64_t)time(NULL);
	if (text != NULL && fleet->problem == NULL) {
		fputs("ringfenced: fleet: cannot publish: ", stderr);
		escape_print(stderr, text, strlen(text));
		fputc('\n', stderr);
	}
	if (text == NULL && fleet->problem != NULL)
		fprintf(stderr, "ringfenced: fleet: published again\n");
	free(fleet->problem);
	fleet->problem = text != NULL ? strdup(text) : NULL;
}

int fleet_create(struct fleet **fleet, sd_event *events, struct daemon *daemon)
{
	*fleet = NULL;
	if (daemon->config.fleet.endpoint_count == 0)
		return 0;
	struct fleet *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	*made = (struct fleet){.daemon = daemon, .events = events};
	int error = http_client_create(&made->client, events);
	if (error != 0) {
		fleet_destroy(made);
		return error;
	}
	made->etcd = etcd_create(made->client, &daemon->config.fleet);
	*fleet = made;
	return 0;
}

void fleet_destroy(struct fleet *fleet)
{
	if (fleet == NULL)
		return;
	publisher_destroy(fleet->publisher);
	etcd_destroy(fleet->etcd);
	http_client_destroy(fleet->client);
	free(fleet->problem);
	free(fleet);
}

void fleet_follow(struct fleet *fleet)
{
	if (fleet == NULL || !fleet->daemon->sources_read || fleet->daemon->generation == 0)
		return;
	if (fleet->publisher != NULL) {
		publisher_follow(fleet->publisher);
		return;
	}
	const struct publisher_setup setup = {.events = fleet->events,
					      .etcd = fleet->etcd,
					      .node = fleet->daemon->config.node,
					      .collect = collect,
					      .status = status,
					      .problem = on_problem,
					      .context = fleet};
	int error = publisher_create(&fleet->publisher, &setup);
	if (error < 0)
		on_problem(fleet, strerror(-error));
}

json_t *fleet_status(const struct fleet *fleet)
{
	char since[32];
	if (fleet == NULL || fleet->problem == NULL)
		return json_null();
	return json_pack("{s:o, s:s}", "problem", text_json(fleet->problem), "since", time_print(fleet->since, since));
}
