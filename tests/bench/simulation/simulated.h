/* A node of the simulation: the daemon's own parts from the store to the transaction, without the kernel
 * (left_out.c). */
#ifndef TESTS_SIMULATION_SIMULATED_H
#define TESTS_SIMULATION_SIMULATED_H

#include "tests/bench/simulation/shared.h"

#include "enforcer/service/config.h"

#include <systemd/sd-event.h>

struct simulated;

/* Starts node `number`, whose files are made below `directory`; it takes its store and keys from `config`, which is
 * borrowed as all else is. A full one holds the workloads of all others as a daemon does, by the real source. Another
 * one only takes the policy and tells of its own workloads, until it is to follow those of the others: the same keys,
 * by the mirror of the real source, of which it notes a hash of each record. Ends the process where that fails. */
struct simulated *simulated_create(sd_event *events, struct shared *shared, const struct config *config,
				   const char *directory, unsigned number);
void simulated_destroy(struct simulated *simulated);

/* Has one that is not full follow the workloads of the others. */
void simulated_follow(struct simulated *simulated);

/* Makes the workload at a place of the node another one, end, or begin, by its file. */
void simulated_order(struct simulated *simulated, const struct order *order);

/* The calls of left_out.c. */
void simulated_note_plan(void *kernel, uint64_t bytes);
void simulated_note_request(void);

#endif
