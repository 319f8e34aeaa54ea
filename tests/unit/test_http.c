/* HTTP in the event loop: many clients hold up nothing that enforces, nor what comes after that. */
#include "enforcer/service/http.h"
#include "enforcer/service/listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 4, TURNS = 400, SECONDS = 2 };

/* Asks without end. */
static _Noreturn void ask_for_ever(const char *path)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
			send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
		close(fd);
	}
}

/* Comes last in the loop, each time anew, as a check of the table in slices does. */
static int take_turn(sd_event_source *source, void *context)
{
	size_t *turns = context;
	return ++*turns == TURNS ? sd_event_exit(sd_event_source_get_event(source), 1) : 0;
}

static int give_up(sd_event_source *source, uint64_t usec, void *context)
{
	(void)usec;
	(void)context;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void clients_hold_up_nothing(void **state)
{
	char root[] = "/tmp/ringfence-http-XXXXXX", path[64];
	struct listen_address where;
	struct listener listener;
	struct http *http;
	sd_event *event;
	sd_event_source *last;
	pid_t clients[CLIENTS];
	size_t turns = 0;
	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof path, "%s/http.sock", root);
	assert_null(listen_address_read(&where, path));
	assert_int_equal(listener_open(&where, 64, &listener), 0);
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(http_create(&http, event, listener_take(&listener), NULL, 0, NULL), 0);
	assert_true(sd_event_add_defer(event, &last, take_turn, &turns) >= 0);
	sd_event_source_set_priority(last, SD_EVENT_PRIORITY_IDLE);
	sd_event_source_set_enabled(last, SD_EVENT_ON);
	sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, SECONDS * 1000000, 1, give_up, NULL);
	for (size_t i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		assert_true(clients[i] >= 0);
		if (clients[i] == 0)
			ask_for_ever(path);
	}
	usleep(100000);
	uint64_t before, after;
	sd_event_now(event, CLOCK_MONOTONIC, &before);
	int all = sd_event_loop(event);
	sd_event_now(event, CLOCK_MONOTONIC, &after);
	for (size_t i = 0; i < CLIENTS; i++) {
		kill(clients[i], SIGKILL);
		assert_int_equal(waitpid(clients[i], NULL, 0), clients[i]);
	}
	print_message("# %zu turns in %.2f s\n", turns, (double)(after - before) / 1e6);
	sd_event_source_unref(last);
	http_destroy(http);
	sd_event_unref(event);
	listener_close(&listener);
	rmdir(root);
	assert_int_equal(all, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clients_hold_up_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
