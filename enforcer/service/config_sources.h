/* The sources of workloads in the daemon's configuration: a table of them, each with its keys. */
#ifndef ENFORCER_SERVICE_CONFIG_SOURCES_H
#define ENFORCER_SERVICE_CONFIG_SOURCES_H

#include "enforcer/service/config.h"

#include "compiler/frontend/native.h"

/* Reads `workloads` into the configuration, `object`. */
void sources_read(struct frontend *frontend, const struct yaml_node *node, void *object);

#endif
