/* A node of the simulation: what enforcer/service/main.c makes of a daemon, but for the kernel and who asks it. */
#include "tests/bench/simulation/simulated.h"

#include "enforcer/etcd/mirror.h"
#include "enforcer/fleet/enrolment.h"
#include "enforcer/fleet/record.h"
#include "enforcer/service/bundle_store.h"
#include "enforcer/service/bundles.h"
#include "enforcer/service/fleet.h"
#include "enforcer/sources/fleet.h"
#include "tests/packets/clock.h"

#include <ringfence/arena.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TICK_US = 10000000, /* a daemon each second: here a thousand of them share two processors */
	NAME_SIZE = 24
};

/* What a node knows of a workload: a hash of its record, 0: it is not there; and the list that had it last. */
struct known {
	uint32_t hash, list;
};

struct simulated {
	struct daemon daemon;
	struct shared *shared;
	struct slot *slot;
	unsigned number;
	char name[NAME_SIZE], workloads[PATH_MAX / 2], state[PATH_MAX / 2], key[PATH_MAX / 2], enrolment[PATH_MAX / 2];
	unsigned *versions; /* of its workloads, by place */
	struct state_directory directory;
	sd_event *events;
	sd_event_source *tick;
	struct http_client *client;
	struct bundle_store *bundles;
	struct etcd *etcd;
	struct fleet_source *source; /* of a full node */
	struct mirror *mirror;	     /* of another one */
	struct fleet *fleet;
	struct known *known; /* by index */
	uint32_t list;
	bool listing, heard;
	/* what was removed and is not settled yet: keys, in `arena` */
	struct arena *arena;
	const char **removed;
	size_t removed_count;
};

static struct shared *counted; /* where this process counts requests */

static void *checked(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static void must(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	_exit(2);
}

/* ---- what is noted ---- */

void simulated_note_plan(void *kernel, uint64_t bytes)
{
	struct simulated *simulated = kernel; /* its first member */
	simulated->slot->plans++;
	simulated->slot->bytes += bytes;
}

void simulated_note_request(void)
{
	uint64_t tenth = (now_ns() - counted->requests_since) / (100 * MILLISECOND);
	counted->request_count++;
	if (tenth < TENTHS)
		counted->requests[tenth]++;
}

/* FNV-1a, the same in every process; never 0. */
static uint32_t hash_of(const char *text, size_t length)
{
	uint32_t hash = 2166136261;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619;
	return hash | 1;
}

/* The number in a workload's name, w0 to w999999; that of none where it is another one. */
static unsigned index_of(const struct simulated *simulated, const char *name)
{
	unsigned index = name[0] == 'w' ? (unsigned)strtoul(name + 1, NULL, 10) : UINT_MAX;
	return index < simulated->shared->fleet.workloads ? index : simulated->shared->fleet.workloads;
}

/* Notes that a workload is there, as its record says, or is not (hash 0). */
static void note(struct simulated *simulated, unsigned index, uint32_t hash)
{
	struct shared *shared = simulated->shared;
	struct known *known = &simulated->known[index];
	if (index == shared->fleet.workloads)
		return;
	if (hash == 0 && known->hash != 0 && fleet_place_of(&shared->fleet, index) != PLACE_THAT_ENDS)
		simulated->slot->lost++;
	if (index + 1 == shared->watched && hash != known->hash)
		simulated->slot->seen_at = now_ns();
	simulated->slot->count += (uint64_t)(hash != 0) - (uint64_t)(known->hash != 0);
	simulated->slot->sum += (uint64_t)hash - known->hash;
	*known = (struct known){hash, simulated->list};
}

/* What runs on the node, as it publishes it. */
static void note_own(struct simulated *simulated)
{
	const struct world world = state_world(simulated->daemon.state, 0);
	uint64_t count = 0, sum = 0;
	for (size_t i = 0; i < world.inventory->workload_count; i++) {
		const struct workload *workload = world.inventory->workloads[i];
		if (workload->node == NULL || strcmp(workload->node, simulated->name) != 0)
			continue;
		char *record = record_write(workload);
		sum += hash_of(record, strlen(record));
		count++;
		free(record);
	}
	simulated->slot->own_count = count;
	simulated->slot->own_sum = sum;
}

static void note_policy(struct simulated *simulated)
{
	uint64_t policy = strtoull(simulated->daemon.revision, NULL, 16);
	if (simulated->daemon.generation == 0 || policy == simulated->slot->policy)
		return;
	simulated->slot->policy_at = now_ns();
	simulated->slot->policy = policy;
}

/* ---- what a daemon does after each thing that it heard ---- */

static void follow(void *context)
{
	struct simulated *simulated = context;
	simulated->daemon.sources_read = simulated->heard;
	if (simulated->daemon.enforced == NULL)
		daemon_enforce(&simulated->daemon);
	fleet_follow(simulated->fleet);
	note_policy(simulated);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *context)
{
	struct simulated *simulated = context;
	daemon_note_stale(&simulated->daemon);
	follow(simulated);
	sd_event_source_set_time(source, usec + TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_problem(void *context, const char *text)
{
	struct simulated *simulated = context;
	if (text == NULL)
		return;
	simulated->slot->failed++;
	fprintf(stderr, "%s: %s\n", simulated->name, text);
}

static void on_heard(void *context)
{
	struct simulated *simulated = context;
	simulated->heard = true;
	follow(simulated);
}

/* ---- a full node: the real source, into the real state ---- */

static void on_tell(void *context, const struct told *items, size_t count, bool all)
{
	struct simulated *simulated = context;
	struct changes changes = {0};
	(void)all;
	state_tell(simulated->daemon.state, "etcd", items, count, false, &changes);
	if (simulated->daemon.enforced != NULL)
		daemon_follow(&simulated->daemon, &changes);
	for (size_t i = 0; i < count; i++) {
		const char *name = strrchr(items[i].name, ':');
		char *record = items[i].inventory != NULL ? record_write(items[i].inventory->workloads[0]) : NULL;
		note(simulated, index_of(simulated, name + 1), record != NULL ? hash_of(record, strlen(record)) : 0);
		free(record);
	}
	follow(simulated);
}

static void on_refused(void *context, const char *const *texts, size_t count)
{
	const struct simulated *simulated = context;
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "%s: %s\n", simulated->name, texts[i]);
}

/* ---- one that counts: the mirror of the real source, without its records ---- */

static void on_list(void *context, bool same, const char *store)
{
	struct simulated *simulated = context;
	(void)same;
	(void)store;
	simulated->list++;
	simulated->listing = true;
	simulated->slot->lists++;
}

/* The name of a workload in NODE/NAMESPACE/NAME, where the node is another one; NULL: it is none. */
static const char *name_in(const struct simulated *simulated, const char *key)
{
	size_t length = strlen(simulated->name);
	const char *first = strchr(key, '/'), *last = strrchr(key, '/');
	bool own = strncmp(key, simulated->name, length) == 0 && key[length] == '/';
	return first != last && !own ? last + 1 : NULL;
}

static void on_put(void *context, const char *key, const char *value, size_t length, int64_t revision)
{
	struct simulated *simulated = context;
	const char *name = name_in(simulated, key);
	(void)revision;
	if (name != NULL)
		note(simulated, index_of(simulated, name), hash_of(value, length));
}

static void on_removed(void *context, const char *key, int64_t revision)
{
	struct simulated *simulated = context;
	(void)revision;
	*arena_push(simulated->arena, simulated->removed, simulated->removed_count) =
	    arena_copy(simulated->arena, key, strlen(key));
}

/* Whether its node's mark went with it: then its lease ran out, and what it had stays (enforcer/sources/fleet.h). */
static bool is_of_a_lost_node(const struct simulated *simulated, const char *key)
{
	size_t length = strcspn(key, "/");
	for (size_t i = 0; i < simulated->removed_count; i++)
		if (strncmp(simulated->removed[i], key, length) == 0 && simulated->removed[i][length] == 0)
			return true;
	return false;
}

static void settle_removals(struct simulated *simulated)
{
	for (size_t i = 0; i < simulated->removed_count; i++) {
		const char *key = simulated->removed[i], *name = name_in(simulated, key);
		if (name != NULL && !is_of_a_lost_node(simulated, key))
			note(simulated, index_of(simulated, name), 0);
	}
	simulated->removed = NULL;
	simulated->removed_count = 0;
	arena_clear(simulated->arena);
}

static void on_settled(void *context)
{
	struct simulated *simulated = context;
	settle_removals(simulated);
	for (unsigned i = 0; simulated->listing && i < simulated->shared->fleet.workloads; i++)
		if (simulated->known[i].hash != 0 && simulated->known[i].list != simulated->list)
			note(simulated, i, 0);
	simulated->listing = false;
}

/* ---- its life ---- */

/* Its directories, and a file for each workload. */
static void write_files(struct simulated *simulated, const char *directory)
{
	const struct fleet *fleet = &simulated->shared->fleet;
	snprintf(simulated->workloads, sizeof simulated->workloads, "%s/%s", directory, simulated->name);
	snprintf(simulated->state, sizeof simulated->state, "%s/%s.state", directory, simulated->name);
	must(mkdir(simulated->workloads, 0700) == 0, simulated->workloads);
	for (unsigned place = 0; place < fleet_per_node(fleet); place++) {
		const struct fleet_workload workload = {.index = fleet_workload_at(fleet, simulated->number, place)};
		must(fleet_write_workload(fleet, simulated->workloads, &workload) > 0, simulated->workloads);
	}
}

static void wrote(const char *wrong)
{
	if (wrong != NULL)
		fprintf(stderr, "%s\n", wrong);
	must(wrong == NULL, "a key");
}

/* A key, enrolled by the one in `directory`. */
static void write_identity(struct simulated *simulated, const char *directory)
{
	struct arena *arena = arena_create();
	struct private_key *authority, *key;
	struct enrolment enrolment = {.time = 1};
	size_t length;
	snprintf(simulated->key, sizeof simulated->key, "%s/%s.key", directory, simulated->name);
	snprintf(simulated->enrolment, sizeof simulated->enrolment, "%s/%s.enrolment", directory, simulated->name);
	wrote(private_key_read(&authority, arena, arena_printf(arena, "%s/enrol.key", directory)));
	wrote(private_key_create(&key));
	wrote(private_key_write(key, arena, simulated->key));
	enrolment.key = key->public_key;
	memcpy(enrolment.node, simulated->name, strlen(simulated->name) + 1);
	uint8_t *bytes = enrolment_sign(&enrolment, authority, &length);
	FILE *stream = fopen(simulated->enrolment, "wxe");
	must(stream != NULL && fwrite(bytes, 1, length, stream) == length && fclose(stream) == 0, simulated->enrolment);
	free(bytes);
	private_key_destroy(key);
	private_key_destroy(authority);
	arena_free(arena);
}

static void start_daemon(struct simulated *simulated, const struct config *config)
{
	struct daemon *daemon = &simulated->daemon;
	struct changes changes;
	char *problem = state_directory_open(&simulated->directory, simulated->state, true);
	must(problem == NULL, problem);
	daemon->config = *config;
	daemon->config.node = simulated->name;
	daemon->config.state_directory = simulated->state;
	daemon->config.fleet.signing_key = simulated->key;
	daemon->config.fleet.enrolment = simulated->enrolment;
	daemon->state = state_create(simulated->name);
	daemon->kernel = (struct kernel *)simulated;
	daemon->ready = true; /* nothing is there to be read back */
	daemon->bundles = bundles_create(&daemon->config, &simulated->directory, NULL);
	must(state_scan_workloads(daemon->state, simulated->workloads, &changes) == 0, simulated->workloads);
	note_own(simulated);
}

static void start_sources(struct simulated *simulated, bool full)
{
	const struct source_setup setup = {.events = simulated->events,
					   .client = simulated->client,
					   .node = simulated->name,
					   .tell = on_tell,
					   .heard = on_heard,
					   .problem = on_problem,
					   .refused = on_refused,
					   .context = simulated};
	simulated->etcd = etcd_create(simulated->client, &simulated->daemon.config.fleet.store);
	if (full)
		simulated->known = checked(calloc(simulated->shared->fleet.workloads, sizeof(struct known)));
	simulated->heard = !full; /* else it says nothing itself before it has heard the others, as a daemon */
	must(bundle_store_create(&simulated->bundles, &setup, &simulated->daemon, follow, simulated) == 0, "bundles");
	must(!full || fleet_source_create(&simulated->source, &setup, simulated->etcd,
					  &simulated->daemon.config.fleet.keys) == 0,
	     "the source");
}

void simulated_follow(struct simulated *simulated)
{
	const struct mirror_calls calls = {.list = on_list,
					   .put = on_put,
					   .removed = on_removed,
					   .settled = on_settled,
					   .problem = on_problem,
					   .context = simulated};
	simulated->known = checked(calloc(simulated->shared->fleet.workloads, sizeof(struct known)));
	must(mirror_create(&simulated->mirror, simulated->events, simulated->etcd, FLEET_WORKLOADS, &calls) == 0,
	     "the mirror");
}

struct simulated *simulated_create(sd_event *events, struct shared *shared, const struct config *config,
				   const char *directory, unsigned number)
{
	struct simulated *made = checked(calloc(1, sizeof *made));
	uint64_t now;
	counted = shared;
	made->shared = shared;
	made->events = events;
	made->arena = arena_create();
	made->slot = &shared->slots[number];
	made->number = number;
	snprintf(made->name, sizeof made->name, number > 0 ? FLEET_NODE "%u" : FLEET_NODE, number);
	made->versions = checked(calloc(fleet_per_node(&shared->fleet), sizeof *made->versions));
	write_files(made, directory);
	write_identity(made, directory);
	start_daemon(made, config);
	must(http_client_create(&made->client, events) == 0, "http_client_create");
	must(fleet_create(&made->fleet, events, &made->daemon, NULL, NULL, &made->directory) == 0, "fleet_create");
	start_sources(made, number >= shared->fleet.nodes - shared->full);
	sd_event_now(events, CLOCK_MONOTONIC, &now);
	must(sd_event_add_time(events, &made->tick, CLOCK_MONOTONIC, now + TICK_US, 0, on_tick, made) >= 0, "timer");
	return made;
}

void simulated_destroy(struct simulated *simulated)
{
	if (simulated == NULL)
		return;
	sd_event_source_disable_unref(simulated->tick);
	fleet_destroy(simulated->fleet);
	fleet_source_destroy(simulated->source);
	mirror_destroy(simulated->mirror);
	bundle_store_destroy(simulated->bundles);
	etcd_destroy(simulated->etcd);
	http_client_destroy(simulated->client);
	daemon_finish(&simulated->daemon);
	state_destroy(simulated->daemon.state);
	bundles_destroy(simulated->daemon.bundles);
	state_directory_close(&simulated->directory);
	arena_free(simulated->arena);
	free(simulated->known);
	free(simulated->versions);
	free(simulated);
}

void simulated_order(struct simulated *simulated, const struct order *order)
{
	const struct fleet *fleet = &simulated->shared->fleet;
	unsigned *version = &simulated->versions[order->place];
	struct changes changes = {0};
	char path[PATH_MAX];
	if (order->what == ORDER_CHANGE)
		++*version;
	const struct fleet_workload workload = {.index = fleet_workload_at(fleet, simulated->number, order->place),
						.version = *version};
	snprintf(path, sizeof path, "%s/w%u.yaml", simulated->workloads, workload.index);
	if (order->what == ORDER_REMOVE) {
		must(fleet_remove_workload(simulated->workloads, workload.index) > 0, path);
		state_forget_workloads(simulated->daemon.state, path, &changes);
	} else {
		must(fleet_write_workload(fleet, simulated->workloads, &workload) > 0, path);
		must(state_read_workloads(simulated->daemon.state, path, &changes) == 0, path);
	}
	note_own(simulated);
	if (simulated->daemon.enforced != NULL)
		daemon_follow(&simulated->daemon, &changes);
	follow(simulated);
}
