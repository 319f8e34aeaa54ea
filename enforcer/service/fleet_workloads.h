/* The workloads of the other nodes, from the store of the source `etcd`; and what of them holds is kept in the state
 * directory, so that a daemon that starts while the store is away has what the one before it had. */
#ifndef ENFORCER_SERVICE_FLEET_WORKLOADS_H
#define ENFORCER_SERVICE_FLEET_WORKLOADS_H

#include "enforcer/service/config.h"
#include "enforcer/service/state_file.h"
#include "enforcer/sources/source.h"

struct fleet_workloads;

/* Begins; `settings` and `directory` (where nothing is kept, its fd is -1) must outlive it, and the caller destroys it,
 * which waits until what holds is kept. Returns 0 or a negative errno. */
int fleet_workloads_create(struct fleet_workloads **workloads, const struct source_setup *setup,
			   const struct fleet_settings *settings, const struct state_directory *directory);
void fleet_workloads_destroy(struct fleet_workloads *workloads); /* NULL is allowed */

/* Reads the keys that are trusted anew. */
void fleet_workloads_reread(struct fleet_workloads *workloads);

#endif
