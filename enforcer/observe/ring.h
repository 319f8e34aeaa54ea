/* The newest events, in memory of a fixed size; what is the same within a moment is one event with a count. */
#ifndef ENFORCER_OBSERVE_RING_H
#define ENFORCER_OBSERVE_RING_H

#include "enforcer/observe/event.h"

enum { EVENTS_MAX = 1000, FOLD_SECONDS = 10 };

/* A moment, in microseconds on both clocks. */
struct moment {
	int64_t unix_time, monotonic;
};

struct ring {
	struct event events[EVENTS_MAX];
	uint64_t hashes[EVENTS_MAX]; /* of the keys: so a look at all of them is one at a few pages */
	uint64_t next;		     /* events ever made; the newest stands at (next - 1) % EVENTS_MAX */
	uint64_t changed;	     /* of all events, the newest `changed` */
	uint64_t open_from;	     /* no event before this one is open: its sequence, less one */
	void (*closed)(void *context,
		       const struct event *event); /* is told of each that counted several; NULL: nobody */
	void *context;
};

/* Counts one more record of an event that began less than FOLD_SECONDS ago. Returns it, or NULL where there is none. */
struct event *ring_fold(struct ring *ring, const struct event_key *key, struct moment now);

/* Makes an event of one record, in the place of the oldest when the ring is full; the caller fills in the rest. */
struct event *ring_add(struct ring *ring, const struct event_key *key, struct moment now);

/* Ends the counting of events that began FOLD_SECONDS ago or longer. One that counts several records is changed by
 * that. */
void ring_settle(struct ring *ring, struct moment now);

/* The event number `index` (from 0, the oldest first), or NULL where there are no more. */
const struct event *ring_at(const struct ring *ring, size_t index);

#endif
