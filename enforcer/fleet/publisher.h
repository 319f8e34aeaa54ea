/* What a node tells the fleet of itself, in an etcd store: its workloads and that it is alive, under leases, and how
 * it is, which stays when it is gone.
 *
 *     PREFIX/workloads/NODE/NAMESPACE/NAME   a record (record.h), under a lease of an hour
 *     PREFIX/workloads/NODE/enrolment        whose key the node has, where it has one (enrolment.h), as records
 *     PREFIX/workloads/NODE                  the mark: what all of the above is (statement.h), under a short lease
 *     PREFIX/nodes/NODE/alive                under the same
 *     PREFIX/nodes/NODE/status               JSON
 *
 * Whatever fails is tried again, by what the store then has. */
#ifndef ENFORCER_FLEET_PUBLISHER_H
#define ENFORCER_FLEET_PUBLISHER_H

#include "enforcer/etcd/etcd.h"
#include "enforcer/fleet/document.h"

#include <systemd/sd-event.h>

struct publisher;
struct published; /* what shall be there, while it is collected */

/* Adds a record, which is taken over, of the workload NAMESPACE/NAME (`name`). */
void publisher_add(struct published *all, const char *name, char *record);

struct publisher_setup {
	sd_event *events;
	struct etcd *etcd;
	const char *node;
	const struct private_key *key; /* of the node; NULL: what it says is not signed */
	struct trust trust;	       /* who may say that it is gone */
	const char *enrolment;	       /* of this key; NULL: there is none */
	size_t enrolment_length;
	uint64_t sequence;				       /* none up to this is used (statement.h), and */
	void (*reserve)(void *context, uint64_t sequence);     /* up to this they may have been, from now on */
	void (*collect)(void *context, struct published *all); /* adds each workload of the node */
	char *(*status)(void *context);			       /* the caller's to free */
	/* Why nothing can be published; NULL: it can be, again. */
	void (*problem)(void *context, const char *text);
	void *context;
};

/* After the short lease has run out, the node is not heard: seconds. */
enum { PUBLISHER_LEASE_S = 30, PUBLISHER_RECORDS_S = 3600, PUBLISHER_STATUS_S = 15 };

/* Begins; `etcd` and what `setup` names must outlive it. The caller destroys it, which leaves in the store what is
 * there: stopping the daemon ends no workload. Returns 0 or a negative errno. */
int publisher_create(struct publisher **publisher, const struct publisher_setup *setup);
void publisher_destroy(struct publisher *publisher); /* NULL is allowed */

/* Workloads or the status may be others now: what is different is put soon. */
void publisher_follow(struct publisher *publisher);

#endif
