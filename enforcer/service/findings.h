/* Drift that is not in the table: an older policy than was given, sources that cannot be heard, workloads that no
 * source names, and what would defeat the table without touching it. All of it is told, and nothing of it repaired. */
#ifndef ENFORCER_SERVICE_FINDINGS_H
#define ENFORCER_SERVICE_FINDINGS_H

#include "enforcer/kernel/monitor.h"
#include "enforcer/observe/event.h"
#include "enforcer/service/daemon.h"

#include <systemd/sd-event.h>

struct findings;

/* Looks at once, and then each minute, in slices in the loop `events`, which it references; in the current network
 * namespace. It borrows `daemon`, whose `kernel` it reads over while no check does. `*findings` is the caller's to
 * destroy. Returns 0 or a negative errno. */
int findings_create(struct findings **findings, sd_event *events, struct daemon *daemon);

/* NULL is allowed. */
void findings_destroy(struct findings *findings);

/* Call it each second. */
void findings_tick(struct findings *findings);

/* For monitor_hear_others and observing_hear, with the findings as context: somebody changed another table; something
 * was denied. */
void findings_hear_other(void *context, const struct monitor_other *other);
void findings_hear_denial(void *context, const struct event *event);

/* Adds what was found to the answer of daemon_drift: `kinds`, `policy`, `sources`, `workloads` and `bypass`; `drift` is
 * then whether there is any kind. `anew`: looks at everything first. */
void findings_add_drift(struct findings *findings, json_t *answer, bool anew);

/* Which kinds of drift there are, as they were found last: their words. The caller's. */
json_t *findings_kinds(const struct findings *findings);

/* Adds `kinds` to the object `drift` of daemon_status, as they were found last. */
void findings_add_status(const struct findings *findings, json_t *status);

#endif
