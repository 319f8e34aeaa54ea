/* Turns connections to a Unix socket into calls of commands, without ever waiting for a peer.
 *
 * A peer is whoever the kernel says it is (access.h): the mode of the file is not trusted alone, and a stranger is
 * closed before a byte of his is read (CVE-2026-4948). Connections live in a fixed array: a flood costs no memory.
 * While it is full nobody is accepted; the timers free it. */
#include "enforcer/service/control.h"

#include "enforcer/service/audit.h"
#include "enforcer/service/unix_listener.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND_US 1000000ULL

/* It reads while `answer` is NULL, and writes after that. `fd` -1: the place is free. */
struct connection {
	struct control *control;
	struct access_peer peer;
	int fd;
	sd_event_source *io, *timer;
	size_t have;
	char *answer;
	size_t length, sent;
	char request[CONTROL_REQUEST_MAX];
};

struct control {
	sd_event *event;
	struct control_setup setup;
	struct unix_listener socket;
	sd_event_source *listener, *retry;
	struct connection connections[CONTROL_CONNECTIONS_MAX];
};

static void drop_json(json_t **json)
{
	json_decref(*json);
}

static void connection_close(struct connection *connection)
{
	if (connection->fd < 0)
		return;
	connection->io = sd_event_source_disable_unref(connection->io);
	connection->timer = sd_event_source_disable_unref(connection->timer);
	close(connection->fd);
	connection->fd = -1;
	free(connection->answer);
	connection->answer = NULL;
	connection->have = connection->length = connection->sent = 0;
	sd_event_source_set_enabled(connection->control->listener, SD_EVENT_ON);
}

json_t *control_refusal(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	json_t *text = json_vsprintf(format, list);
	va_end(list);
	if (text == NULL) /* a file of the policy may be named in any bytes */
		text = json_string("what is wrong cannot be told in UTF-8");
	return json_pack("{s:i,s:o}", "version", 1, "error", text);
}

const char *control_refused(const json_t *answer)
{
	return json_object_size(answer) == 2 ? json_string_value(json_object_get(answer, "error")) : NULL;
}

static const struct control_command *find_command(const struct control *control, const char *name)
{
	for (size_t i = 0; i < control->setup.command_count; i++)
		if (strcmp(control->setup.commands[i].name, name) == 0)
			return &control->setup.commands[i];
	return NULL;
}

/* A reader asks for what only operators may. */
static json_t *refuse(struct control *control, const struct access_peer *peer, const char *command,
		      const json_t *request)
{
	char operators[256], text[512];
	access_describe(&control->setup.rules->operators, operators, sizeof operators);
	snprintf(text, sizeof text, "`%s` needs an operator: %s; you are %s", command, operators, peer->user);
	audit_reserve(control->setup.audit);
	audit_write(control->setup.audit, peer, request, AUDIT_REFUSED, text);
	return control_refusal("%s", text);
}

/* What cannot be logged is not done. */
static json_t *act(struct control *control, const struct access_peer *peer, const struct control_command *command,
		   json_t *request)
{
	int error = audit_reserve(control->setup.audit);
	if (error != 0)
		return control_refusal("nothing was done, since " AUDIT_FILE " cannot be written: %s",
				       strerror(-error));
	json_t *answer = command->answer(control->setup.context, peer, request);
	const char *failed = control_refused(answer);
	error = audit_write(control->setup.audit, peer, request, failed != NULL ? AUDIT_FAILED : AUDIT_DONE, failed);
	if (error != 0 && failed == NULL) {
		json_decref(answer);
		return control_refusal("it was done, but " AUDIT_FILE " could not be written: %s", strerror(-error));
	}
	return answer;
}

static json_t *answer_line(struct control *control, struct access_peer *peer, const char *line, size_t length)
{
	__attribute__((cleanup(drop_json))) json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(request, "command"));
	const struct control_command *command = name != NULL ? find_command(control, name) : NULL;

	if (name == NULL)
		return control_refusal("a request is one line of JSON, an object with the string \"command\"");
	if (command == NULL)
		return control_refusal("unknown command");
	if (command->access != ACCESS_OPERATOR)
		return command->answer(control->setup.context, peer, request);
	access_name_user(peer);
	return peer->access == ACCESS_OPERATOR ? act(control, peer, command, request)
					       : refuse(control, peer, name, request);
}

/* Sends what the socket takes. Closes the connection at the end, or when the peer has gone. */
static void connection_write(struct connection *connection)
{
	while (connection->sent < connection->length) {
		ssize_t n = send(connection->fd, connection->answer + connection->sent,
				 connection->length - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && sd_event_source_set_io_events(connection->io, EPOLLOUT) >= 0)
			return;
		if (n < 0)
			break;
		connection->sent += (size_t)n;
	}
	connection_close(connection);
}

/* Takes the reference to `answer`. */
static void connection_answer(struct connection *connection, json_t *answer)
{
	__attribute__((cleanup(drop_json))) json_t *owned = answer;
	char *text = json_dumps(owned, JSON_COMPACT);

	if (text == NULL) {
		connection_close(connection);
		return;
	}
	connection->answer = text;
	connection->length = strlen(text) + 1;
	text[connection->length - 1] = '\n'; /* where the NUL was: from here on it is bytes with a length */
	connection_write(connection);
}

static void connection_read(struct connection *connection)
{
	while (connection->have < sizeof connection->request) {
		char *start = connection->request + connection->have, *newline;
		ssize_t n = recv(connection->fd, start, sizeof connection->request - connection->have, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			connection_close(connection);
			return;
		}
		connection->have += (size_t)n;
		newline = memchr(start, '\n', (size_t)n);
		if (newline != NULL) {
			connection_answer(connection,
					  answer_line(connection->control, &connection->peer, connection->request,
						      (size_t)(newline - connection->request)));
			return;
		}
	}
	connection_answer(connection, control_refusal("a request has at most %d bytes", CONTROL_REQUEST_MAX));
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct connection *connection = context;

	(void)source, (void)fd, (void)events;
	if (connection->answer == NULL)
		connection_read(connection);
	else
		connection_write(connection);
	return 0;
}

static int on_timeout(sd_event_source *source, uint64_t now, void *context)
{
	(void)source, (void)now;
	connection_close(context);
	return 0;
}

/* Whether the peer may come in beside those that are there: nobody but root and the daemon's user takes all places. */
static bool has_room(const struct control *control, const struct access_peer *peer)
{
	size_t same = 0, others = 0;
	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
		const struct connection *connection = &control->connections[i];
		if (connection->fd < 0)
			continue;
		same += connection->peer.uid == peer->uid;
		others += !access_is_own(connection->peer.uid);
	}
	return access_is_own(peer->uid) || (same < CONTROL_CONNECTIONS_USER && others < CONTROL_CONNECTIONS_OTHERS);
}

static struct connection *free_connection(struct control *control)
{
	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		if (control->connections[i].fd < 0)
			return &control->connections[i];
	return NULL;
}

/* Takes `fd`. */
static void connection_open(struct connection *connection, int fd, const struct access_peer *peer)
{
	sd_event *event = connection->control->event;

	connection->fd = fd;
	connection->peer = *peer;
	if (sd_event_add_io(event, &connection->io, fd, EPOLLIN, on_connection, connection) < 0 ||
	    sd_event_add_time_relative(event, &connection->timer, CLOCK_MONOTONIC, CONTROL_SECONDS * SECOND_US, 0,
				       on_timeout, connection) < 0 ||
	    (peer->access != ACCESS_OPERATOR && /* who only asks waits for what has to be enforced */
	     sd_event_source_set_priority(connection->io, SD_EVENT_PRIORITY_IDLE) < 0))
		connection_close(connection);
}

static int on_retry(sd_event_source *source, uint64_t now, void *context)
{
	struct control *control = context;

	(void)source, (void)now;
	control->retry = sd_event_source_disable_unref(control->retry);
	sd_event_source_set_enabled(control->listener, SD_EVENT_ON);
	return 0;
}

/* Out of descriptors or memory: the waiting peer stays readable, so look again in a second and not at once. */
static void pause_listener(struct control *control)
{
	if (control->retry == NULL && sd_event_add_time_relative(control->event, &control->retry, CLOCK_MONOTONIC,
								 SECOND_US, 0, on_retry, control) >= 0)
		sd_event_source_set_enabled(control->listener, SD_EVENT_OFF);
}

static int on_listener(sd_event_source *source, int listener, uint32_t events, void *context)
{
	struct control *control = context;
	struct connection *connection = free_connection(control);
	struct access_peer peer;
	int fd;

	(void)events;
	if (connection == NULL) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF); /* until connection_close */
		return 0;
	}
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_listener(control);
		return 0;
	}
	if (access_ask(control->setup.rules, fd, &peer) == 0 && peer.access != ACCESS_NONE && has_room(control, &peer))
		connection_open(connection, fd, &peer);
	else
		close(fd);
	/* Who connects without end, and is no operator, holds up nothing but others like him. */
	bool operates = peer.access == ACCESS_OPERATOR;
	sd_event_source_set_priority(source, operates ? SD_EVENT_PRIORITY_NORMAL : SD_EVENT_PRIORITY_IDLE);
	return 0;
}

/* Where groups may connect, everybody can, and who stays is decided by his credentials: the mode could name one group
 * only, and to give the file to it takes a privilege that the daemon has not. */
static mode_t mode_of(const struct access_rules *rules)
{
	return rules->readers.count + rules->operators.count > 0 ? 0666 : 0600;
}

int control_create(struct control **control, sd_event *event, const struct control_setup *setup)
{
	struct control *made;
	int error;

	*control = NULL;
	made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	made->event = sd_event_ref(event);
	made->setup = *setup;
	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		made->connections[i] = (struct connection){.control = made, .fd = -1};

	error = unix_listener_open(&made->socket, setup->path, mode_of(setup->rules), CONTROL_CONNECTIONS_MAX);
	if (error == 0)
		error = sd_event_add_io(event, &made->listener, made->socket.fd, EPOLLIN, on_listener, made);
	if (error < 0) {
		control_destroy(made);
		return error;
	}
	*control = made;
	return 0;
}

void control_destroy(struct control *control)
{
	if (control == NULL)
		return;
	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		connection_close(&control->connections[i]);
	sd_event_source_disable_unref(control->retry);
	sd_event_source_disable_unref(control->listener);
	unix_listener_close(&control->socket);
	sd_event_unref(control->event);
	free(control);
}
