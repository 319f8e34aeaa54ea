/* The audit log: who told the daemon to do what, and what came of it. Lines are only ever added. */
#ifndef ENFORCER_SERVICE_AUDIT_H
#define ENFORCER_SERVICE_AUDIT_H

#include "enforcer/service/access.h"

#include <jansson.h>

#define AUDIT_FILE "audit.log"
#define AUDIT_BYTES_MAX (16 << 20) /* then the file becomes AUDIT_FILE.1 */
#define AUDIT_LINE_MAX (32 << 10)  /* a request has 4 KiB, of which JSON can make three times as much */
#define AUDIT_REFUSED_A_MINUTE 60  /* lines: whoever may not act shall not push out what others did */

struct audit;

enum audit_outcome { AUDIT_DONE, AUDIT_FAILED, AUDIT_REFUSED };

/* Opens AUDIT_FILE in `directory`, a descriptor that must outlive the audit; -1: lines go to standard error only, as
 * they do besides in any case. `*audit` is the caller's to close. Returns 0 or a negative errno. */
int audit_open(struct audit **audit, int directory);
void audit_close(struct audit *audit);

/* Makes sure that a line can be written: the file is there and not too large, and the file system has room. Returns 0,
 * or a negative errno: then nothing may be done that would have to be logged. */
int audit_reserve(struct audit *audit);

/* Writes a line for `request` by `peer`, whose name is known, and waits until it is on the disk. Of what was refused
 * only so many lines are written, without long arguments and without waiting. `error` (NULL: none) says why it failed
 * or was refused. Returns 0 or a negative errno; the line is on standard error all the same. */
int audit_write(struct audit *audit, const struct access_peer *peer, const json_t *request, enum audit_outcome outcome,
		const char *error);

#endif
