/* What the Docker Engine API (Docker, Podman) says of containers, to workloads.
 *
 * Whoever may speak for the engine is root on the machine, but what he passes on comes from images, from compose files
 * and from whoever may start a container. So all of it is bounded and checked, and what is wrong with one container
 * closes that one. */
#ifndef ENFORCER_SOURCES_DOCKER_CONTAINERS_H
#define ENFORCER_SOURCES_DOCKER_CONTAINERS_H

#include <ringfence/inventory.h>

#include <jansson.h>

struct arena;

enum { DOCKER_ID_SIZE = 65, DOCKER_IMAGE_SIZE = 129, DOCKER_LABELS_MOST = 256 };

/* ---- a container: GET /containers/ID/json ---- */

struct docker_container {
	struct workload *workload; /* NULL: it has no address of its own, or is refused */
	uint32_t pid;		   /* of its first process; 0: none */
	const char *why;	   /* it is refused; NULL: it is not */
};

/* The image of a container, whose labels docker_container_read wants; empty: it has none. False: not to be told. */
bool docker_image_of(const json_t *container, char image[DOCKER_IMAGE_SIZE]);

/* The labels that an image gives to its containers, of GET /images/ID/json: the caller's. NULL: not to be told. */
json_t *docker_image_labels(const json_t *image);

/* Makes a workload of `node`, in `arena`; of `name_space` where the container says nothing else. What it has from its
 * image is not its word: `image_labels` do not count. It has no interfaces yet. */
struct docker_container docker_container_read(struct arena *arena, const json_t *container, const json_t *image_labels,
					      const char *name_space, const char *node);

/* ---- the list ---- */

/* An entry of GET /containers/json: whose it is, and a number that is another when something else is told of it. */
bool docker_entry_read(const json_t *entry, char id[DOCKER_ID_SIZE], uint64_t *mark);

/* ---- events ---- */

enum docker_event_kind {
	DOCKER_OTHER,
	DOCKER_CREATED,	 /* a container will come, perhaps on a network that is new */
	DOCKER_CHANGED,	 /* a container is to be asked for */
	DOCKER_GONE,	 /* a container has ended */
	DOCKER_NETWORKS, /* networks have changed */
};

struct docker_event {
	enum docker_event_kind kind;
	char id[DOCKER_ID_SIZE]; /* of the container */
	int64_t nanoseconds;	 /* Unix time; 0: not said */
};

/* A line of GET /events. */
struct docker_event docker_event_read(const json_t *event);

#endif
