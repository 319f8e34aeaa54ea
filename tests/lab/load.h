/* Full load with every packet accounted for: senders that never rest, through the router of a lab.
 *
 * A sender works in windows: one packet of each flow, requests first, then replies, then a mark between two addresses
 * that no policy speaks of. It stays on one processor, where packets keep their order, so once the mark has arrived,
 * whatever of the window has not was dropped: no timeout decides. Buffers hold far more than a window. */
#ifndef TESTS_LAB_LOAD_H
#define TESTS_LAB_LOAD_H

#include "tests/lab/lab.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOAD_FLOWS_MAX = 256, LOAD_SENDERS_MAX = 8 };

/* A flow of UDP. Each sender has a source port of its own. */
struct load_flow {
	size_t from, to; /* hosts that have these addresses */
	struct address source, destination;
	uint16_t port;
	bool replies; /* the server sends as well: only for flows that are allowed when the load starts */
	bool must_pass, must_not_pass; /* what counts as lost, and as leaked; neither: nothing does */
	uint64_t sent, arrived;	       /* packets, replies included; set by load_stop */
};

/* Packets of all flows, of windows that have ended. */
struct load_counts {
	uint64_t sent;
	uint64_t lost;	     /* of flows that must pass */
	uint64_t leaked;     /* of flows that must not pass */
	uint64_t marks_lost; /* whose window is counted as far as it had arrived */
	uint64_t longest;    /* nanoseconds that the slowest window took */
};

struct load;

/* Starts `senders` threads, on one processor each as far as there are as many. The mark takes host `mark` and an
 * address outside, which it adds to the lab. `flows` is borrowed until load_stop. NULL after a message on stderr. */
struct load *load_start(struct lab *lab, struct load_flow *flows, size_t count, size_t senders, size_t mark);

/* Waits until each sender has begun and ended a window since the call, so that what came before was met by packets and
 * is in the counts. */
void load_wait(struct load *load);

struct load_counts load_counts(const struct load *load);

/* From now on `longest` is of windows that end later. */
void load_restart_longest(struct load *load);

/* Ends the senders, and fills the counts of the flows. */
struct load_counts load_stop(struct load *load);

#endif
