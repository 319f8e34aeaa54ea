/* Changes of a fleet's workload files in an open loop: change n is made n / rate seconds after the start, or at once
 * when that is over.
 *
 * Each second is like every other: some workloads are moved in its first quarter, relabelled in the next, then removed,
 * then added as they were before. The next second has others. */
#include "tests/bench/generator.h"

#include "tests/packets/clock.h"

#include <stdlib.h>
#include <time.h>

enum kind { MOVE, RELABEL, REMOVE, ADD, KINDS };

enum { LOCAL_SHARE = 10 }; /* one of so many is of node 0, where there are others */

/* What a workload is for now. */
struct state {
	struct fleet_workload workload;
	enum kind next;
	bool gone;
};

static struct state *states_create(const struct fleet *fleet)
{
	struct state *states = calloc(fleet->workloads, sizeof *states);
	for (unsigned i = 0; states != NULL && i < fleet->workloads; i++)
		states[i] = (struct state){.workload.index = i};
	return states;
}

static uint64_t change(const struct generator *generator, struct state *state)
{
	enum kind kind = state->next;
	state->next = (kind + 1) % KINDS;
	state->gone = kind == REMOVE;
	if (kind == REMOVE)
		return fleet_remove_workload(generator->directory, state->workload.index);
	state->workload.relabelled = kind == RELABEL;
	state->workload.version += kind == MOVE || kind == ADD;
	if (kind != RELABEL && generator->note != NULL)
		generator->note(generator->context, &state->workload);
	return fleet_write_workload(generator->fleet, generator->directory, &state->workload);
}

/* The workload of change `n`. Those of other nodes are called by services whose workload on node 0 is left alone in
 * that second: node 0 has to follow each of them. */
static unsigned choose(const struct generator *generator, unsigned n)
{
	const struct fleet *fleet = generator->fleet;
	unsigned some = generator->rate / KINDS, second = n / (some * KINDS), i = n % some;
	if (fleet->nodes == 1)
		return fleet_local(fleet, second * some + i);
	unsigned per_node = fleet_per_node(fleet), locals = some / LOCAL_SHARE, first = second * locals;
	if (i % LOCAL_SHARE == 0)
		return fleet_local(fleet, first + i / LOCAL_SHARE);
	unsigned others = per_node - locals, turns = some / others + 1, remote = i - i / LOCAL_SHARE - 1;
	return fleet_remote(fleet, (second * turns + remote / others) * per_node +
				       (first + locals + remote % others) % per_node);
}

static bool put_back(const struct generator *generator, struct state *states)
{
	for (unsigned i = 0; i < generator->fleet->workloads; i++)
		if (states[i].gone && change(generator, &states[i]) == 0)
			return false;
	return true;
}

struct generated generator_run(const struct generator *generator)
{
	struct generated generated = {0};
	struct state *states = states_create(generator->fleet);
	uint64_t start = now_ns(), step = 1000 * MILLISECOND / generator->rate;
	unsigned changes = (unsigned)(generator->seconds * generator->rate);
	if (states == NULL)
		return generated;
	while (generated.changes < changes) {
		uint64_t due = start + generated.changes * step, now = now_ns();
		if (now < due) {
			struct timespec until = {(time_t)(due / (1000 * MILLISECOND)),
						 (long)(due % (1000 * MILLISECOND))};
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		} else if (now - due > generated.late_ns) {
			generated.late_ns = now - due;
		}
		if (change(generator, &states[choose(generator, generated.changes)]) == 0)
			break;
		generated.changes++;
	}
	if (generated.changes < changes || !put_back(generator, states))
		generated.changes = 0;
	free(states);
	return generated;
}
