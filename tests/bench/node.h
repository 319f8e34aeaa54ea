/* A node to measure: ringfenced in a network namespace of its own, with a fleet's policy and workload files. */
#ifndef TESTS_NODE_H
#define TESTS_NODE_H

#include "tests/bench/fleet.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct node {
	char directory[128]; /* of policy/, workloads/, the configuration, the control socket and the log */
	char workloads[160]; /* one of them */
	pid_t daemon;	     /* 0: it does not run */
};

/* What the kernel has counted of the daemon. */
struct node_cpu {
	uint64_t run_ns, wait_ns; /* it ran; it could run and had no core */
	double user, system;	  /* seconds, in steps of a clock tick */
};

struct node_memory {
	unsigned long rss, pss, anonymous, peak; /* KiB */
};

/* Moves the process to a new network namespace, and writes the files of the fleet into the directory in place of what
 * is there. False after a message. Needs root. */
bool node_create(struct node *node, const char *directory, const struct fleet *fleet);

/* Starts the daemon and waits until it is ready. Returns how long that took in seconds; -1 after a message when it took
 * more than `limit` or the daemon ended. Either way node_stop must follow. */
double node_start(struct node *node, double limit);

/* Ends the daemon; its table goes with the namespace, which the next node_create leaves. */
void node_stop(struct node *node);

/* Asks on the control socket. The caller's to decref; NULL when no answer came in `limit` seconds. */
json_t *node_ask(const struct node *node, const char *command, double limit);

struct node_cpu node_cpu(const struct node *node);
struct node_memory node_memory(const struct node *node);

/* KiB of unreclaimable slab, vmalloc and per-CPU memory of the whole machine: elements and hash tables of nftables are
 * in these, and caches of files are not. A difference of two readings tells what came in between, of everybody. */
unsigned long node_kernel_memory(void);

#endif
