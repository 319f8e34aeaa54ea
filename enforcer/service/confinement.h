/* Confines the process that reads and plans, once everything that needs more is open. */
#ifndef ENFORCER_SERVICE_CONFINEMENT_H
#define ENFORCER_SERVICE_CONFINEMENT_H

#include "enforcer/sandbox/privileges.h"
#include "enforcer/service/config.h"

/* The user to run as: that of the configuration where the process is root, else itself. Returns false after saying on
 * stderr what is wrong. */
bool confinement_user(const struct config *config, struct user *user);

/* Becomes `user` without any capability; where root begins, the directories of sockets are made before, and are the
 * user's. Returns 0 or a negative errno. */
int confinement_become(const struct config *config, const struct user *user);

/* Shuts the process off from all files but those that it reads and its own, and from all system calls but those that it
 * makes. Returns 0 or a negative errno. */
int confinement_close(const struct config *config);

#endif
