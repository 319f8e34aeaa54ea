/* What is told of this node: every workload of its own, whoever told of it but the store itself; and a status that a
 * rollout can be judged by. */
#include "enforcer/service/fleet.h"

#include "enforcer/fleet/publisher.h"
#include "enforcer/fleet/record.h"
#include "enforcer/service/bundles.h"
#include "enforcer/service/incident.h"

#include "compiler/report/verdict_report.h"

#include <ringfence/diagnostic.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 8, SAMPLE_S = 10, RATE_S = 60 };

/* How many packets were denied by a moment. */
struct sample {
	uint64_t time; /* monotonic microseconds; 0: none */
	uint64_t denied;
};

struct fleet {
	struct daemon *daemon;
	const struct findings *findings;
	struct usage_following *usage;
	struct sample samples[SAMPLES]; /* the last, round and round */
	size_t sample_count;
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

/* Packets denied in the last minute, or as long as samples go back; 0 at first. */
static uint64_t denied_a_minute(struct fleet *fleet)
{
	uint64_t now = 0, oldest = UINT64_MAX, before = 0;
	sd_event_now(fleet->events, CLOCK_MONOTONIC, &now);
	usage_read_denials(fleet->usage);
	uint64_t denied = fleet->daemon->counters.denials[DENIAL_DENIED];
	const struct sample *last = &fleet->samples[(fleet->sample_count + SAMPLES - 1) % SAMPLES];
	if (last->time == 0 || now - last->time >= (uint64_t)SAMPLE_S * 1000000)
		fleet->samples[fleet->sample_count++ % SAMPLES] = (struct sample){now, denied};
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct sample *sample = &fleet->samples[i];
		if (sample->time == 0 || now - sample->time > (uint64_t)RATE_S * 1000000 || sample->time > oldest)
			continue;
		oldest = sample->time;
		before = sample->denied;
	}
	return oldest == UINT64_MAX || denied < before ? 0 : denied - before;
}

static json_t *labels_json(const struct labels *labels)
{
	json_t *object = json_object();
	for (size_t i = 0; i < labels->count; i++)
		json_object_set_new(object, labels->items[i].key, json_string(labels->items[i].value));
	return object;
}

static void add_isolated(json_t *object, const struct daemon *daemon)
{
	incident_status(daemon, object);
	json_t *names = json_array();
	const json_t *item;
	size_t i;
	json_array_foreach(json_object_get(object, "quarantines"), i, item)
	{
		json_array_append(names, json_object_get(item, "workload"));
	}
	json_object_set_new(object, "quarantines", names);
	json_object_set_new(object, "panic", json_boolean(json_is_object(json_object_get(object, "panic"))));
}

static char *status(void *context)
{
	struct fleet *fleet = context;
	const struct daemon *daemon = fleet->daemon;
	char since[32], why[512];
	bool stale = daemon_is_stale(daemon, why, sizeof why);
	json_t *bundle = daemon->bundles != NULL ? bundles_status(daemon->bundles, daemon->revision) : json_object();
	json_t *object = json_pack(
	    "{s:i, s:s, s:s, s:o, s:b, s:s, s:O?, s:O?, s:s, s:i, s:o, s:o, s:I}", "version", 1, "node",
	    daemon->config.node, "ringfenced", RINGFENCE_VERSION, "labels", labels_json(&daemon->config.labels),
	    "ready", daemon->ready, "revision", daemon->revision, "bundle", json_object_get(bundle, "revision"),
	    "waits", json_object_get(bundle, "waits"), "since", time_print(daemon->since, since), "generation",
	    (int)daemon->generation, "stale", stale ? text_json(why) : json_null(), "drift",
	    findings_kinds(fleet->findings), "denied_a_minute", (json_int_t)denied_a_minute(fleet));
	json_decref(bundle);
	add_isolated(object, daemon);
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

int fleet_create(struct fleet **fleet, sd_event *events, struct daemon *daemon, const struct findings *findings,
		 struct usage_following *usage)
{
	*fleet = NULL;
	if (daemon->config.fleet.endpoint_count == 0)
		return 0;
	struct fleet *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	*made = (struct fleet){.daemon = daemon, .findings = findings, .usage = usage, .events = events};
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

int64_t fleet_unpublished_since(const struct fleet *fleet)
{
	return fleet != NULL && fleet->problem != NULL ? fleet->since : 0;
}
