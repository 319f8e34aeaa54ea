/* What a node tells the fleet of itself, in an etcd store: its workloads and that it is alive, under a lease, and how
 * it is, which stays when it is gone.
 *
 *     PREFIX/workloads/NODE/NAMESPACE/NAME   a record (record.h), under the lease
 *     PREFIX/workloads/NODE/enrolment        whose key the node has, where it has one (enrolment.h), under the lease
 *     PREFIX/workloads/NODE                  the mark: what all of the above is (statement.h), under the lease
 *     PREFIX/nodes/NODE/alive                under the lease
 *     PREFIX/nodes/NODE/status               JSON
 *
 * Whatever fails is tried again, and then all is put anew, since it is not known how much of it came there. */
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

/* After the lease has run out, nobody hears of the node: seconds. */
enum { PUBLISHER_LEASE_S = 30, PUBLISHER_STATUS_S = 15 };

/* Begins; `etcd` and what `setup` names must outlive it. The caller destroys it, which leaves in the store what is
 * there: stopping the daemon ends no workload. Returns 0 or a negative errno. */
int publisher_create(struct publisher **publisher, const struct publisher_setup *setup);
void publisher_destroy(struct publisher *publisher); /* NULL is allowed */

/* Workloads or the status may be others now: what is different is put soon. */
void publisher_follow(struct publisher *publisher);

#endif
