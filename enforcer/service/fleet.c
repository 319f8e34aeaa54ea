/* What is told of this node: every workload of its own, whoever told of it but the store itself; and a status that a
 * rollout can be judged by. */
#include "enforcer/service/fleet.h"

#include "enforcer/fleet/enrolment.h"
#include "enforcer/fleet/publisher.h"
#include "enforcer/fleet/record.h"
#include "enforcer/service/bundles.h"
#include "enforcer/service/incident.h"

#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>
#include <ringfence/diagnostic.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEQUENCE_FILE "sequence" /* in the state directory */
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
	struct private_key *key; /* of the node; NULL: what it says is not signed */
	struct arena *arena;	 /* of the keys that are */
	struct trust trust;
	const struct state_directory *directory;
	uint64_t sequence; /* up to which sequences may have been used before */
	uint8_t *enrolment;
	size_t enrolment_length;
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
	json_t *object =
	    json_pack("{s:i, s:s, s:s, s:o, s:b, s:s, s:O?, s:O?, s:s, s:i, s:o, s:o, s:I, s:s?}", "version", 1, "node",
		      daemon->config.node, "ringfenced", RINGFENCE_VERSION, "labels",
		      labels_json(&daemon->config.labels), "ready", daemon->ready, "revision", daemon->revision,
		      "bundle", json_object_get(bundle, "revision"), "waits", json_object_get(bundle, "waits"), "since",
		      time_print(daemon->since, since), "generation", (int)daemon->generation, "stale",
		      stale ? text_json(why) : json_null(), "drift", findings_kinds(fleet->findings), "denied_a_minute",
		      (json_int_t)denied_a_minute(fleet), "key", fleet->key != NULL ? fleet->key->public_key.id : NULL);
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

/* ---- how far its statements have come ---- */

/* Without it the clock says. */
static void read_sequence(struct fleet *fleet)
{
	struct state_content content = {0};
	uint64_t sequence;
	char *error = fleet->directory->fd >= 0
			  ? state_file_read(fleet->directory, SEQUENCE_FILE, STATE_SEQUENCE, &content)
			  : NULL;
	if (error == NULL && content.length == sizeof sequence) {
		memcpy(&sequence, content.payload, sizeof sequence);
		fleet->sequence = le64toh(sequence);
	}
	if (error != NULL)
		fprintf(stderr, "ringfenced: fleet: %s; the clock says how far this node's word has come\n", error);
	state_content_finish(&content);
	free(error);
}

static void reserve(void *context, uint64_t sequence)
{
	struct fleet *fleet = context;
	const uint64_t bytes = htole64(sequence);
	char *error = fleet->directory->fd >= 0
			  ? state_file_write(fleet->directory, SEQUENCE_FILE, STATE_SEQUENCE, &bytes, sizeof bytes)
			  : NULL;
	if (error != NULL)
		fprintf(stderr, "ringfenced: fleet: %s\n", error);
	free(error);
}

/* ---- who it is ---- */

/* Returns NULL, or why others would not believe what this node signs, in `arena`. */
static const char *read_identity(struct fleet *fleet, const struct fleet_settings *settings, struct arena *arena)
{
	struct enrolment enrolment;
	const char *node = fleet->daemon->config.node,
		   *wrong = private_key_read(&fleet->key, arena, settings->signing_key);
	if (wrong == NULL)
		wrong = trust_load(&fleet->trust, fleet->arena, &settings->keys);
	if (wrong != NULL)
		return wrong;
	wrong = document_load(settings->enrolment, ENROLMENT_MOST, arena, &fleet->enrolment, &fleet->enrolment_length);
	if (wrong != NULL || settings->keys.count == 0) /* then it is looked at by those who have keys */
		return wrong != NULL ? arena_printf(arena, "%s: %s", settings->enrolment, wrong) : NULL;
	wrong = enrolment_open(&enrolment, arena, fleet->enrolment, fleet->enrolment_length, &fleet->trust);
	if (wrong == NULL && strcmp(enrolment.node, node) != 0)
		wrong =
		    arena_printf(arena, "it is the enrolment of the node %s, and this one is %s", enrolment.node, node);
	if (wrong == NULL && strcmp(enrolment.key.id, fleet->key->public_key.id) != 0)
		wrong = arena_printf(arena, "it enrols the key %s, and %s is %s", enrolment.key.id,
				     settings->signing_key, fleet->key->public_key.id);
	return wrong != NULL ? arena_printf(arena, "%s: %s", settings->enrolment, wrong) : NULL;
}

/* The same, told on stderr. */
static int take_identity(struct fleet *fleet)
{
	const struct fleet_settings *settings = &fleet->daemon->config.fleet;
	if (settings->signing_key == NULL)
		return 0;
	struct arena *arena = arena_create();
	const char *wrong = read_identity(fleet, settings, arena);
	if (wrong != NULL) {
		fputs("ringfenced: fleet: ", stderr);
		escape_print(stderr, wrong, strlen(wrong));
		fputc('\n', stderr);
	}
	arena_free(arena);
	return wrong != NULL ? -EKEYREJECTED : 0;
}

int fleet_create(struct fleet **fleet, sd_event *events, struct daemon *daemon, const struct findings *findings,
		 struct usage_following *usage, const struct state_directory *directory)
{
	*fleet = NULL;
	if (daemon->config.fleet.store.endpoint_count == 0)
		return 0;
	struct fleet *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	*made = (struct fleet){.daemon = daemon,
			       .findings = findings,
			       .usage = usage,
			       .events = events,
			       .arena = arena_create(),
			       .directory = directory};
	read_sequence(made);
	int error = take_identity(made);
	if (error == 0 && (error = http_client_create(&made->client, events)) < 0)
		fprintf(stderr, "ringfenced: fleet: cannot make a client: %s\n", strerror(-error));
	if (error != 0) {
		fleet_destroy(made);
		return error;
	}
	made->etcd = etcd_create(made->client, &daemon->config.fleet.store);
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
	private_key_destroy(fleet->key);
	arena_free(fleet->arena);
	free(fleet->enrolment);
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
					      .key = fleet->key,
					      .trust = fleet->trust,
					      .sequence = fleet->sequence,
					      .reserve = reserve,
					      .enrolment = (const char *)fleet->enrolment,
					      .enrolment_length = fleet->enrolment_length,
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
