/* What the processes of the simulation share: each node's slot, which its worker writes and the controller reads. */
#ifndef TESTS_SIMULATION_SHARED_H
#define TESTS_SIMULATION_SHARED_H

#include "tests/bench/fleet.h"

#include <stdatomic.h>
#include <stdint.h>

/* Sums are of hashes of records, so that two equal ones mean equal sets. */
struct slot {
	_Atomic uint64_t policy, policy_at;  /* the revision in force, as a number; when that came, in nanoseconds */
	_Atomic uint64_t own_count, own_sum; /* what runs there */
	_Atomic uint64_t count, sum;	     /* what it knows of the others */
	_Atomic uint64_t seen_at;	     /* when it heard of the workload that is watched */
	_Atomic uint64_t plans, bytes;	     /* transactions planned, and their netlink bytes */
	_Atomic uint32_t lists;		     /* read as a list, by nodes that count */
	_Atomic uint32_t lost;		     /* told that a workload is gone which is there all the time */
	_Atomic uint32_t failed;	     /* how often the store could not be followed */
};

enum { TENTHS = 600 };

struct shared {
	struct fleet fleet;
	unsigned full;		  /* how many of the nodes, the last, hold all workloads as a daemon does */
	unsigned following;	  /* how many of the others, the first, follow all workloads and count them */
	_Atomic uint32_t watched; /* the index of a workload, and 1 */
	/* Requests that nodes began since a moment: in all, and by tenths of a second. */
	_Atomic uint64_t requests_since, request_count;
	_Atomic uint32_t requests[TENTHS];
	_Atomic uint32_t done; /* orders that were carried out */
	struct slot slots[];   /* of each node */
};

/* What the controller wants of a worker. */
struct order {
	enum { ORDER_START, ORDER_FOLLOW, ORDER_CHANGE, ORDER_REMOVE, ORDER_ADD, ORDER_TRIM, ORDER_END } what;
	unsigned node, place;
};

/* Only the workload at this place of a node is ever removed: whoever is told that of another one was told wrong. */
enum { PLACE_THAT_ENDS = 0 };

#endif
