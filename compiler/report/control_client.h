/* Asks the local daemon over its control socket. */
#ifndef COMPILER_REPORT_CONTROL_CLIENT_H
#define COMPILER_REPORT_CONTROL_CLIENT_H

#include <jansson.h>
#include <stddef.h>

/* Sends {"command": `command`} to the daemon at `socket_path` and returns its answer, an object that the caller drops.
 * Returns NULL, with the reason as one line in `error` (of `error_size` bytes), when nobody answers within 5 seconds in
 * all, when the answer is no JSON object or above 16 MB, or when it is the daemon's refusal, whose text it then is:
 * bytes from others, to be escaped when printed. */
json_t *control_ask(const char *socket_path, const char *command, char *error, size_t error_size);

/* The same with a whole request, an object of which "command" is a member; it is borrowed. */
json_t *control_request(const char *socket_path, const json_t *request, char *error, size_t error_size);

/* The same for who goes on after an error: returns 0 with any object as the answer, or a negative errno: -ENOENT and
 * -ECONNREFUSED where nobody listens, -EPIPE and -ECONNRESET where the daemon closed the connection. */
int control_try(const char *socket_path, const json_t *request, json_t **answer);

/* What such an errno means, in words. */
const char *control_error(int error);

/* The text of an answer that is a refusal, borrowed; NULL: it is none. */
const char *control_refusal_text(const json_t *answer);

#endif
