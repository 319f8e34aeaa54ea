/* A process with a part of the simulation's nodes, all in one event loop. */
#ifndef TESTS_SIMULATION_WORKER_H
#define TESTS_SIMULATION_WORKER_H

#include "tests/bench/simulation/shared.h"

/* Carries out the orders that come from `orders`, until one to end or the end of them. Its nodes are as the
 * configuration file at `config` says, but for their names; their files are below `directory`. Returns the exit
 * status. */
int worker_run(struct shared *shared, int orders, const char *config, const char *directory);

#endif
