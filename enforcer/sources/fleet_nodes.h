/* What the store says of the other nodes, and what of it holds here: that which a node says is all that it has, in its
 * newest word. What holds is told to whom `setup` names. */
#ifndef ENFORCER_SOURCES_FLEET_NODES_H
#define ENFORCER_SOURCES_FLEET_NODES_H

#include "enforcer/fleet/keys.h"
#include "enforcer/sources/source.h"

#include <stdbool.h>
#include <stdint.h>

struct fleet_nodes;

/* Enrolments count that one of `keys` signed, which are read now and by fleet_nodes_reread; where there are none, nodes
 * are believed without a signature. The keys must outlive what is returned, which the caller destroys. */
struct fleet_nodes *fleet_nodes_create(const struct source_setup *setup, const struct key_words *keys);
void fleet_nodes_destroy(struct fleet_nodes *nodes); /* NULL is allowed */
void fleet_nodes_reread(struct fleet_nodes *nodes);

/* As the calls of a mirror (enforcer/etcd/mirror.h). */
void fleet_nodes_list(struct fleet_nodes *nodes, bool same, const char *store);
void fleet_nodes_put(struct fleet_nodes *nodes, const char *key, const char *value, size_t length);
void fleet_nodes_removed(struct fleet_nodes *nodes, const char *key);
void fleet_nodes_settled(struct fleet_nodes *nodes);

/* Now and then: forgets whom nobody heard for long, and tells what is wrong for longer than it takes a node to say. */
void fleet_nodes_tick(struct fleet_nodes *nodes);

/* Begins with what fleet_nodes_save gave to a daemon before, which is looked at as if the store told it now. Returns
 * false where that makes no sense. From then on, also with nothing (NULL), what holds is kept for fleet_nodes_save. */
bool fleet_nodes_load(struct fleet_nodes *nodes, const uint8_t *bytes, size_t length);

/* What holds here, the caller's to free; NULL where that is what was given last. */
uint8_t *fleet_nodes_save(struct fleet_nodes *nodes, size_t *length);
void fleet_nodes_save_again(struct fleet_nodes *nodes); /* what was given last is not kept after all */

#endif
