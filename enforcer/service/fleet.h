/* The node's part in a fleet: it publishes its workloads and how it is in the store of the source `etcd`. */
#ifndef ENFORCER_SERVICE_FLEET_H
#define ENFORCER_SERVICE_FLEET_H

#include "enforcer/service/daemon.h"
#include "enforcer/service/findings.h"
#include "enforcer/service/state_file.h"
#include "enforcer/service/usage.h"

#include <systemd/sd-event.h>

struct fleet;

/* Without the source in the configuration nothing is published. What must outlive the daemon is kept in `directory`,
 * which is borrowed; where nothing is kept, its fd is -1. Call it before the process is confined; the caller
 * destroys it. Returns 0 or a negative errno, after saying why on stderr. */
int fleet_create(struct fleet **fleet, sd_event *events, struct daemon *daemon, const struct findings *findings,
		 struct usage_following *usage, const struct state_directory *directory);
void fleet_destroy(struct fleet *fleet); /* NULL is allowed */

/* After each change, and each second. Nothing is published before every source was read: what is missing would be taken
 * for gone. */
void fleet_follow(struct fleet *fleet);

/* For `status`: null, or why nothing can be published, and since when. The caller's. */
json_t *fleet_status(const struct fleet *fleet);

/* Unix time since which nothing can be published; 0: it can be, or `fleet` is NULL. */
int64_t fleet_unpublished_since(const struct fleet *fleet);

#endif
