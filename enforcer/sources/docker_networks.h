/* What the Docker Engine API says of networks, to the pools of this node. */
#ifndef ENFORCER_SOURCES_DOCKER_NETWORKS_H
#define ENFORCER_SOURCES_DOCKER_NETWORKS_H

#include <ringfence/inventory.h>

#include <jansson.h>

struct arena;

enum { DOCKER_NETWORKS_MOST = 4096 };

struct docker_networks {
	struct inventory inventory; /* `node` with the networks' subnets as pools, and its own addresses there */
	const char **why;	    /* of networks that are refused */
	size_t why_count;
};

/* Of GET /networks those that are bridges of this host; in `arena`. False: it is no such list; an
 * engine always has networks of its own, so an empty one says nothing. */
bool docker_networks_read(struct arena *arena, const json_t *list, const char *node, struct docker_networks *networks);

#endif
