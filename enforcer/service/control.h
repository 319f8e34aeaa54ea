/* The daemon's control socket: one line of JSON in, one line of JSON out, then the connection ends. */
#ifndef ENFORCER_SERVICE_CONTROL_H
#define ENFORCER_SERVICE_CONTROL_H

#include <jansson.h>
#include <systemd/sd-event.h>

#define CONTROL_CONNECTIONS_MAX 32
#define CONTROL_REQUEST_MAX 4096 /* bytes, newline included */
#define CONTROL_SECONDS 5	 /* a connection's whole life */

struct control;

/* Answers `command`. `request` is the whole request, borrowed. The returned object is the caller's to drop;
 * NULL means that there is no such command. It must not block, nor destroy the control. */
typedef json_t *control_answer(void *context, const char *command, json_t *request);

/* Listens at `path` (mode 0600; the parent directory is made when missing, a socket on which nobody listens is
 * replaced) and answers root and the daemon's own user from the loop `event`, which it references. `*control` is the
 * caller's to destroy. Returns 0 or a negative errno: -EADDRINUSE when somebody listens there, -EEXIST when `path` is
 * no socket. */
int control_create(struct control **control, sd_event *event, const char *path, control_answer *answer, void *context);

/* Closes every connection, stops listening and removes the socket if it is still ours. NULL is allowed. */
void control_destroy(struct control *control);

#endif
