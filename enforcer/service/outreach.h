/* What the daemon's configuration names beyond this machine's kernel, read alike for policies and for workloads: stores
 * and keys, and what of them has to stay within the daemon's reach. */
#ifndef ENFORCER_SERVICE_OUTREACH_H
#define ENFORCER_SERVICE_OUTREACH_H

#include "enforcer/service/config.h"

#include "compiler/frontend/native.h"

/* Reads `keys`, one or more: public keys, or absolute paths of such. */
void trusted_keys_read(struct frontend *frontend, const struct yaml_node *node, struct key_words *keys);

/* Adds what a store, and keys, need to what the daemon can reach, in `arena`. */
void outreach_add_store(struct arena *arena, const struct etcd_settings *settings, struct outreach *outreach);
void outreach_add_keys(struct arena *arena, const struct key_words *keys, struct outreach *outreach);

#endif
