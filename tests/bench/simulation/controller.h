/* The process that tells the workers of the simulation what happens, and waits for what comes of it. */
#ifndef TESTS_SIMULATION_CONTROLLER_H
#define TESTS_SIMULATION_CONTROLLER_H

#include "tests/bench/simulation/shared.h"

#include <stdbool.h>
#include <sys/types.h>

enum { WORKERS = 2, POLL_MS = 5 };

struct process {
	pid_t pid;
	int orders;
};

struct simulation {
	struct shared *shared;
	struct process workers[WORKERS + 1]; /* the last has the full nodes */
	unsigned started;
	unsigned rate, turn; /* of the churn */
	uint64_t churned;    /* when it was done last */
	unsigned churns;
	uint32_t lists, lost, failed; /* as told last */
	uint32_t ordered;
};

/* Gives an order to a worker, or to a node by its worker. Ends the process where that fails. */
void order(struct simulation *simulation, unsigned worker, const struct order *order);
void order_node(struct simulation *simulation, int what, unsigned node, unsigned place);

/* Changes as many workloads as are due by now. */
void churn(struct simulation *simulation);

typedef bool condition(const struct simulation *simulation, unsigned node, const void *context);

/* Until all nodes that were started are there; returns how many are not after some time. */
unsigned await(struct simulation *simulation, condition *is_there, const void *context);

/* Every order was carried out; a node holds a policy, that of a revision (uint64_t) or any (NULL); it has heard of the
 * workload that is watched, but on the node (unsigned) where that is, and it knows exactly what runs on the others:
 * those that do not follow need not. */
condition are_done, holds_policy, has_seen, knows_all;

/* Carries out a command (simulation.c), and prints the answer. */
void obey(struct simulation *simulation, const char *line);

#endif
