/* Where the policy comes from, in the daemon's configuration. */
#ifndef ENFORCER_SERVICE_CONFIG_POLICY_H
#define ENFORCER_SERVICE_CONFIG_POLICY_H

#include "enforcer/service/config.h"

#include "compiler/frontend/native.h"

/* Reads `policy` into the configuration, `object`. */
void policy_read(struct frontend *frontend, const struct yaml_node *node, void *object);

/* What it needs of the other keys of the configuration, `root`. */
void policy_check(struct frontend *frontend, const struct yaml_node *root, const struct config *config);

#endif
