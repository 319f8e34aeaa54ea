/* The control socket, asked by real peers: the loop runs in a child, the peers here. */
#include "compiler/report/control_client.h"
#include "enforcer/service/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LARGE (4 * 1024 * 1024)

struct fixture {
	char root[64], path[96];
	pid_t server;
};

static json_t *answer(void *context, const char *command, json_t *request)
{
	char *large;
	json_t *made;

	(void)context;
	if (strcmp(command, "status") == 0)
		return json_pack("{s:i,s:s,s:O}", "version", 1, "state", "enforcing", "request", request);
	if (strcmp(command, "large") != 0)
		return NULL;
	large = malloc(LARGE + 1);
	memset(large, 'x', LARGE);
	large[LARGE] = '\0';
	made = json_pack("{s:i,s:s}", "version", 1, "text", large);
	free(large);
	return made;
}

static int on_term(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	(void)info, (void)context;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* The server's whole life; `started` gets its first error, or 0. */
static int serve(const char *path, int started)
{
	struct control *control;
	sd_event *event;
	sigset_t set;
	int error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (sd_event_new(&event) < 0 || sd_event_add_signal(event, NULL, SIGTERM, on_term, NULL) < 0)
		return 1;
	error = control_create(&control, event, path, answer, NULL);
	if (write(started, &error, sizeof error) != sizeof error)
		return 1;
	if (error == 0)
		error = sd_event_loop(event);
	control_destroy(control);
	sd_event_unref(event);
	return error == 0 ? 0 : 1;
}

/* Returns what control_create said in a new process, which goes on serving if that is 0. */
static int start(struct fixture *fixture)
{
	int pipe_fds[2], error = -EPIPE;

	assert_int_equal(pipe(pipe_fds), 0);
	fixture->server = fork();
	assert_true(fixture->server >= 0);
	if (fixture->server == 0) {
		close(pipe_fds[0]);
		exit(serve(fixture->path, pipe_fds[1]));
	}
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &error, sizeof error), sizeof error);
	close(pipe_fds[0]);
	return error;
}

static int stop(struct fixture *fixture, int signal)
{
	int status;

	kill(fixture->server, signal);
	assert_int_equal(waitpid(fixture->server, &status, 0), fixture->server);
	return status;
}

static int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	strcpy(fixture->root, "/tmp/ringfence-control-XXXXXX");
	if (mkdtemp(fixture->root) == NULL || chmod(fixture->root, 0755) != 0)
		return -1;
	snprintf(fixture->path, sizeof fixture->path, "%s/run/control.sock", fixture->root);
	*state = fixture;
	return start(fixture);
}

/* The server ends well (with sanitizers: without a leak) and takes its socket away. */
static int end(void **state)
{
	struct fixture *fixture = *state;
	char parent[96];
	int status = stop(fixture, SIGTERM), failed;

	failed = status != 0 || access(fixture->path, F_OK) == 0;
	unlink(fixture->path);
	snprintf(parent, sizeof parent, "%s/run", fixture->root);
	rmdir(parent);
	rmdir(fixture->root);
	free(fixture);
	return failed ? -1 : 0;
}

static int connect_to(const struct fixture *fixture)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, fixture->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

/* Reads to the end, or to the end of the buffer. Returns the bytes, or -1 after `seconds` without the end. */
static ssize_t read_all(int fd, char *bytes, size_t size, int seconds)
{
	size_t length = 0;

	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (length == size || poll(&poll_fd, 1, seconds * 1000) != 1)
			return -1;
		n = read(fd, bytes + length, size - length);
		if (n <= 0) { /* a reset counts as the end: the server had not read all when it closed */
			bytes[length] = '\0';
			return (ssize_t)length;
		}
		length += (size_t)n;
	}
}

/* Sends bytes, and returns what comes back as a text in `bytes`. */
static const char *raw(const struct fixture *fixture, const char *request, size_t length, char *bytes, size_t size)
{
	int fd = connect_to(fixture);

	assert_true(send(fd, request, length, MSG_NOSIGNAL) >= 0);
	if (read_all(fd, bytes, size, 3) < 0)
		fail_msg("no answer within 3 seconds");
	close(fd);
	return bytes;
}

static void command_is_answered(void **state)
{
	struct fixture *fixture = *state;
	char error[256] = "";
	json_t *got = control_ask(fixture->path, "status", error, sizeof error);

	assert_string_equal(error, "");
	assert_string_equal(json_string_value(json_object_get(got, "state")), "enforcing");
	assert_string_equal(json_string_value(json_object_get(json_object_get(got, "request"), "command")), "status");
	json_decref(got);
}

static void unknown_command_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char error[256] = "", expected[256];

	assert_null(control_ask(fixture->path, "explode", error, sizeof error));
	snprintf(expected, sizeof expected, "%s: unknown command", fixture->path);
	assert_string_equal(error, expected);
}

static void answer_larger_than_a_socket_buffer_arrives_whole(void **state)
{
	struct fixture *fixture = *state;
	char error[256];
	json_t *got = control_ask(fixture->path, "large", error, sizeof error);

	assert_int_equal(json_string_length(json_object_get(got, "text")), LARGE);
	json_decref(got);
}

static void malformed_requests_are_refused_in_words(void **state)
{
	static const char *const requests[] = {
	    "\n",
	    "{}\n",
	    "[]\n",
	    "status\n",
	    "{\"command\":1}\n",
	    "{\"command\":\"status\",\"command\":\"large\"}\n",
	    "{\"command\":\"status\\u0000\"}\n",
	    "{\"command\":\"\xff\"}\n",
	    "{\"command\":\"status\"} x\n",
	};
	char got[1024];

	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
		assert_string_equal(
		    raw(*state, requests[i], strlen(requests[i]), got, sizeof got),
		    "{\"version\":1,\"error\":\"a request is one line of JSON, an object with the string "
		    "\\\"command\\\"\"}\n");
}

static void request_may_fill_its_bytes_and_no_more(void **state)
{
	char request[CONTROL_REQUEST_MAX + 1], got[8192];
	const char head[] = "{\"command\":\"status\"";

	memset(request, ' ', sizeof request);
	memcpy(request, head, sizeof head - 1);
	request[CONTROL_REQUEST_MAX - 2] = '}';
	request[CONTROL_REQUEST_MAX - 1] = '\n';
	raw(*state, request, CONTROL_REQUEST_MAX, got, sizeof got);
	assert_non_null(strstr(got, "enforcing"));
	request[CONTROL_REQUEST_MAX - 1] = ' ';
	request[CONTROL_REQUEST_MAX] = '\n';
	raw(*state, request, CONTROL_REQUEST_MAX + 1, got, sizeof got);
	assert_string_equal(got, "{\"version\":1,\"error\":\"a request has at most 4096 bytes\"}\n");
}

static void request_may_come_in_pieces(void **state)
{
	const char request[] = "{\"command\":\"status\"}\n";
	int fd = connect_to(*state);
	char got[1024];

	for (size_t i = 0; i < sizeof request - 1; i++) {
		assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
		usleep(1000);
	}
	assert_true(read_all(fd, got, sizeof got, 3) > 0);
	assert_non_null(strstr(got, "enforcing"));
	close(fd);
}

static void only_the_first_line_is_answered(void **state)
{
	const char request[] = "{\"command\":\"status\"}\n{\"command\":\"status\"}\n";
	char got[1024];

	raw(*state, request, sizeof request - 1, got, sizeof got);
	assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
}

static void socket_is_for_its_owner_in_a_directory_made_for_it(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	char parent[96];

	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	snprintf(parent, sizeof parent, "%s/run", fixture->root);
	assert_int_equal(stat(parent, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0755);
}

static void stranger_is_closed_without_a_word(void **state)
{
	struct fixture *fixture = *state;
	char error[256] = "";
	int status;
	pid_t child;

	if (geteuid() != 0) {
		print_message("skipped: only root can become a stranger\n");
		skip();
	}
	assert_int_equal(chmod(fixture->path, 0666), 0); /* the mode is not what keeps him out */
	child = fork();
	if (child == 0) {
		if (setuid(65534) != 0)
			_exit(2);
		_exit(control_ask(fixture->path, "status", error, sizeof error) == NULL &&
			      strstr(error, "closed the connection") != NULL
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void silent_peers_are_closed_and_others_wait_for_their_turn(void **state)
{
	struct fixture *fixture = *state;
	int fds[CONTROL_CONNECTIONS_MAX], late;
	const char request[] = "{\"command\":\"status\"}\n";
	struct timespec before, after;
	char got[1024];

	for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		fds[i] = connect_to(fixture);
	clock_gettime(CLOCK_MONOTONIC, &before);
	usleep(200000);
	late = connect_to(fixture);
	assert_int_equal(send(late, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
	assert_int_equal(read_all(late, got, sizeof got, 1), -1); /* all places are taken */
	assert_true(read_all(late, got, sizeof got, 8) > 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_non_null(strstr(got, "enforcing"));
	assert_in_range(after.tv_sec - before.tv_sec, CONTROL_SECONDS - 1, CONTROL_SECONDS + 2);
	for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
		assert_int_equal(read_all(fds[i], got, sizeof got, 2), 0);
		close(fds[i]);
	}
	close(late);
}

static void peer_that_reads_nothing_holds_up_nobody(void **state)
{
	struct fixture *fixture = *state;
	const char request[] = "{\"command\":\"large\"}\n";
	int fd = connect_to(fixture);
	char error[256] = "";
	json_t *got;

	assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
	usleep(50000);
	got = control_ask(fixture->path, "status", error, sizeof error);
	assert_non_null(got);
	json_decref(got);
	close(fd); /* in the middle of the answer: no SIGPIPE, as end() sees */
	usleep(50000);
}

static void second_daemon_is_refused(void **state)
{
	struct fixture *fixture = *state, second = *fixture;
	char error[256];
	json_t *got;

	assert_int_equal(start(&second), -EADDRINUSE);
	stop(&second, SIGTERM);
	got = control_ask(fixture->path, "status", error, sizeof error);
	assert_non_null(got);
	json_decref(got);
}

static void stale_socket_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	char error[256] = "";
	json_t *got;

	stop(fixture, SIGKILL);
	assert_int_equal(access(fixture->path, F_OK), 0);
	assert_null(control_ask(fixture->path, "status", error, sizeof error));
	assert_non_null(strstr(error, "no daemon listens here"));
	assert_int_equal(start(fixture), 0);
	got = control_ask(fixture->path, "status", error, sizeof error);
	assert_non_null(got);
	json_decref(got);
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
	struct fixture *fixture = *state, second = *fixture;
	FILE *file;

	snprintf(second.path, sizeof second.path, "%s/precious", fixture->root);
	file = fopen(second.path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(start(&second), -EEXIST);
	stop(&second, SIGTERM);
	assert_int_equal(unlink(second.path), 0);
}

static void long_paths_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct control *control;
	char path[200], error[300];
	sd_event *event;

	(void)fixture;
	memset(path, 'x', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(control_create(&control, event, path, answer, NULL), -ENAMETOOLONG);
	assert_int_equal(control_create(&control, event, "", answer, NULL), -EINVAL);
	sd_event_unref(event);
	assert_null(control_ask(path, "status", error, sizeof error));
	control_destroy(NULL);
}

/* A peer on the socket that answers with `text`, whatever it is asked, and then says nothing more. */
static pid_t wrong_daemon(const struct fixture *fixture, const char *text, size_t length, unsigned times)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t child;

	strcpy(address.sun_path, fixture->path);
	unlink(fixture->path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 1), 0);
	child = fork();
	if (child == 0) {
		int fd = accept(listener, NULL, NULL);

		while (times-- > 0 && send(fd, text, length, MSG_NOSIGNAL) > 0)
			;
		pause();
	}
	close(listener);
	return child;
}

static void client_bounds_time_and_size(void **state)
{
	static char megabyte[1024 * 1024];
	static const struct {
		const char *text;
		size_t length;
		unsigned times;
		const char *expected;
	} cases[] = {
	    {"{", 1, 1, "no answer within 5 seconds"},
	    {megabyte, sizeof megabyte, 20, "the answer is larger than 16 MB"},
	    {"[1]\n", 4, 1, "the answer is no JSON object"},
	    {"{\"version\":1\n", 13, 1, "the answer is no JSON object"},
	};
	struct fixture *fixture = *state, other = *fixture;
	char error[256];

	snprintf(other.path, sizeof other.path, "%s/wrong", fixture->root);
	memset(megabyte, ' ', sizeof megabyte);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		pid_t child = wrong_daemon(&other, cases[i].text, cases[i].length, cases[i].times);

		assert_null(control_ask(other.path, "status", error, sizeof error));
		assert_non_null(strstr(error, cases[i].expected));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	unlink(other.path);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    CASE(command_is_answered),
	    CASE(unknown_command_is_refused),
	    CASE(answer_larger_than_a_socket_buffer_arrives_whole),
	    CASE(malformed_requests_are_refused_in_words),
	    CASE(request_may_fill_its_bytes_and_no_more),
	    CASE(request_may_come_in_pieces),
	    CASE(only_the_first_line_is_answered),
	    CASE(socket_is_for_its_owner_in_a_directory_made_for_it),
	    CASE(stranger_is_closed_without_a_word),
	    CASE(silent_peers_are_closed_and_others_wait_for_their_turn),
	    CASE(peer_that_reads_nothing_holds_up_nobody),
	    CASE(second_daemon_is_refused),
	    CASE(stale_socket_is_replaced),
	    CASE(file_that_is_no_socket_is_left_alone),
	    CASE(long_paths_are_refused),
	    CASE(client_bounds_time_and_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
