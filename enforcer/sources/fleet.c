#include "enforcer/sources/fleet.h"

#include "enforcer/etcd/mirror.h"

#include <stdlib.h>

enum { TICK_S = 5 };

struct fleet_source {
	struct source_setup setup;
	struct fleet_nodes *nodes;
	struct mirror *mirror;
	sd_event_source *tick;
};

static void on_list(void *context, bool same, const char *store)
{
	fleet_nodes_list(((struct fleet_source *)context)->nodes, same, store);
}

static void on_put(void *context, const char *key, const char *value, size_t length, int64_t revision)
{
	(void)revision;
	fleet_nodes_put(((struct fleet_source *)context)->nodes, key, value, length);
}

static void on_removed(void *context, const char *key, int64_t revision)
{
	(void)revision;
	fleet_nodes_removed(((struct fleet_source *)context)->nodes, key);
}

static void on_settled(void *context)
{
	fleet_nodes_settled(((struct fleet_source *)context)->nodes);
}

static void on_problem(void *context, const char *text)
{
	const struct fleet_source *source = context;
	source->setup.problem(source->setup.context, text);
}

static int on_tick(sd_event_source *timer, uint64_t usec, void *context)
{
	fleet_nodes_tick(((struct fleet_source *)context)->nodes);
	sd_event_source_set_time(timer, usec + (uint64_t)TICK_S * 1000000);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int fleet_source_create(struct fleet_source **source, const struct source_setup *setup, struct etcd *etcd,
			const struct key_words *keys)
{
	struct fleet_source *made = calloc(1, sizeof *made);
	uint64_t now = 0;
	*source = NULL;
	if (made == NULL)
		abort();
	*made = (struct fleet_source){.setup = *setup, .nodes = fleet_nodes_create(setup, keys)};
	const struct mirror_calls calls = {.list = on_list,
					   .put = on_put,
					   .removed = on_removed,
					   .settled = on_settled,
					   .problem = on_problem,
					   .context = made};
	sd_event_now(setup->events, CLOCK_MONOTONIC, &now);
	int error = sd_event_add_time(setup->events, &made->tick, CLOCK_MONOTONIC, now + (uint64_t)TICK_S * 1000000, 0,
				      on_tick, made);
	if (error >= 0)
		error = mirror_create(&made->mirror, setup->events, etcd, FLEET_WORKLOADS, &calls);
	if (error < 0) {
		fleet_source_destroy(made);
		return error;
	}
	*source = made;
	return 0;
}

void fleet_source_destroy(struct fleet_source *source)
{
	if (source == NULL)
		return;
	mirror_destroy(source->mirror);
	sd_event_source_disable_unref(source->tick);
	fleet_nodes_destroy(source->nodes);
	free(source);
}

struct fleet_nodes *fleet_source_nodes(struct fleet_source *source)
{
	return source->nodes;
}
