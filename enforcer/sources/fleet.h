/* The workloads of the other nodes, as these publish them in an etcd store (the source `etcd`).
 *
 * Beside its workloads each node has a mark that says what all of them are, signed where the fleet has keys
 * (enforcer/fleet/statement.h), under a lease. What stands in the store holds here when the mark says so, and until
 * then what it said before. When the mark goes (the node is down or cut off, its lease ran out) its workloads stay as
 * they were, so that nobody's connections to it end because of the store; they are forgotten FLEET_FORGET_S later, when
 * another node takes over one of their names, or when an operator says that the node is gone for good. A store that was
 * wiped or put back says nothing about a node until that node has put its mark there. */
#ifndef ENFORCER_SOURCES_FLEET_H
#define ENFORCER_SOURCES_FLEET_H

#include "enforcer/etcd/etcd.h"
#include "enforcer/sources/fleet_nodes.h"

#define FLEET_WORKLOADS "workloads/" /* below the prefix: NODE, the mark, and NODE/NAMESPACE/NAME */
#define FLEET_NODES "nodes/"	     /* NODE/alive and NODE/status */

enum { FLEET_FORGET_S = 600 };

struct fleet_source;

/* Follows the store; of `keys` see fleet_nodes_create. They and `etcd` must outlive the source, which the caller
 * destroys. Returns 0 or a negative errno. */
int fleet_source_create(struct fleet_source **source, const struct source_setup *setup, struct etcd *etcd,
			const struct key_words *keys);
void fleet_source_destroy(struct fleet_source *source); /* NULL is allowed */

/* What it knows of them, which is the source's. */
struct fleet_nodes *fleet_source_nodes(struct fleet_source *source);

#endif
