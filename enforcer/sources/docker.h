/* The source of containers: follows an engine that speaks the Docker Engine API (Docker, Podman) over its unix socket.
 *
 * It only ever asks (GET). It tells a thing for each container, by its id, and `networks`, which are pools of this
 * node: an address of theirs that no workload has is closed, as while a container starts. */
#ifndef ENFORCER_SOURCES_DOCKER_H
#define ENFORCER_SOURCES_DOCKER_H

#include "enforcer/sources/source.h"

struct docker_settings {
	const char *socket;	/* NULL: there is no such source */
	const char *name_space; /* of containers that say none */
};

struct docker;

/* Starts it; what it is given, and `settings`, outlive it. The caller ends it. Returns 0 or a negative errno. */
int docker_start(struct docker **docker, const struct docker_settings *settings, const struct source_setup *setup);
void docker_stop(struct docker *docker);

#endif
