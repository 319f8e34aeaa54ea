/* A denied, or logged, flow as people and programs are told of it: names, reason and the nearest allow. Of a fixed
 * size, so that a thousand of them are, too. */
#ifndef ENFORCER_OBSERVE_EVENT_H
#define ENFORCER_OBSERVE_EVENT_H

#include "enforcer/observe/packet.h"
#include "enforcer/observe/log_prefix.h"

#include <ringfence/explain.h>

#include <jansson.h>
#include <stdio.h>

enum {
	EVENT_NAME_SIZE = 128,	   /* NAMESPACE/NAME */
	EVENT_NAMES_SIZE = 272,	   /* two of them, or more that are shorter */
	EVENT_TEXT_SIZE = 256,	   /* of a file's path the end, of any other text the beginning */
	EVENT_MESSAGE_SIZE = 2048, /* of the sentence that tells all of it */
	EVENT_MISSES = 3
};

/* What makes two records the same event: all but the source's port, which each connection has another of. Its padding
 * is zeroed: it compares as bytes. */
struct event_key {
	struct packet packet;
	char prefix[LOG_PREFIX_SIZE];
};

enum end_kind { END_ADDRESS, END_WORKLOAD, END_NODE, END_NOBODY }; /* NOBODY: an address for workloads of none */

/* One end of the flow. */
struct event_end {
	enum end_kind kind;
	struct address address;
	char name[EVENT_NAME_SIZE];   /* of the workload, or the node; else empty */
	char names[EVENT_NAMES_SIZE]; /* services that select the workload, or else networks that hold the address, by
				       * NAMESPACE/NAME with blanks in between; as many as there is room for */
	bool more;		      /* there was room for no more */
};

/* The allow that comes nearest to a denied flow, as `explain` gives it. */
struct event_nearest {
	bool found;
	char file[EVENT_TEXT_SIZE], text[EVENT_TEXT_SIZE];
	unsigned line;
	struct {
		enum miss_kind kind;
		char text[EVENT_TEXT_SIZE];
	} misses[EVENT_MISSES];
	size_t miss_count;
	char unnamed[2][EVENT_TEXT_SIZE]; /* by direction: that no allow speaks of this end; empty: some does */
};

struct event {
	uint64_t sequence;   /* from 1, in the order in which they began */
	uint64_t changed;    /* the same of all changes: when it was last told of */
	uint64_t left_out;   /* records that are in no event, between the event before and this one */
	uint64_t count;	     /* of records */
	int64_t first, last; /* Unix microseconds */
	int64_t opened;	     /* monotonic microseconds: when it began */
	bool open;	     /* what is the same is counted here */
	struct event_key key;
	uint16_t source_port; /* of the first record */
	struct log_reason reason;
	bool reply;		  /* the packet was an answer: the flow, which is what was judged, goes the other way */
	struct event_end ends[2]; /* of the flow: EGRESS is its source */
	char file[EVENT_TEXT_SIZE]; /* of the statement, the whole path where the policy still has it; empty: none */
	struct event_nearest nearest;
	char revision[17]; /* of the policy in force when the first record was heard; empty: not known */
};

/* Names the ends, and finds the statement's whole path. `world` without a policy: nothing has a name. Costs a look at
 * every service and network of the policy. */
void event_name(struct event *event, const struct world *world);

/* Finds the nearest allow of a denial. Costs a look at every allow of the policy. */
void event_find_nearest(struct event *event, const struct world *world);

/* The flow between what has its addresses in `world` by now. */
struct flow event_flow(const struct event *event, const struct world *world);

/* The port of the flow: the destination's, also where the packet was an answer. */
uint16_t event_flow_port(const struct event *event);
bool event_is_icmp(const struct event *event);

/* Writes the port and protocol of the flow, and returns `text`, which has room for 48 bytes. */
char *event_port(const struct event *event, char *text);

/* Prints the ends of the flow and its port: shop/web-1 (10.0.1.11) in shop/web -> shop/db-1 (10.0.1.13) in shop/db
 * 5432/tcp. Adds the same to an object, with the keys of event_json. */
void event_print_flow(FILE *stream, const struct event *event);
void event_add_flow(json_t *object, const struct event *event);

/* Writes one line that tells all but the time, without control characters: DENY shop/web-1 -> shop/db-1 5432/tcp ... */
void event_message(const struct event *event, char text[EVENT_MESSAGE_SIZE]);

/* The event as an object, the caller's: the keys of a line of a flow log (flow_record.h), and more. */
json_t *event_json(const struct event *event);

#endif
