/* Changes of a fleet's workload files in an open loop: change n is made n / rate seconds after the start, or at once
 * when that is over. */
#include "tests/bench/generator.h"

#include "tests/packets/clock.h"

#include <stdlib.h>
#include <time.h>

enum kind { MOVE, RELABEL, REMOVE, ADD, KINDS };

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
		states[i] = (struct state){.workload.index = i, .next = i / fleet->nodes % ADD};
	return states;
}

static uint64_t change(const struct generator *generator, struct state *state)
{
	enum kind kind = state->next;
	state->next = (kind + 1) % KINDS;
	state->gone = kind == REMOVE;
	if (kind == REMOVE)
		return fleet_remove_workload(generator->directory, state->workload.index);
	state->workload.relabelled ^= kind == RELABEL;
	state->workload.version += kind == MOVE || kind == ADD;
	if (kind != RELABEL && generator->note != NULL)
		generator->note(generator->context, &state->workload);
	return fleet_write_workload(generator->fleet, generator->directory, &state->workload);
}

static unsigned choose(const struct fleet *fleet, unsigned i)
{
	return fleet->nodes == 1 || i % 10 == 0 ? fleet_local(fleet, i / (fleet->nodes == 1 ? 1 : 10))
						: fleet_remote(fleet, i - i / 10);
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
		if (change(generator, &states[choose(generator->fleet, generated.changes)]) == 0)
			break;
		generated.changes++;
	}
	if (generated.changes < changes || !put_back(generator, states))
		generated.changes = 0;
	free(states);
	return generated;
}
