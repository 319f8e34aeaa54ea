/* The HTTP client against a server that says what each case wants, in the pieces that it wants. */
#include "enforcer/http_client/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* One connection: reads a request to its empty line (and what follows at once), sends the pieces, waits between them,
 * and closes when the client does or `closes`. */
struct server {
	int listening;
	uint16_t port;
	char path[64]; /* of a unix socket; empty: TCP */
	const char *pieces[8];
	size_t repeated; /* the last piece, so many times more */
	bool stays;	 /* open until the client closes */
	char request[4096];
	pthread_t thread;
};

static void send_all(int fd, const char *text)
{
	for (size_t length = strlen(text); length > 0;) {
		ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		text += sent;
		length -= (size_t)sent;
	}
}

static void *serve(void *context)
{
	struct server *server = context;
	int fd = accept(server->listening, NULL, NULL);
	size_t length = 0;
	while (strstr(server->request, "\r\n\r\n") == NULL) {
		ssize_t read_now = read(fd, server->request + length, sizeof server->request - 1 - length);
		if (read_now <= 0)
			break;
		length += (size_t)read_now;
	}
	const char *last = "";
	for (size_t i = 0; i < 8 && server->pieces[i] != NULL; i++) {
		send_all(fd, last = server->pieces[i]);
		usleep(20000);
	}
	for (size_t i = 0; i < server->repeated; i++)
		send_all(fd, last);
	char byte;
	while (server->stays && read(fd, &byte, 1) > 0)
		;
	close(fd);
	return NULL;
}

static void server_start(struct server *server)
{
	struct sockaddr_in internet = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	bool tcp = server->path[0] == 0;
	snprintf(local.sun_path, sizeof local.sun_path, "%s", server->path);
	server->listening = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listening, tcp ? (struct sockaddr *)&internet : (struct sockaddr *)&local,
			      tcp ? sizeof internet : sizeof local),
			 0);
	assert_int_equal(listen(server->listening, 4), 0);
	socklen_t size = sizeof internet;
	if (tcp)
		getsockname(server->listening, (struct sockaddr *)&internet, &size);
	server->port = ntohs(internet.sin_port);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_end(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->listening);
	if (server->path[0] != 0)
		unlink(server->path);
}

/* What a call heard. */
struct heard {
	sd_event *events;
	struct http_call *call;
	char lines[256]; /* each with a '|' behind it, the first ones */
	size_t line_count, cancel_at;
	int status, ends;
	char body[256], error[256];
	size_t length;
};

static void hear_line(void *context, const char *line, size_t length)
{
	struct heard *heard = context;
	assert_int_equal(strlen(line), length);
	if (strlen(heard->lines) + length + 2 < sizeof heard->lines)
		strcat(strcat(heard->lines, line), "|");
	if (++heard->line_count == heard->cancel_at) {
		http_cancel(heard->call);
		sd_event_exit(heard->events, 0);
	}
}

static void hear_end(void *context, const struct http_answer *answer)
{
	struct heard *heard = context;
	heard->status = answer->status;
	heard->length = answer->length;
	snprintf(heard->body, sizeof heard->body, "%s", answer->body);
	snprintf(heard->error, sizeof heard->error, "%s", answer->error != NULL ? answer->error : "");
	heard->ends++;
	sd_event_exit(heard->events, 0);
}

/* Asks the server, and returns when the call is over or was cancelled. `request` says what is not usual. */
static struct heard ask(struct server *server, struct http_request request, bool stream)
{
	struct heard heard = {0};
	struct http_client *client;
	char url[64];
	server_start(server);
	snprintf(url, sizeof url, "http://127.0.0.1:%d/thing", server->port);
	assert_true(sd_event_new(&heard.events) >= 0);
	assert_int_equal(http_client_create(&client, heard.events), 0);
	request.url = url;
	request.socket = server->path[0] != 0 ? server->path : NULL;
	request.line = stream ? hear_line : NULL;
	request.end = hear_end;
	request.context = &heard;
	request.most = request.most != 0 ? request.most : 1000;
	heard.cancel_at = request.body_length; /* of a stream, which has no body */
	heard.call = http_start(client, &request);
	assert_non_null(heard.call);
	assert_int_equal(heard.ends, 0);
	sd_event_loop(heard.events);
	http_client_destroy(client);
	sd_event_unref(heard.events);
	server_end(server);
	return heard;
}

#define HEAD "HTTP/1.1 200 OK\r\n"
#define LENGTH(n) "Content-Length: " #n "\r\n\r\n"
#define UNTIL_CLOSED "Connection: close\r\n\r\n"

static void a_body_is_given_whole(void **state)
{
	struct server server = {.pieces = {HEAD LENGTH(10), "hello", "world"}};
	struct heard heard = ask(&server, (struct http_request){0}, false);
	(void)state;
	assert_int_equal(heard.status, 200);
	assert_string_equal(heard.body, "helloworld");
	assert_string_equal(heard.error, "");
	assert_int_equal(heard.ends, 1);
	assert_non_null(strstr(server.request, "GET /thing HTTP/1.1"));
}

static void what_is_sent_is_what_was_asked_for(void **state)
{
	static const char *const headers[] = {"Authorization: token", NULL};
	struct server server = {.pieces = {HEAD LENGTH(0)}, .path = "/tmp/ringfence-http-client-test"};
	snprintf(server.path + strlen(server.path), 16, "%d", getpid());
	ask(&server, (struct http_request){.headers = headers, .body = "{\"a\":1}", .body_length = 7}, false);
	(void)state;
	assert_non_null(strstr(server.request, "POST /thing HTTP/1.1"));
	assert_non_null(strstr(server.request, "Authorization: token"));
	assert_non_null(strstr(server.request, "Content-Length: 7"));
	assert_non_null(strstr(server.request, "{\"a\":1}"));
}

static void a_body_that_is_cut_is_an_error(void **state)
{
	struct server server = {.pieces = {HEAD LENGTH(10), "hello"}};
	struct heard heard = ask(&server, (struct http_request){0}, false);
	(void)state;
	assert_string_not_equal(heard.error, "");
}

static void a_body_that_is_too_long_is_an_error(void **state)
{
	struct server server = {.pieces = {HEAD UNTIL_CLOSED, "0123456789"}, .repeated = 5000};
	struct heard heard = ask(&server, (struct http_request){0}, false);
	(void)state;
	assert_string_equal(heard.error, "the answer is longer than 1000 bytes");
	assert_true(heard.length <= 1000);
}

static void lines_come_as_they_are_whole(void **state)
{
	struct server server = {.pieces = {HEAD UNTIL_CLOSED "one\ntw", "o\r\n\nthr", "ee\n", "cut"}};
	struct heard heard = ask(&server, (struct http_request){0}, true);
	(void)state;
	assert_string_equal(heard.lines, "one|two||three|");
	assert_int_equal(heard.status, 200);
	assert_string_equal(heard.error, "");
	assert_int_equal(heard.ends, 1);
}

static void many_lines_all_come(void **state)
{
	struct server server = {.pieces = {HEAD UNTIL_CLOSED, "0123456789012345678\n"}, .repeated = 200000};
	struct heard heard = ask(&server, (struct http_request){0}, true);
	(void)state;
	assert_int_equal(heard.line_count, 200001);
	assert_string_equal(heard.error, "");
}

static void a_line_that_is_too_long_ends_the_stream(void **state)
{
	struct server server = {.pieces = {HEAD UNTIL_CLOSED "ok\n", "0123456789"}, .repeated = 50000};
	struct heard heard = ask(&server, (struct http_request){0}, true);
	(void)state;
	assert_string_equal(heard.lines, "ok|");
	assert_string_equal(heard.error, "the answer is longer than 1000 bytes in a line");
	assert_int_equal(heard.ends, 1);
}

static void a_stream_that_is_refused_has_a_body(void **state)
{
	struct server server = {.pieces = {"HTTP/1.1 403 Forbidden\r\n" LENGTH(5), "no\nno"}};
	struct heard heard = ask(&server, (struct http_request){0}, true);
	(void)state;
	assert_int_equal(heard.line_count, 0);
	assert_int_equal(heard.status, 403);
	assert_string_equal(heard.body, "no\nno");
}

static void who_cancels_hears_no_more(void **state)
{
	struct server server = {.pieces = {HEAD UNTIL_CLOSED "one\ntwo\nthree\n"}, .stays = true};
	struct heard heard = ask(&server, (struct http_request){.body_length = 2}, true);
	(void)state;
	assert_string_equal(heard.lines, "one|two|");
	assert_int_equal(heard.ends, 0);
}

static void silence_ends_a_stream(void **state)
{
	struct server server = {.pieces = {HEAD UNTIL_CLOSED "one\n"}, .stays = true};
	struct heard heard = ask(&server, (struct http_request){.silent_s = 1}, true);
	(void)state;
	assert_string_equal(heard.lines, "one|");
	assert_string_equal(heard.error, "the stream was silent for too long");
}

static void a_redirect_is_not_followed(void **state)
{
	struct server server = {.pieces = {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n" LENGTH(0)}};
	struct heard heard = ask(&server, (struct http_request){0}, false);
	(void)state;
	assert_int_equal(heard.status, 302);
}

/* Also a URL of another kind, which never reaches a server. */
static void what_cannot_be_asked_ends_with_an_error(void **state)
{
	static const char *const urls[] = {"http://127.0.0.1:1/", "file:///etc/passwd", "nonsense://x/", "",
					   "https://127.0.0.1:1/"};
	(void)state;
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		struct heard heard = {0};
		struct http_client *client;
		assert_true(sd_event_new(&heard.events) >= 0);
		assert_int_equal(http_client_create(&client, heard.events), 0);
		http_start(client,
			   &(struct http_request){.url = urls[i], .most = 1000, .end = hear_end, .context = &heard});
		assert_int_equal(heard.ends, 0);
		sd_event_loop(heard.events);
		assert_int_equal(heard.ends, 1);
		assert_int_equal(heard.status, 0);
		assert_string_not_equal(heard.error, "");
		http_client_destroy(client);
		sd_event_unref(heard.events);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_body_is_given_whole),
	    cmocka_unit_test(what_is_sent_is_what_was_asked_for),
	    cmocka_unit_test(a_body_that_is_cut_is_an_error),
	    cmocka_unit_test(a_body_that_is_too_long_is_an_error),
	    cmocka_unit_test(lines_come_as_they_are_whole),
	    cmocka_unit_test(many_lines_all_come),
	    cmocka_unit_test(a_line_that_is_too_long_ends_the_stream),
	    cmocka_unit_test(a_stream_that_is_refused_has_a_body),
	    cmocka_unit_test(who_cancels_hears_no_more),
	    cmocka_unit_test(silence_ends_a_stream),
	    cmocka_unit_test(a_redirect_is_not_followed),
	    cmocka_unit_test(what_cannot_be_asked_ends_with_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
