/* What operators do in an incident: quarantine, release, panic. The kernel follows at once, one workload after the
 * other, and what was asked for is written down before it is answered. */
#ifndef ENFORCER_SERVICE_INCIDENT_H
#define ENFORCER_SERVICE_INCIDENT_H

#include "enforcer/service/access.h"
#include "enforcer/service/daemon.h"

#define INCIDENT_FILE "quarantines.json"

/* Reads INCIDENT_FILE in `directory`, a descriptor, before anything is enforced; there need not be one. Returns false
 * with the reason, a line, in `why`: then nothing may be enforced, since those in quarantine would be opened. */
bool incident_load(struct daemon *daemon, int directory, char *why, size_t size);

/* Answers of the control socket, see control.h; `directory` -1: nothing is written down. */
json_t *incident_quarantine(struct daemon *daemon, int directory, const struct access_peer *peer,
			    const json_t *request);
json_t *incident_release(struct daemon *daemon, int directory, const json_t *request);
json_t *incident_panic(struct daemon *daemon, int directory, const struct access_peer *peer, const json_t *request);

/* Ends what is over by now. */
void incident_expire(struct daemon *daemon, int directory);

/* Adds to an answer of `status` what holds now. */
void incident_status(const struct daemon *daemon, json_t *status);

#endif
