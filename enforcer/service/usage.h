/* Follows the use of allows, and how much is denied: reads their counters from time to time, and keeps what it knows
 * over restarts. */
#ifndef ENFORCER_SERVICE_USAGE_H
#define ENFORCER_SERVICE_USAGE_H

#include "enforcer/service/daemon.h"
#include "enforcer/service/state_file.h"

#include <systemd/sd-event.h>

struct usage_following;

/* The name of the machine's boot, before the daemon shuts itself off from it. */
void usage_read_boot(void);

/* `kernel` is its own from now on, and used for nothing else; `directory`, which may not be open, and `daemon` are
 * borrowed. The caller destroys `*following`. Returns 0 or a negative errno. */
int usage_create(struct usage_following **following, sd_event *event, struct daemon *daemon, struct kernel *kernel,
		 const struct state_directory *directory);

/* Reads once more, keeps what it knows, and frees. NULL is allowed. */
void usage_destroy(struct usage_following *following);

/* Reads the counters. */
void usage_read(struct usage_following *following);

/* Reads those of what is denied, into the daemon's counters. */
void usage_read_denials(struct usage_following *following);

/* The same, and tells them: packets that were denied, of these how many were logged and how many left out, and how many
 * audit mode let through. The caller's. */
json_t *usage_denials(struct usage_following *following);

/* Reads them, then sweeps (daemon_sweep): so nothing is deleted that was not read. */
void usage_sweep(struct usage_following *following);

/* The answer to `unused`: which allows let nothing pass in the last so many seconds. */
json_t *usage_answer(struct usage_following *following, json_t *request);

#endif
