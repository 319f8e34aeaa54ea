/* What is known of services in audit mode: for how long they were watched, what would have been denied, and which of
 * their workloads were ever seen. On it, and on nothing less, audit is turned into enforcement.
 *
 * All of it is bounded, and what found no room is counted. Times are Unix seconds but for `moment`, which is monotonic
 * seconds. */
#ifndef ENFORCER_OBSERVE_EVIDENCE_H
#define ENFORCER_OBSERVE_EVIDENCE_H

#include "enforcer/observe/event.h"

#include <ringfence/connections.h>

#include <jansson.h>

enum {
	EVIDENCE_SERVICES_MOST = 1024,
	EVIDENCE_ROWS_MOST = 256,	/* of a service */
	EVIDENCE_ALL_ROWS_MOST = 16384, /* of all together */
	EVIDENCE_WORKLOADS_MOST = 4096, /* of a service */
	EVIDENCE_NAME_SIZE = 400,	/* service:NAMESPACE/NAME and the like */
	/* Seconds between two looks at all connections in which nothing is missed: conntrack forgets no connection
	 * sooner (nf_conntrack_tcp_timeout_close). */
	EVIDENCE_GAP_MOST = 10,
};

/* One thing that would have been denied. */
struct evidence_row {
	enum direction direction; /* the end that would have: EGRESS is the source */
	char *own;		  /* that end: a workload, or an address; one of them all */
	char *peer;		  /* the other: a service, a workload of none, or an address */
	uint16_t protocol, port;  /* of the destination; of ICMP the request */
	const char *cause;	  /* what has no flow to be judged: a word of cause_word; else NULL */
	uint64_t count;		  /* looks, or records, that told of it */
	int64_t first, last;
};

struct evidence_workload {
	char *name;
	int64_t last; /* that it sent or answered; 0: never */
	bool there;   /* while the workloads are gone through */
};

/* A service, or with an empty name what no service selects. */
struct evidence_service {
	char *name; /* NAMESPACE/NAME */
	uint64_t selector;
	uint64_t *allows; /* allowances.h */
	size_t allow_count;
	int64_t since;	   /* in audit, with these allows or fewer */
	double watched;	   /* seconds of it */
	uint64_t gaps;	   /* times between them that were not */
	double moment;	   /* of the last look; 0: none by this process */
	uint64_t left_out; /* looks and records for which there was no row */
	struct evidence_row *rows;
	size_t row_count;
	struct evidence_workload *workloads; /* of the node, by name */
	size_t workload_count;
	uint64_t workloads_left_out;
	bool there; /* while the policy is gone through */
};

struct evidence;

/* Makes an empty one; `node` is whose workloads count and stays the caller's. */
struct evidence *evidence_create(const char *node);
void evidence_destroy(struct evidence *evidence);

/* How many services are watched; 0: there is nothing to do. And of these in turn. */
size_t evidence_count(const struct evidence *evidence);
const struct evidence_service *evidence_at(const struct evidence *evidence, size_t number);

/* Follows a policy that is in force: what came into audit is watched from now on, what left it is forgotten, and where
 * less is allowed than before, or others are selected, it is watched anew, since what was allowed was not noted. */
void evidence_follow(struct evidence *evidence, const struct world *world, int64_t now);

/* Begins a look: finds out whose addresses are watched. Call it also where the policy or workloads changed. */
void evidence_begin(struct evidence *evidence, const struct world *world);

/* Takes a connection of the look. `now` is when it began. */
void evidence_see(struct evidence *evidence, const struct world *world, const struct connection *connection,
		  int64_t now);

/* Takes a record. Of flows the looks know more: only what is in none counts, a spoofed source and what conntrack cannot
 * place. */
void evidence_hear(struct evidence *evidence, const struct event *event, int64_t now);

/* Ends a look that saw every connection. */
void evidence_end(struct evidence *evidence, double moment);

/* As JSON, for a file and for people, in parts (`of`): all where it is NULL, a service, or a namespace. Returns the
 * caller's. */
json_t *evidence_json(const struct evidence *evidence, const char *of);

/* Reads what evidence_json gave into an empty one. The text is anybody's: returns NULL, or what is wrong, and then
 * `evidence` is empty again. */
const char *evidence_read(struct evidence *evidence, const json_t *json);

#endif
