/* What operators do in an incident: quarantine, release, panic. The kernel follows at once, one workload after the
 * other, and what was asked for is written down before it is answered. */
#ifndef ENFORCER_SERVICE_INCIDENT_H
#define ENFORCER_SERVICE_INCIDENT_H

#include "enforcer/service/access.h"
#include "enforcer/service/daemon.h"
#include "enforcer/service/state_file.h"

#define INCIDENT_FILE "quarantines"

/* Reads INCIDENT_FILE in `directory` before anything is enforced; there need not be one. Returns NULL, or the reason,
 * the caller's to free: then whoever is in quarantine would be opened. */
char *incident_load(struct daemon *daemon, const struct state_directory *directory);

/* Answers of the control socket, see control.h; where `directory` is not open nothing is written down. */
json_t *incident_quarantine(struct daemon *daemon, const struct state_directory *directory,
			    const struct access_peer *peer, const json_t *request);
json_t *incident_release(struct daemon *daemon, const struct state_directory *directory, const json_t *request);
json_t *incident_panic(struct daemon *daemon, const struct state_directory *directory, const struct access_peer *peer,
		       const json_t *request);

/* Ends what is over by now. */
void incident_expire(struct daemon *daemon, const struct state_directory *directory);

/* Adds to an answer of `status` what holds now. */
void incident_status(const struct daemon *daemon, json_t *status);

#endif
