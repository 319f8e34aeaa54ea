/* Turns a command into the daemon's answer: the other end of enforcer/service/control.c.
 *
 * One deadline holds for the whole exchange, so a daemon that is stuck, or that drips bytes, does not hang a script. */
#include "compiler/report/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (16U * 1024 * 1024)
#define TIMEOUT_MS 5000
#define CLOSED                                                                                                   \
	"the daemon closed the connection: it answers root, its own user, and the groups that `control` in its " \
	"configuration names, each user a few times at once"

struct buffer {
	char *bytes;
	size_t length, room;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void free_text(char **text)
{
	free(*text);
}

static void free_buffer(struct buffer *buffer)
{
	free(buffer->bytes);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until `fd` can be read or written, as `events` says. Returns 0 or a negative errno. */
static int wait_for(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = events};
		int64_t left = deadline - now_ms();
		int ready;

		if (left <= 0)
			return -ETIMEDOUT;
		ready = poll(&poll_fd, 1, (int)left);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
	}
}

/* Returns a connected socket or a negative errno. */
static int connect_to(const char *path)
{
	/* connect(2) waits while the backlog is full, for as long as a send may take (net/unix/af_unix.c) */
	struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	error = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close(fd);
	return error;
}

static int send_all(int fd, const char *bytes, size_t length, int64_t deadline)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (errno == EAGAIN) {
			int error = wait_for(fd, POLLOUT, deadline);

			if (error != 0)
				return error;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* Makes room for more, at most ANSWER_MAX bytes in all. */
static int buffer_grow(struct buffer *buffer)
{
	size_t room = buffer->room == 0 ? 65536 : buffer->room * 2;
	char *bytes;

	if (buffer->room >= ANSWER_MAX)
		return -EMSGSIZE;
	bytes = realloc(buffer->bytes, room);
	if (bytes == NULL)
		return -ENOMEM;
	buffer->bytes = bytes;
	buffer->room = room;
	return 0;
}

/* Reads to the first newline and leaves the length without it. */
static int receive_line(int fd, struct buffer *buffer, int64_t deadline)
{
	for (;;) {
		char *start, *newline;
		ssize_t n;
		int error = buffer->length == buffer->room ? buffer_grow(buffer) : 0;

		if (error == 0)
			error = wait_for(fd, POLLIN, deadline);
		if (error != 0)
			return error;
		start = buffer->bytes + buffer->length;
		n = recv(fd, start, buffer->room - buffer->length, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n < 0)
			continue;
		newline = memchr(start, '\n', (size_t)n);
		if (newline != NULL) {
			buffer->length = (size_t)(newline - buffer->bytes);
			return 0;
		}
		buffer->length += (size_t)n;
	}
}

static const char *reason(int error)
{
	static const struct {
		int error;
		const char *text;
	} reasons[] = {
	    {-ENOENT, "no daemon listens here"},
	    {-ECONNREFUSED, "no daemon listens here"},
	    {-ECONNRESET, CLOSED},
	    {-EPIPE, CLOSED},
	    {-ETIMEDOUT, "no answer within 5 seconds"},
	    {-EMSGSIZE, "the answer is larger than 16 MB"},
	    {-EBADMSG, "the answer is no JSON object"},
	};

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].error == error)
			return reasons[i].text;
	return strerror(-error);
}

static int exchange(const char *path, const json_t *request, struct buffer *answer)
{
	int64_t deadline = now_ms() + TIMEOUT_MS;
	__attribute__((cleanup(close_fd))) int fd = connect_to(path);
	__attribute__((cleanup(free_text))) char *text = NULL;
	int error;

	if (fd < 0)
		return fd;
	text = json_dumps(request, JSON_COMPACT);
	if (text == NULL)
		return -ENOMEM;
	error = send_all(fd, text, strlen(text), deadline);
	if (error == 0)
		error = send_all(fd, "\n", 1, deadline);
	return error == 0 ? receive_line(fd, answer, deadline) : error;
}

json_t *control_ask(const char *socket_path, const char *command, char *error, size_t error_size)
{
	json_t *request = json_pack("{s:s}", "command", command), *answer;

	if (request == NULL) {
		snprintf(error, error_size, "%s: %s", socket_path, reason(-EINVAL));
		return NULL;
	}
	answer = control_request(socket_path, request, error, error_size);
	json_decref(request);
	return answer;
}

int control_try(const char *socket_path, const json_t *request, json_t **answer)
{
	__attribute__((cleanup(free_buffer))) struct buffer buffer = {0};
	int failed = exchange(socket_path, request, &buffer);

	*answer = failed == 0 ? json_loadb(buffer.bytes, buffer.length, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (failed == 0 && !json_is_object(*answer)) {
		json_decref(*answer);
		*answer = NULL;
		failed = -EBADMSG;
	}
	return failed;
}

const char *control_error(int error)
{
	return reason(error);
}

const char *control_refusal_text(const json_t *answer)
{
	/* A refusal is {"version", "error"} and nothing else; an answer may well have an "error" among other members.
	 */
	return json_object_size(answer) == 2 ? json_string_value(json_object_get(answer, "error")) : NULL;
}

json_t *control_request(const char *socket_path, const json_t *request, char *error, size_t error_size)
{
	json_t *answer;
	int failed = control_try(socket_path, request, &answer);
	const char *refusal = failed == 0 ? control_refusal_text(answer) : reason(failed);

	if (refusal == NULL)
		return answer;
	snprintf(error, error_size, "%s: %s", socket_path, refusal);
	json_decref(answer);
	return NULL;
}
