/* Workloads that no source names: addresses that were seen on this node and are nobody's. They are told, and never
 * given rules. */
#ifndef ENFORCER_SERVICE_STRANGERS_H
#define ENFORCER_SERVICE_STRANGERS_H

#include "enforcer/kernel/neighbours.h"

#include <ringfence/inventory.h>

#include <jansson.h>

enum {
	STRANGERS_MOST = 256,
	STRANGERS_DENIED_MOST = 128, /* of these, known by denials alone: a workload can make up any source */
	STRANGERS_TOLD_MOST = 10,    /* on stderr, in one reading */
	STRANGER_SECONDS = 600,	     /* after its last denial, one that is no neighbour is forgotten */
};

struct stranger {
	struct address address;
	char interface[LINK_NAME_SIZE]; /* empty: not known */
	uint8_t hardware[LINK_ADDRESS_SIZE];
	bool has_hardware;
	bool neighbour;	     /* it stood in the tables of neighbours when they were read last */
	unsigned scan;	     /* when it stood there last */
	int64_t first, last; /* Unix time, when it was seen */
	int64_t denied;	     /* Unix time of its last denial; 0: none */
	uint64_t denials;    /* packets of it, or to it, that were denied and logged */
};

/* Zeroed: none. */
struct strangers {
	struct stranger items[STRANGERS_MOST];
	size_t count;
	size_t told;	   /* on stderr, since the last reading began */
	uint64_t left_out; /* since the last reading began: for want of room */
	unsigned scan;
};

/* Whether an address could be a workload's, and is nobody's: no workload, no node, not link-local, not multicast. */
bool is_stranger(const struct inventory *inventory, const struct address *address);

/* Begins a reading of the neighbours, notes one of them (which is a stranger, on the interface called so), and ends the
 * reading: who was not among them is none any more, and who has a name by now is no stranger. `at`: Unix time, now. */
void strangers_begin(struct strangers *strangers);
void strangers_see(struct strangers *strangers, const struct neighbour *neighbour, const char *interface, int64_t at);
void strangers_end(struct strangers *strangers, const struct inventory *inventory, int64_t at);

/* Notes that `count` packets of the address, or to it, were denied. */
void strangers_deny(struct strangers *strangers, const struct address *address, uint64_t count, int64_t at);

/* Those who are there, as an array; the caller's. */
json_t *strangers_json(const struct strangers *strangers);

#endif
