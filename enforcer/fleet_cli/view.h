/* The nodes of a fleet, as they stand in the store. A node that is alive holds a key under its lease; what it said last
 * stays there when it is gone. */
#ifndef ENFORCER_FLEET_CLI_VIEW_H
#define ENFORCER_FLEET_CLI_VIEW_H

#include "enforcer/fleet_cli/store.h"

#include <jansson.h>

struct node_view {
	const char *name;
	bool alive;
	json_t *status; /* NULL: it makes no sense, or is not there */
	uint64_t bundle;
};

struct fleet_view {
	struct arena *arena; /* of all of it */
	struct node_view *nodes;
	size_t count;
	uint64_t wanted; /* the bundle that the store has, or that is waited for; 0: none */
};

/* Reads all; `wanted`: the bundle that is waited for, or 0 for the one that the store has. Returns false after saying
 * why nothing is known. The caller finishes it in any case. */
bool view_read(struct store *store, struct fleet_view *view, uint64_t wanted);
void view_finish(struct fleet_view *view);

/* A text of its status; empty: there is none. */
const char *node_says(const struct node_view *node, const char *key);

/* What is wrong with the node, in a few words; NULL: nothing. */
const char *node_lack(const struct fleet_view *view, const struct node_view *node);

#endif
