/* The end of enforcement: the only thing that opens what was closed, and so it asks twice. */
#ifndef ENFORCER_SERVICE_REMOVAL_H
#define ENFORCER_SERVICE_REMOVAL_H

#include "enforcer/service/config.h"

/* `ringfenced --remove-enforcement`: deletes the kernel's table and the saved ruleset when two questions were answered
 * on standard input. Returns the exit status: 0 when both are gone, 1 when an answer was another and nothing was
 * changed, 2 on errors, after saying so. */
int removal_run(const struct config *config);

#endif
