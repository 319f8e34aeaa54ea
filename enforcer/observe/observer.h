/* Observes what the rules deny, and what they log: the records of the kernel to a history of events.
 *
 * All of it is bounded: records that are looked at in a second, events made of them, time spent on their reasons, and
 * memory. What comes beyond is left out, and counted. */
#ifndef ENFORCER_OBSERVE_OBSERVER_H
#define ENFORCER_OBSERVE_OBSERVER_H

#include "enforcer/observe/ring.h"

enum {
	OBSERVE_RECORDS = 5000, /* that are looked at in a second; the kernel drops the rest for us */
	OBSERVE_RATE = 100,	/* events made in a second, where the configuration says nothing */
	OBSERVE_RATE_MAX = 1000,
	OBSERVE_NEAREST_US = 50000 /* of each second, for looking for nearest allows */
};

/* Since the observer was made. heard = reported + left_rate + left_lost + left_foreign. */
struct observed {
	uint64_t heard;	       /* records that the kernel made for us */
	uint64_t reported;     /* of these, in an event */
	uint64_t left_rate;    /* over the events of a second */
	uint64_t left_lost;    /* no room in the buffer: known when the next one comes */
	uint64_t left_foreign; /* none of our rules, or no packet of IP */
	uint64_t events;
};

struct observer;
struct kernel;

/* Makes an observer of the log group of our rules over `kernel`, which becomes its own, of at most `rate` events in a
 * second. `changed` (NULL: nobody) is told of each event when it is made, and when its count is final. `*observer` is
 * the caller's to destroy. Returns 0 or a negative errno. That the group is another process's is no error:
 * observer_problem says so. */
int observer_create(struct observer **observer, struct kernel *kernel, unsigned rate,
		    void (*changed)(void *context, const struct event *event), void *context);

/* Has `heard` be told of each record that is in an event, with that; NULL: nobody is. */
void observer_tell_records(struct observer *observer, void (*heard)(void *context, const struct event *event),
			   void *context);

/* NULL is allowed. */
void observer_destroy(struct observer *observer);

/* Tries again to take the group, where that failed. Returns whether it has it. */
bool observer_bind(struct observer *observer);

/* Which policy is in force, for events made from now on: a text that is read whenever one is made, and stays the
 * caller's; NULL, or empty: not known. */
void observer_set_revision(struct observer *observer, const char *revision);

/* Why nothing is heard, or NULL. */
const char *observer_problem(const struct observer *observer);

/* The socket to poll for reading; it stays the observer's. */
int observer_fd(const struct observer *observer);

/* Reads some records, and never waits. `world` is what ends and reasons are found in; without a policy nothing has a
 * name. Returns false where nothing more is read in this second: poll the socket again after observer_pause. */
bool observer_read(struct observer *observer, const struct world *world);

/* How long the caller is to leave the socket alone, in microseconds; 0: it may be read. */
uint64_t observer_pause(const struct observer *observer);

/* Ends the counting of events that are old enough; call it about once a second. */
void observer_tick(struct observer *observer);

/* For tests: as if the kernel had said this. */
void observer_take(struct observer *observer, const struct world *world, const void *bytes, size_t length);

struct observed observer_counts(const struct observer *observer);

/* Answers a request (an object): {"since": CURSOR, "last": N, and filters}, each of which may be absent. Those events
 * that changed behind CURSOR, of these the last N, oldest first, with the counts and the CURSOR for the next request.
 * The answer, or {"version", "error"}, is the caller's. */
json_t *observer_answer(struct observer *observer, const json_t *request);

/* For `status`: the counts, and why nothing is heard. The caller's. */
json_t *observer_status(const struct observer *observer);

#endif
