/* A policy that comes in bundles from an etcd store: what is there is offered to the daemon, with the releases for it.
 */
#ifndef ENFORCER_SERVICE_BUNDLE_STORE_H
#define ENFORCER_SERVICE_BUNDLE_STORE_H

#include "enforcer/service/daemon.h"
#include "enforcer/sources/source.h"

struct bundle_store;

/* Follows the store of the daemon's configuration. Of `setup` it uses the loop, the client and what tells of problems.
 * `changed` is called after a policy was taken, or refused. The caller destroys it. Returns 0 or a negative errno. */
int bundle_store_create(struct bundle_store **store, const struct source_setup *setup, struct daemon *daemon,
			void (*changed)(void *context), void *context);
void bundle_store_destroy(struct bundle_store *store);

/* Offers what the store has once more. */
void bundle_store_offer(struct bundle_store *store);

#endif
