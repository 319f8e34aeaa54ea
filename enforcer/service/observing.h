/* Observing in the daemon: the observer in the event loop, behind everything that enforces, and the journal. */
#ifndef ENFORCER_SERVICE_OBSERVING_H
#define ENFORCER_SERVICE_OBSERVING_H

#include "enforcer/observe/event.h"
#include "enforcer/service/config.h"

#include <jansson.h>
#include <ringfence/verdict.h>
#include <systemd/sd-event.h>

struct observing;
struct kernel;

/* Returns the world of the moment; its policy is NULL while there is none. */
typedef struct world observing_world(void *context);

/* Begins to observe over `kernel`, which becomes its own, from the loop `event`, which it references. `revision` is
 * that of the policy in force, which changes in place; it stays the caller's. That another process reads the log group
 * is said on stderr and tried again. `*observing` is the caller's to destroy. Returns 0 or a negative errno. */
int observing_create(struct observing **observing, struct kernel *kernel, sd_event *event, const struct config *config,
		     observing_world *world, const char *revision, void *context);

/* As observer_tell_records. */
void observing_tell_records(struct observing *observing, void (*heard)(void *context, const struct event *event),
			    void *context);

/* Calls `hear` of each event too, when it is made and when its count is final. */
void observing_hear(struct observing *observing, void (*hear)(void *context, const struct event *event), void *context);

/* NULL is allowed. */
void observing_destroy(struct observing *observing);

/* The answer to `observe`, and the part of `status`; the caller's. */
json_t *observing_answer(struct observing *observing, const json_t *request);
json_t *observing_status(const struct observing *observing);

#endif
