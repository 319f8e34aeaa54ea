/* Watches services in audit mode: looks at all connections every few seconds, while there are such services, and keeps
 * what it finds over restarts. */
#ifndef ENFORCER_SERVICE_WATCHING_H
#define ENFORCER_SERVICE_WATCHING_H

#include "enforcer/observe/evidence.h"
#include "enforcer/service/daemon.h"
#include "enforcer/service/state_file.h"

#include <systemd/sd-event.h>

struct watching;

#define WATCHING_FILE "audit-evidence"

/* Looks over `kernel`, which becomes its own, from the loop `event`. What was kept in `directory` (borrowed; its fd is
 * -1: nothing is) is read; that it cannot be is said on stderr, and everything is watched anew. `*watching` is the
 * caller's to destroy, which writes what is not kept yet. Returns 0 or a negative errno. */
int watching_create(struct watching **watching, struct kernel *kernel, sd_event *event, struct daemon *daemon,
		    const struct state_directory *directory);
void watching_destroy(struct watching *watching); /* NULL is allowed */

/* Follows the policy in force, where that is another, and the expiry of allows. */
void watching_follow(struct watching *watching);

/* Hears of a record. */
void watching_hear(struct watching *watching, const struct event *event);

/* Answers {"of": SERVICE or NAMESPACE, or absent}; the caller's. */
json_t *watching_answer(const struct watching *watching, const json_t *request);

#endif
