/* The workloads of the other nodes, as these publish them in an etcd store (the source `etcd`).
 *
 * Each node has its workloads under a lease, and beside them a mark that says what all of them are, signed where the
 * fleet has keys (enforcer/fleet/statement.h). What stands in the store holds here when the mark says so, and until
 * then what it said before. When the mark goes (the node is down or cut off, its lease ran out) its workloads stay as
 * they were, so that nobody's connections to it end because of the store; they are forgotten FLEET_FORGET_S later, when
 * another node takes over one of their names, or when an operator says that the node is gone for good. A store that was
 * wiped or put back says nothing about a node until that node has put its mark there. */
#ifndef ENFORCER_SOURCES_FLEET_H
#define ENFORCER_SOURCES_FLEET_H

#include "enforcer/etcd/etcd.h"
#include "enforcer/fleet/keys.h"
#include "enforcer/sources/source.h"

#define FLEET_WORKLOADS "workloads/" /* below the prefix: NODE, the mark, and NODE/NAMESPACE/NAME */
#define FLEET_NODES "nodes/"	     /* NODE/alive and NODE/status */

enum { FLEET_FORGET_S = 600 };

struct fleet_source;

/* Follows the store. Enrolments count that one of `keys` signed, which are read now and by fleet_source_reread; where
 * there are none, nodes are believed without a signature. `etcd` and the keys must outlive the source, which the caller
 * destroys. Returns 0 or a negative errno. */
int fleet_source_create(struct fleet_source **source, const struct source_setup *setup, struct etcd *etcd,
			const struct key_words *keys);
void fleet_source_reread(struct fleet_source *source);

/* Begins with what fleet_source_save gave to a daemon before, which is looked at as if the store told it now. Returns
 * false where that makes no sense. From then on, also with nothing (NULL), what holds is kept for fleet_source_save. */
bool fleet_source_load(struct fleet_source *source, const uint8_t *bytes, size_t length);

/* What holds here, the caller's to free; NULL where that is what was given last. */
uint8_t *fleet_source_save(struct fleet_source *source, size_t *length);
void fleet_source_save_again(struct fleet_source *source); /* what was given last is not kept after all */
void fleet_source_destroy(struct fleet_source *source);

#endif
