/* libmicrohttpd in the event loop, without a thread: its epoll descriptor is one more source.
 *
 * A peer may be slow or hostile. Sockets never block and memory is bounded; what the library has no limit for is here:
 * a connection lives for HTTP_SECONDS whatever it says, and before the places are taken, the oldest makes place for the
 * newest, but each has a moment to say what it wants. Who asks at once has his answer in the next turn of the loop; who
 * only holds connections is thus in nobody's way. Both end by shutdown(2), which the library sees as a peer that has
 * gone. */
#include "enforcer/service/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SPARE = 10,	     /* places kept free: as many as the library fills in one turn */
	MOMENT = 100 * 1000, /* microseconds that each connection has at least */
	LIFE = HTTP_SECONDS * 1000 * 1000,
	ACCURACY = 1 /* of timers; sd-event's default is a quarter of a second */
};

struct peer {
	int fd;		/* the library's; -1: the place is free */
	bool hurried;	/* it has its moment, and no more */
	uint64_t since; /* monotonic microseconds */
	sd_event_source *life;
};

struct http {
	sd_event *event;
	sd_event_source *source, *timer;
	struct MHD_Daemon *daemon;
	const struct http_route *routes;
	size_t route_count;
	void *context;
	bool closed; /* a connection was, in this turn */
	struct peer peers[HTTP_CONNECTIONS_MAX];
};

/* ---- answers ---- */

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type,
			       struct MHD_Response *response)
{
	if (response == NULL)
		return MHD_NO;
	enum MHD_Result result = MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
	    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	     MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return respond(connection, status, "text/plain; charset=utf-8",
		       MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result answer(struct http *http, struct MHD_Connection *connection, const struct http_route *route)
{
	char *text = NULL;
	size_t size = 0;
	FILE *body = open_memstream(&text, &size);
	if (body == NULL)
		return MHD_NO;
	unsigned status = route->answer(http->context, body);
	if (fclose(body) != 0) {
		free(text);
		return MHD_NO;
	}
	struct MHD_Response *response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(text);
	return respond(connection, status, route->type, response);
}

/* Called when a request's head is there. The body of a request is not waited for. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload, size_t *upload_size,
				  void **own)
{
	struct http *http = context;
	(void)version, (void)upload, (void)upload_size, (void)own;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	for (size_t i = 0; i < http->route_count; i++)
		if (strcmp(path, http->routes[i].path) == 0)
			return answer(http, connection, &http->routes[i]);
	return refuse(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

/* ---- connections ---- */

static int on_life(sd_event_source *source, uint64_t now, void *context)
{
	struct peer *peer = context;
	(void)source, (void)now;
	shutdown(peer->fd, SHUT_RDWR);
	return 0;
}

/* Where there is little place left, hurries the oldest that is not. */
static void make_place(struct http *http)
{
	struct peer *oldest = NULL;
	size_t taken = 0;
	for (struct peer *peer = http->peers; peer < http->peers + HTTP_CONNECTIONS_MAX; peer++) {
		if (peer->fd < 0 || peer->hurried)
			continue;
		taken++;
		if (oldest == NULL || peer->since < oldest->since)
			oldest = peer;
	}
	if (taken <= HTTP_CONNECTIONS_MAX - SPARE)
		return;
	oldest->hurried = true;
	sd_event_source_set_time(oldest->life, oldest->since + MOMENT);
}

static void peer_begin(struct http *http, struct MHD_Connection *connection, void **place)
{
	struct peer *peer = http->peers;
	while (peer->fd >= 0) /* the library's limit is as many as there are */
		peer++;
	*place = peer;
	*peer = (struct peer){.fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd};
	sd_event_now(http->event, CLOCK_MONOTONIC, &peer->since);
	peer->hurried = sd_event_add_time(http->event, &peer->life, CLOCK_MONOTONIC, peer->since + LIFE, ACCURACY,
					  on_life, peer) < 0;
	if (peer->hurried)
		shutdown(peer->fd, SHUT_RDWR);
	make_place(http);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **place,
			  enum MHD_ConnectionNotificationCode what)
{
	struct http *http = context;
	struct peer *peer = *place;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		peer_begin(http, connection, place);
	} else if (peer != NULL) {
		sd_event_source_disable_unref(peer->life);
		*peer = (struct peer){.fd = -1};
		http->closed = true;
	}
}

/* ---- the loop ---- */

/* One turn of the library, and when it wants the next. At its limit it listens no more, and it does again only in the
 * turn after one in which a connection was closed: nothing else would wake it for that. */
static void turn(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG milliseconds = 0;
	http->closed = false;
	MHD_run(http->daemon);
	bool again = http->closed || MHD_get_timeout(http->daemon, &milliseconds) == MHD_YES;
	if (http->closed)
		milliseconds = 0;
	if (again)
		sd_event_source_set_time_relative(http->timer, milliseconds * 1000);
	sd_event_source_set_enabled(http->timer, again ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source, (void)fd, (void)events;
	turn(context);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t now, void *context)
{
	(void)source, (void)now;
	turn(context);
	return 0;
}

static int start(struct http *http, int fd)
{
	http->daemon =
	    MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
			     MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
			     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_MAX, MHD_OPTION_STRICT_FOR_CLIENT,
			     1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
	if (http->daemon == NULL) {
		close(fd);
		return -ENOMEM;
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL)
		return -ENOSYS;
	int error = sd_event_add_io(http->event, &http->source, info->epoll_fd, EPOLLIN, on_ready, http);
	if (error >= 0) /* whoever asks waits for what has to be enforced, and for no longer than his turn */
		error = sd_event_source_set_priority(http->source, SD_EVENT_PRIORITY_IDLE);
	if (error >= 0)
		error =
		    sd_event_add_time(http->event, &http->timer, CLOCK_MONOTONIC, UINT64_MAX, ACCURACY, on_timer, http);
	return error < 0 ? error : 0;
}

int http_create(struct http **http, sd_event *event, int fd, const struct http_route *routes, size_t count,
		void *context)
{
	struct http *made = calloc(1, sizeof *made);
	*http = NULL;
	if (made == NULL) {
		close(fd);
		return -ENOMEM;
	}
	made->event = sd_event_ref(event);
	made->routes = routes;
	made->route_count = count;
	made->context = context;
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		made->peers[i].fd = -1;
	int error = start(made, fd);
	if (error < 0) {
		http_destroy(made);
		return error;
	}
	turn(made);
	*http = made;
	return 0;
}

void http_destroy(struct http *http)
{
	if (http == NULL)
		return;
	sd_event_source_disable_unref(http->source);
	sd_event_source_disable_unref(http->timer);
	if (http->daemon != NULL)
		MHD_stop_daemon(http->daemon); /* ends every peer */
	sd_event_unref(http->event);
	free(http);
}
