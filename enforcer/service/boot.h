/* What ringfenced does at boot, instead of running: enforces what is saved. */
#ifndef ENFORCER_SERVICE_BOOT_H
#define ENFORCER_SERVICE_BOOT_H

#include "enforcer/service/config.h"

/* `ringfenced --enforce-saved`: what boot runs before the network is up. Returns the exit status: 0 when a ruleset is
 * in force, 1 when nothing is saved, 2 on errors, after saying so. */
int boot_enforce_saved(const struct config *config);

#endif
