/* HTTP for whoever reads metrics and health: GET of a few paths, inside the event loop. */
#ifndef ENFORCER_SERVICE_HTTP_H
#define ENFORCER_SERVICE_HTTP_H

#include <stdio.h>
#include <systemd/sd-event.h>

enum {
	HTTP_CONNECTIONS_MAX = 32, /* at once; before that, the oldest make place for new ones */
	HTTP_REQUEST_MAX = 8192,   /* bytes of a request's head, and of what a connection takes beside its answer */
	HTTP_SECONDS = 5	   /* a connection's whole life, which is one request */
};

struct http_route {
	const char *path, *type; /* type: the Content-Type */
	/* Writes the body, and returns the status code. It must not block, nor destroy the server. */
	unsigned (*answer)(void *context, FILE *body);
};

struct http;

/* Answers on `fd`, a socket that listens and does not block, from the loop `event`, which it references. `routes` and
 * `context` must outlive it. `*http` is the caller's to destroy. Takes `fd` in any case. Returns 0 or a negative errno.
 */
int http_create(struct http **http, sd_event *event, int fd, const struct http_route *routes, size_t count,
		void *context);

/* Closes every connection and stops listening. NULL is allowed. */
void http_destroy(struct http *http);

#endif
