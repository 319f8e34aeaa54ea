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

#endif
