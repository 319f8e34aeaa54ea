/* Orders, and waiting. */
#include "tests/bench/simulation/controller.h"

#include "tests/packets/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIMIT_S = 1800 };

/* ---- orders ---- */

void order(struct simulation *simulation, unsigned worker, const struct order *order)
{
	if (write(simulation->workers[worker].orders, order, sizeof *order) != sizeof *order) {
		perror("a worker");
		exit(2);
	}
	simulation->ordered++;
}

void order_node(struct simulation *simulation, int what, unsigned node, unsigned place)
{
	bool full = node >= simulation->shared->fleet.nodes - simulation->shared->full;
	order(simulation, full ? WORKERS : node % WORKERS, &(struct order){what, node, place});
}

/* A tenth of them end, and begin again. */
void churn(struct simulation *simulation)
{
	const struct fleet *fleet = &simulation->shared->fleet;
	uint64_t now = now_ns(), between = simulation->rate > 0 ? UINT64_C(1000000000) / simulation->rate : 0;
	if (simulation->rate == 0)
		return;
	for (; now - simulation->churned >= between; simulation->churned += between) {
		unsigned turn = simulation->turn++, node = turn * 7 % simulation->started;
		unsigned place = 1 + turn / simulation->started * 13 % (fleet_per_node(fleet) - 1);
		simulation->churns++;
		order_node(simulation, ORDER_CHANGE, node, place);
		if (turn % 20 == 0) {
			order_node(simulation, ORDER_REMOVE, node, PLACE_THAT_ENDS);
			order_node(simulation, ORDER_ADD, node, PLACE_THAT_ENDS);
		}
	}
}

/* ---- waiting ---- */

unsigned await(struct simulation *simulation, condition *is_there, const void *context)
{
	uint64_t deadline = now_ns() + (uint64_t)LIMIT_S * 1000 * MILLISECOND;
	for (;;) {
		unsigned lack = 0;
		churn(simulation);
		for (unsigned i = 0; i < simulation->started; i++)
			lack += !is_there(simulation, i, context);
		if (lack == 0 || now_ns() > deadline)
			return lack;
		poll(NULL, 0, POLL_MS);
	}
}

bool are_done(const struct simulation *simulation, unsigned node, const void *context)
{
	(void)node;
	(void)context;
	return simulation->shared->done == simulation->ordered;
}

bool holds_policy(const struct simulation *simulation, unsigned node, const void *policy)
{
	uint64_t held = simulation->shared->slots[node].policy;
	return policy != NULL ? held == *(const uint64_t *)policy : held != 0;
}

static bool is_following(const struct simulation *simulation, unsigned node)
{
	const struct shared *shared = simulation->shared;
	return node < shared->following || node >= shared->fleet.nodes - shared->full;
}

bool has_seen(const struct simulation *simulation, unsigned node, const void *owner)
{
	return !is_following(simulation, node) || node == *(const unsigned *)owner ||
	       simulation->shared->slots[node].seen_at != 0;
}

/* Each node but those that run it; a sum of all is made for each look, not for each node. */
struct whole {
	uint64_t count, sum;
};

bool knows_all(const struct simulation *simulation, unsigned node, const void *context)
{
	static struct whole whole;
	const struct slot *slots = simulation->shared->slots, *slot = &slots[node];
	(void)context;
	if (node == 0)
		whole = (struct whole){0};
	for (unsigned i = 0; node == 0 && i < simulation->started; i++) {
		whole.count += slots[i].own_count;
		whole.sum += slots[i].own_sum;
	}
	return !is_following(simulation, node) ||
	       (slot->count + slot->own_count == whole.count && slot->sum + slot->own_sum == whole.sum);
}
