/* HTTP requests of the event loop, by libcurl: to a server by its URL, or to one behind a unix socket.
 *
 * Nothing waits. What a server sends is bounded by what the caller says; no redirect is followed, no proxy of the
 * environment is used, and of https the server's certificate is always checked. */
#ifndef ENFORCER_HTTP_CLIENT_HTTP_CLIENT_H
#define ENFORCER_HTTP_CLIENT_HTTP_CLIENT_H

#include <stddef.h>
#include <systemd/sd-event.h>

struct http_client;
struct http_call;

struct http_answer {
	int status;	   /* of HTTP; 0: there was no answer */
	const char *body;  /* ends with a 0 behind it; of a stream only what came with another status than 2xx */
	size_t length;	   /* of the body */
	const char *error; /* why there is no whole answer, as a sentence's end; NULL: there is one */
};

/* All is copied. What is not set: GET, no body, no more headers, the system's certificates, no limit of time. */
struct http_request {
	const char *url;    /* http://... or https://... */
	const char *socket; /* the path of a unix socket: the URL's host and port are not asked */
	const char *method;
	const char *body; /* with it the method is POST */
	size_t body_length;
	const char *const *headers;	    /* each as "Name: value", the last NULL */
	const char *ca, *certificate, *key; /* files in PEM: whom to trust, and who we are */
	unsigned connect_ms;		    /* until there is a connection; 0: 5000 */
	unsigned whole_ms;		    /* until the answer is there */
	unsigned silent_s;		    /* the answer may be silent so long: for streams */
	size_t most;			    /* bytes of the body; of a stream, of a line */
	/* The answer is a stream of lines: each is given as it comes, without its end, a 0 behind it, borrowed for the
	 * call; what follows the last end of line is not a line. NULL: the body is given whole, to `end`. */
	void (*line)(void *context, const char *line, size_t length);
	/* The stream begins: its status is a good one. May be NULL. */
	void (*begun)(void *context);
	/* The call is over, and is freed behind this. It never comes from within http_start. */
	void (*end)(void *context, const struct http_answer *answer);
	void *context;
};

/* Makes a client; the caller destroys it, which ends its calls without a word. Call it before the process is confined,
 * and before its first thread. Returns 0 or a negative errno. */
int http_client_create(struct http_client **client, sd_event *events);
void http_client_destroy(struct http_client *client);

/* Begins a call, which is the client's and is valid until `end` returns or http_cancel is called. Never NULL: what
 * cannot be asked for ends soon, with an error. */
struct http_call *http_start(struct http_client *client, const struct http_request *request);

/* Ends a call without a word; also from within its own `line` or `begun`, not from within its `end`. */
void http_cancel(struct http_call *call);

#endif
