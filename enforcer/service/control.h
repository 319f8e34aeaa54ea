/* The daemon's control socket: one line of JSON in, one line of JSON out, then the connection ends. */
#ifndef ENFORCER_SERVICE_CONTROL_H
#define ENFORCER_SERVICE_CONTROL_H

#include "enforcer/service/access.h"

#include <jansson.h>
#include <systemd/sd-event.h>

#define CONTROL_CONNECTIONS_MAX 32
#define CONTROL_CONNECTIONS_USER 8    /* of one user who is not root, nor the daemon's own */
#define CONTROL_CONNECTIONS_OTHERS 24 /* of all these users together: root always finds a place */
#define CONTROL_REQUEST_MAX 4096      /* bytes, newline included */
#define CONTROL_SECONDS 5	      /* a connection's whole life */

struct audit;
struct control;

/* Answers a request, which is whole and borrowed. The returned object is the caller's to drop. One that is just
 * {"version", "error"} says that nothing, or not all, was done. It must not block, nor destroy the control. */
typedef json_t *control_answer(void *context, const struct access_peer *peer, json_t *request);

struct control_command {
	const char *name;
	enum access access; /* what its peer must be; what an operator does is in the audit log */
	control_answer *answer;
};

/* All of it must outlive the control. */
struct control_setup {
	const char *path;
	const struct control_command *commands;
	size_t command_count;
	const struct access_rules *rules;
	struct audit *audit;
	void *context; /* of the answers */
};

/* An answer that nothing was done, with what is wrong. */
json_t *control_refusal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The text of such an answer, borrowed; NULL: it is another. */
const char *control_refused(const json_t *answer);

/* Listens at the path (the parent directory is made when missing, a socket on which nobody listens is replaced) and
 * answers whom the rules let in, from the loop `event`, which it references. `*control` is the caller's to destroy.
 * Returns 0 or a negative errno: -EADDRINUSE when somebody listens there, -EEXIST when it is no socket. */
int control_create(struct control **control, sd_event *event, const struct control_setup *setup);

/* Closes every connection, stops listening and removes the socket if it is still ours. NULL is allowed. */
void control_destroy(struct control *control);

#endif
