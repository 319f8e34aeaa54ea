/* The control socket, asked by real peers: the loop runs in a child, the peers here. */
#include "compiler/report/control_client.h"
#include "enforcer/service/audit.h"
#include "enforcer/service/commands.h"
#include "enforcer/service/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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

/* A group that nobody of this machine is in. */
enum { READERS = 4000001, OPERATORS = 4000002, STRANGER = 65534 };

struct fixture {
	char root[64], path[96];
	pid_t server;
	bool groups; /* readers and operators may come in */
};

static json_t *status(void *context, const struct access_peer *peer, json_t *request)
{
	(void)context;
	return json_pack("{s:i,s:s,s:i,s:O}", "version", 1, "state", "enforcing", "uid", (int)peer->uid, "request",
			 request);
}

static json_t *large(void *context, const struct access_peer *peer, json_t *request)
{
	char *text = malloc(LARGE + 1);
	json_t *made;

	(void)context, (void)peer, (void)request;
	memset(text, 'x', LARGE);
	text[LARGE] = '\0';
	made = json_pack("{s:i,s:s}", "version", 1, "text", text);
	free(text);
	return made;
}

/* What an operator does; asked for "fail" it does not. */
static json_t *act(void *context, const struct access_peer *peer, json_t *request)
{
	(void)context;
	if (json_object_get(request, "fail") != NULL)
		return control_refusal("it failed");
	return json_pack("{s:i,s:s}", "version", 1, "by", peer->user);
}

static const struct control_command commands[] = {
    {"status", ACCESS_READER, status},
    {"large", ACCESS_READER, large},
    {"act", ACCESS_OPERATOR, act},
};

static int on_term(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	(void)info, (void)context;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static struct control_setup setup_of(const char *path, const struct access_rules *rules, struct audit *audit)
{
	return (struct control_setup){path, commands, sizeof commands / sizeof *commands, rules, audit, NULL};
}

/* The server's whole life; `started` gets its first error, or 0. The audit log is beside the socket's directory. */
static int serve(const struct fixture *fixture, int started)
{
	struct access_group readers = {"readers", READERS}, operators = {"operators", OPERATORS};
	const struct access_rules groups = {{&readers, 1}, {&operators, 1}}, none = {0};
	struct control_setup setup = setup_of(fixture->path, fixture->groups ? &groups : &none, NULL);
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
	error = audit_open(&setup.audit, open(fixture->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (error == 0)
		error = control_create(&control, event, &setup);
	else
		control = NULL;
	if (write(started, &error, sizeof error) != sizeof error)
		return 1;
	if (error == 0)
		error = sd_event_loop(event);
	control_destroy(control);
	audit_close(setup.audit);
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
		exit(serve(fixture, pipe_fds[1]));
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
	snprintf(parent, sizeof parent, "%s/" AUDIT_FILE, fixture->root);
	unlink(parent);
	snprintf(parent, sizeof parent, "%s/" AUDIT_FILE ".1", fixture->root);
	unlink(parent);
	failed = rmdir(fixture->root) != 0 || failed;
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

/* ---- roles ---- */

/* Runs `call` as another user, whose only groups are these; returns its exit status. */
static int as_user(uid_t uid, gid_t gid, gid_t more, int (*call)(const struct fixture *), const struct fixture *fixture)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (setgroups(more != 0, &more) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
			_exit(99);
		_exit(call(fixture));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* 0: answered; 1: refused as no operator; 2: closed; 3: anything else. */
static int ask_for(const struct fixture *fixture, const char *command)
{
	char error[1024] = "";
	json_t *answer = control_ask(fixture->path, command, error, sizeof error);

	json_decref(answer);
	if (answer != NULL)
		return 0;
	if (strstr(error, "needs an operator: root or a member of operators; you are") != NULL)
		return 1;
	return strstr(error, "closed the connection") != NULL ? 2 : 3;
}

static int ask_status(const struct fixture *fixture)
{
	return ask_for(fixture, "status");
}

static int ask_act(const struct fixture *fixture)
{
	return ask_for(fixture, "act");
}

static void restart_with_groups(struct fixture *fixture)
{
	if (geteuid() != 0) {
		print_message("skipped: only root can become others\n");
		skip();
	}
	assert_int_equal(chmod(fixture->root, 0755), 0);
	stop(fixture, SIGTERM);
	fixture->groups = true;
	assert_int_equal(start(fixture), 0);
}

static void readers_may_ask_operators_may_act_others_get_nothing(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid, more;
		int status, act;
	} cases[] = {
	    {0, 0, 0, 0, 0},
	    {STRANGER, STRANGER, 0, 2, 2},
	    {STRANGER, READERS, 0, 0, 1},	 /* the primary group */
	    {STRANGER, STRANGER, READERS, 0, 1}, /* another one */
	    {STRANGER, STRANGER, OPERATORS, 0, 0},
	    {STRANGER, OPERATORS, READERS, 0, 0},
	    {STRANGER, STRANGER, READERS + 100, 2, 2},
	};
	struct fixture *fixture = *state;

	restart_with_groups(fixture);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(as_user(cases[i].uid, cases[i].gid, cases[i].more, ask_status, fixture),
				 cases[i].status);
		assert_int_equal(as_user(cases[i].uid, cases[i].gid, cases[i].more, ask_act, fixture), cases[i].act);
	}
}

/* Takes as many places as it gets, keeps them, and returns how many. */
static int take_places(const struct fixture *fixture)
{
	int open = 0, fds[CONTROL_CONNECTIONS_MAX];

	for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		fds[i] = connect_to(fixture);
	usleep(200000);
	for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
		char byte;
		open += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
	}
	if (fork() == 0) {
		sleep(2); /* and holds them */
		_exit(0);
	}
	return open;
}

static void no_user_takes_all_places(void **state)
{
	struct fixture *fixture = *state;
	char error[1024] = "";
	json_t *got;

	restart_with_groups(fixture);
	for (uid_t i = 0; i < 5; i++) /* 8, 8, 8, and no more for all of them */
		assert_int_equal(as_user(STRANGER - i, READERS, 0, take_places, fixture),
				 i < 3 ? CONTROL_CONNECTIONS_USER : 0);
	got = control_ask(fixture->path, "status", error, sizeof error);
	assert_string_equal(error, "");
	json_decref(got);
}

/* ---- the audit log ---- */

/* The lines of the log; the caller drops them. */
static json_t *audit_lines(const struct fixture *fixture, const char *name)
{
	char path[128], line[AUDIT_LINE_MAX];
	json_t *lines = json_array();
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", fixture->root, name);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		assert_int_equal(json_array_append_new(lines, json_loads(line, JSON_REJECT_DUPLICATES, NULL)), 0);
	if (file != NULL)
		fclose(file);
	return lines;
}

static const char *said(const json_t *lines, size_t line, const char *key)
{
	const char *text = json_string_value(json_object_get(json_array_get(lines, line), key));

	return text != NULL ? text : "";
}

static void every_act_is_in_the_log_with_who_what_and_outcome(void **state)
{
	struct fixture *fixture = *state;
	const char done[] = "{\"command\":\"act\",\"workload\":\"a\\nb\\u001b[2J\xc3\xa9\"}\n",
		   failed[] = "{\"command\":\"act\",\"fail\":1}\n";
	char got[1024];
	json_t *lines;

	restart_with_groups(fixture);
	raw(fixture, done, sizeof done - 1, got, sizeof got);
	raw(fixture, failed, sizeof failed - 1, got, sizeof got);
	assert_string_equal(got, "{\"version\":1,\"error\":\"it failed\"}\n");
	assert_int_equal(as_user(STRANGER, READERS, 0, ask_act, fixture), 1);
	assert_int_equal(as_user(STRANGER, READERS, 0, ask_status, fixture), 0); /* is no act */
	lines = audit_lines(fixture, AUDIT_FILE);
	assert_int_equal(json_array_size(lines), 3);
	assert_string_equal(said(lines, 0, "outcome"), "done");
	assert_string_equal(said(lines, 0, "command"), "act");
	assert_string_equal(said(lines, 0, "user"), "root");
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(json_array_get(lines, 0), "arguments"), "workload")),
	    "a\nb\x1b[2J\xc3\xa9");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(lines, 0), "pid")), getpid());
	assert_string_equal(said(lines, 1, "outcome"), "failed");
	assert_string_equal(said(lines, 1, "error"), "it failed");
	assert_string_equal(said(lines, 2, "outcome"), "refused");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(lines, 2), "uid")), STRANGER);
	json_decref(lines);
}

static void the_log_begins_anew_when_it_is_long(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	json_t *lines;

	snprintf(path, sizeof path, "%s/" AUDIT_FILE, fixture->root);
	assert_int_equal(truncate(path, AUDIT_BYTES_MAX), 0);
	assert_int_equal(ask_act(fixture), 0);
	lines = audit_lines(fixture, AUDIT_FILE);
	assert_int_equal(json_array_size(lines), 1);
	json_decref(lines);
	snprintf(path, sizeof path, "%s/" AUDIT_FILE ".1", fixture->root);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, AUDIT_BYTES_MAX);
}

/* Somebody took the log away: there is another, and nothing is written to where nobody looks. */
static void a_log_that_was_removed_is_made_again(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	json_t *lines;

	snprintf(path, sizeof path, "%s/" AUDIT_FILE, fixture->root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ask_act(fixture), 0);
	lines = audit_lines(fixture, AUDIT_FILE);
	assert_int_equal(json_array_size(lines), 1);
	json_decref(lines);
}

static void what_cannot_be_logged_is_not_done(void **state)
{
	struct fixture *fixture = *state;
	char path[128], error[1024] = "";

	snprintf(path, sizeof path, "%s/" AUDIT_FILE, fixture->root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* also root cannot write to that */
	assert_null(control_ask(fixture->path, "act", error, sizeof error));
	assert_non_null(strstr(error, "nothing was done, since audit.log cannot be written"));
	assert_int_equal(ask_status(fixture), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(ask_act(fixture), 0);
}

/* Who may not act cannot fill the log with that. */
static void refusals_are_written_so_often_and_counted(void **state)
{
	struct fixture *fixture = *state;
	enum { MORE = 5 };
	json_t *lines;
	long long left_out = 0;
	size_t count;

	restart_with_groups(fixture);
	for (int i = 0; i < AUDIT_REFUSED_A_MINUTE + MORE; i++)
		assert_int_equal(as_user(STRANGER, READERS, 0, ask_act, fixture), 1);
	assert_int_equal(ask_act(fixture), 0);
	lines = audit_lines(fixture, AUDIT_FILE);
	count = json_array_size(lines);
	for (size_t i = 0; i < count; i++)
		left_out += json_integer_value(json_object_get(json_array_get(lines, i), "left_out"));
	json_decref(lines);
	assert_int_equal(count - 1 + (size_t)left_out, AUDIT_REFUSED_A_MINUTE + MORE);
	assert_int_equal(count, AUDIT_REFUSED_A_MINUTE + 1);
}

/* Nor can who is refused for hours push out what others did: half of the file is theirs alone. */
static void refusals_never_begin_the_log_anew(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	struct stat status;

	restart_with_groups(fixture);
	snprintf(path, sizeof path, "%s/" AUDIT_FILE, fixture->root);
	assert_int_equal(truncate(path, AUDIT_BYTES_MAX / 2 + 1), 0);
	assert_int_equal(as_user(STRANGER, READERS, 0, ask_act, fixture), 1);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, AUDIT_BYTES_MAX / 2 + 1);
	assert_int_equal(ask_act(fixture), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_size > AUDIT_BYTES_MAX / 2 + 1);
}

/* Connects without end, and is closed each time. */
static _Noreturn void knock(const struct fixture *fixture)
{
	for (;;)
		close(connect_to(fixture));
}

/* What comes last in the loop, as readers do, has its turn while strangers knock. */
static void strangers_hold_up_no_reader(void **state)
{
	struct fixture *fixture = *state;
	enum { STRANGERS = 4, QUESTIONS = 20 };
	pid_t strangers[STRANGERS];
	struct timespec before, after;

	restart_with_groups(fixture);
	for (size_t i = 0; i < STRANGERS; i++) {
		strangers[i] = fork();
		assert_true(strangers[i] >= 0);
		if (strangers[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (setgroups(0, NULL) != 0 || setresgid(STRANGER, STRANGER, STRANGER) != 0 ||
			    setresuid(STRANGER, STRANGER, STRANGER) != 0)
				_exit(1);
			knock(fixture);
		}
	}
	usleep(100000);
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (int i = 0; i < QUESTIONS; i++)
		assert_int_equal(as_user(STRANGER, READERS, 0, ask_status, fixture), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	for (size_t i = 0; i < STRANGERS; i++) {
		kill(strangers[i], SIGKILL);
		assert_int_equal(waitpid(strangers[i], NULL, 0), strangers[i]);
	}
	double seconds = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	print_message("# %d questions in %.2f s\n", QUESTIONS, seconds);
	assert_true(seconds < 5);
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
	const struct access_rules none = {0};
	struct control_setup setup = setup_of(path, &none, NULL);
	assert_int_equal(control_create(&control, event, &setup), -ENAMETOOLONG);
	setup.path = "";
	assert_int_equal(control_create(&control, event, &setup), -EINVAL);
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

static void each_command_of_the_daemon_stands_once(void **state)
{
	(void)state;
	assert_true(control_command_count > 0);
	for (size_t i = 0; i < control_command_count; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(control_commands[j].name, control_commands[i].name);
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
	    CASE(readers_may_ask_operators_may_act_others_get_nothing),
	    CASE(no_user_takes_all_places),
	    CASE(every_act_is_in_the_log_with_who_what_and_outcome),
	    CASE(the_log_begins_anew_when_it_is_long),
	    CASE(a_log_that_was_removed_is_made_again),
	    CASE(what_cannot_be_logged_is_not_done),
	    CASE(refusals_are_written_so_often_and_counted),
	    CASE(refusals_never_begin_the_log_anew),
	    CASE(strangers_hold_up_no_reader),
	    CASE(silent_peers_are_closed_and_others_wait_for_their_turn),
	    CASE(peer_that_reads_nothing_holds_up_nobody),
	    CASE(second_daemon_is_refused),
	    CASE(stale_socket_is_replaced),
	    CASE(file_that_is_no_socket_is_left_alone),
	    CASE(long_paths_are_refused),
	    CASE(client_bounds_time_and_size),
	    cmocka_unit_test(each_command_of_the_daemon_stands_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
