/* Another policy of the directory that must be confirmed: it is in force at once, and the one before is again when
 * nobody confirms it in time, or when it denies what that allowed. */
#ifndef ENFORCER_SERVICE_CONFIRMING_H
#define ENFORCER_SERVICE_CONFIRMING_H

#include "enforcer/observe/event.h"
#include "enforcer/service/keeping.h"

/* Denials of flows that the policy before allowed, until it is in force again. Of the flows each counts once, whoever
 * tries it how often; of the tries, those that a retry of TCP makes (RFC 6298: after 1, 2 and 4 seconds) are too few.
 */
enum {
	DENIED_FLOWS_MOST = 10, /* that differ, of one policy */
	DENIED_TRIES_MOST = 10, /* in a second and the one before it */
};

struct confirming;

/* `changed` is told when the one before is in force again. All are borrowed; the caller destroys `*confirming`. Returns
 * 0 or a negative errno. */
int confirming_create(struct confirming **confirming, sd_event *event, struct daemon *daemon, struct keeping *keeping,
		      void (*changed)(void *context), void *context);

/* A policy that waits stays in force, and is not kept: the next daemon has it confirmed anew. NULL is allowed. */
void confirming_destroy(struct confirming *confirming);

/* After each change of policy: begins to wait, or ends. */
void confirming_follow(struct confirming *confirming);

/* Of each record of the observer. */
void confirming_hear(struct confirming *confirming, const struct event *event);

/* The answer to `confirm`, and for `status` what waits, or null; the caller's. */
json_t *confirming_answer(struct confirming *confirming);
json_t *confirming_status(const struct confirming *confirming);

#endif
