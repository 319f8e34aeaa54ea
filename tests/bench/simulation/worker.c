/* A process with a part of the simulation's nodes. */
#include "tests/bench/simulation/worker.h"

#include "tests/bench/simulation/simulated.h"

#include <ringfence/arena.h>

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

int __real_malloc_trim(size_t pad);

struct worker {
	struct shared *shared;
	const char *directory;
	struct config config;
	sd_event *events;
	struct simulated **nodes; /* by number; NULL: not here, or not yet */
};

static void carry_out(struct worker *worker, const struct order *order)
{
	struct simulated **node = &worker->nodes[order->node];
	switch (order->what) {
	case ORDER_START:
		*node =
		    simulated_create(worker->events, worker->shared, &worker->config, worker->directory, order->node);
		break;
	case ORDER_FOLLOW:
		simulated_follow(*node);
		break;
	case ORDER_CHANGE:
	case ORDER_REMOVE:
	case ORDER_ADD:
		simulated_order(*node, order);
		break;
	case ORDER_TRIM:
		__real_malloc_trim(0);
		break;
	case ORDER_END:
		sd_event_exit(worker->events, 0);
		break;
	}
	worker->shared->done++;
}

static int on_order(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct order order;
	(void)source;
	(void)revents;
	if (read(fd, &order, sizeof order) != sizeof order)
		order.what = ORDER_END;
	carry_out(context, &order);
	return 0;
}

int worker_run(struct shared *shared, int orders, const char *config, const char *directory)
{
	struct worker worker = {.shared = shared, .directory = directory};
	struct arena *arena = arena_create();
	sd_event_source *source = NULL;
	int status = 2;
	worker.nodes = arena_alloc(arena, shared->fleet.nodes * sizeof(struct simulated *));
	if (config_read(&worker.config, arena, config) && sd_event_new(&worker.events) >= 0 &&
	    sd_event_add_io(worker.events, &source, orders, EPOLLIN, on_order, &worker) >= 0)
		status = sd_event_loop(worker.events) >= 0 ? 0 : 2;
	for (unsigned i = 0; i < shared->fleet.nodes; i++)
		simulated_destroy(worker.nodes[i]);
	sd_event_source_disable_unref(source);
	sd_event_unref(worker.events);
	arena_free(arena);
	return status;
}
