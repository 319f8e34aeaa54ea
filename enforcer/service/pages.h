/* What the daemon answers over HTTP: /metrics, /healthz and /readyz. */
#ifndef ENFORCER_SERVICE_PAGES_H
#define ENFORCER_SERVICE_PAGES_H

#include "enforcer/service/usage.h"

#include <systemd/sd-event.h>

struct pages;

/* Listens where the daemon's configuration says. `*pages`, NULL where it says nothing, is the caller's to destroy and
 * borrows `daemon` and `usage`. Returns 0 or a negative errno: -EADDRINUSE when somebody listens there. */
int pages_create(struct pages **pages, sd_event *event, struct daemon *daemon, struct usage_following *usage);

/* Stops listening, and removes a Unix socket. NULL is allowed. */
void pages_destroy(struct pages *pages);

#endif
