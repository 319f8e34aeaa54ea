/* A mirror of a store that says what each case wants: a list that is interrupted goes on behind what it had. */
#include "enforcer/etcd/mirror.h"

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
#include <systemd/sd-event.h>
#include <unistd.h>

enum { ANSWERS_MOST = 12, REQUEST_SIZE = 2048 };

/* Each connection has one request, and gets the next answer: a status, and a body. */
struct answer {
	const char *status, *body;
};

struct store {
	int listening;
	char url[64];
	const struct answer *answers; /* the last has no status: the connection stays open, without an answer */
	char requests[ANSWERS_MOST][REQUEST_SIZE];
	size_t count;
	pthread_t thread;
};

/* Reads headers and as much behind them as they say. */
static void read_request(int fd, char *request)
{
	size_t length = 0, whole = REQUEST_SIZE - 1;
	while (length < whole) {
		ssize_t got = read(fd, request + length, whole - length);
		if (got <= 0)
			return;
		length += (size_t)got;
		const char *end = strstr(request, "\r\n\r\n"), *size = strstr(request, "Content-Length: ");
		if (end != NULL && size != NULL)
			whole = (size_t)(end + 4 - request) + (size_t)atoi(size + strlen("Content-Length: "));
	}
}

static void *serve(void *context)
{
	struct store *store = context;
	for (const struct answer *answer = store->answers;; answer++) {
		int fd = accept(store->listening, NULL, NULL);
		if (fd < 0)
			return NULL;
		read_request(fd, store->requests[store->count++]);
		if (answer->status != NULL)
			dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", answer->status,
				strlen(answer->body), answer->body);
		char byte;
		while (answer->status == NULL && read(fd, &byte, 1) > 0)
			continue;
		close(fd);
		if (answer->status == NULL)
			return NULL;
	}
}

static void store_start(struct store *store, const struct answer *answers)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof address;
	*store = (struct store){.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answers = answers};
	assert_int_equal(bind(store->listening, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(store->listening, 4), 0);
	getsockname(store->listening, (struct sockaddr *)&address, &size);
	snprintf(store->url, sizeof store->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&store->thread, NULL, serve, store), 0);
}

/* What the mirror told: `L` a list, its keys, `!` a problem, `.` settled. */
struct heard {
	char text[128];
	sd_event *events;
};

static void add(struct heard *heard, const char *text)
{
	size_t length = strlen(heard->text);
	snprintf(heard->text + length, sizeof heard->text - length, "%s", text);
}

static void on_list(void *context, bool same, const char *store)
{
	(void)store;
	add(context, same ? "L=" : "L");
}

static void on_put(void *context, const char *key, const char *value, size_t length, int64_t revision)
{
	(void)value;
	(void)length;
	(void)revision;
	add(context, key);
}

static void on_removed(void *context, const char *key, int64_t revision)
{
	(void)key;
	(void)revision;
	add(context, "-");
}

static void on_settled(void *context)
{
	struct heard *heard = context;
	add(heard, ".");
	sd_event_exit(heard->events, 0);
}

static void on_problem(void *context, const char *text)
{
	if (text != NULL)
		add(context, "!");
}

#define KEY_A "L3IvdGhpbmdzL2E=" /* /r/things/a */
#define KEY_B "L3IvdGhpbmdzL2I="
#define HEADER(revision) "\"header\":{\"cluster_id\":\"1\",\"revision\":\"" revision "\"}"
#define PAIR(key) "{\"key\":\"" key "\",\"value\":\"eA==\",\"mod_revision\":\"5\"}"
#define IDENTITY(revision)                                                                \
	{                                                                                 \
		"200 OK", "{" HEADER(revision) ",\"kvs\":[" PAIR("L3IvaWRlbnRpdHk=") "]}" \
	}
#define FIRST_PAGE(revision)                                                               \
	{                                                                                  \
		"200 OK", "{" HEADER(revision) ",\"kvs\":[" PAIR(KEY_A) "],\"more\":true}" \
	}
#define LAST_PAGE(revision)                                                  \
	{                                                                    \
		"200 OK", "{" HEADER(revision) ",\"kvs\":[" PAIR(KEY_B) "]}" \
	}
#define ERROR(text)                                                                            \
	{                                                                                      \
		"503 Service Unavailable", "{\"error\":\"" text "\",\"message\":\"" text "\"}" \
	}

/* Follows the store until a list is settled. */
static void follow(struct store *store, struct heard *heard, const struct answer *answers)
{
	struct http_client *client;
	struct mirror *mirror;
	*heard = (struct heard){.events = NULL};
	store_start(store, answers);
	const char *endpoints[] = {store->url};
	const struct etcd_settings settings = {.endpoints = endpoints, .endpoint_count = 1, .prefix = "/r"};
	const struct mirror_calls calls = {.list = on_list,
					   .put = on_put,
					   .removed = on_removed,
					   .settled = on_settled,
					   .problem = on_problem,
					   .context = heard};
	assert_true(sd_event_new(&heard->events) >= 0);
	assert_int_equal(http_client_create(&client, heard->events), 0);
	struct etcd *etcd = etcd_create(client, &settings);
	assert_int_equal(mirror_create(&mirror, heard->events, etcd, "things/", &calls), 0);
	assert_true(sd_event_loop(heard->events) >= 0);
	mirror_destroy(mirror);
	etcd_destroy(etcd);
	http_client_destroy(client);
	sd_event_unref(heard->events);
	shutdown(store->listening, SHUT_RDWR);
	pthread_join(store->thread, NULL);
	close(store->listening);
}

static void a_list_goes_on_where_it_failed(void **state)
{
	static const struct answer answers[] = {IDENTITY("9"),	FIRST_PAGE("9"), ERROR("too busy"),
						IDENTITY("12"), LAST_PAGE("12"), {NULL, NULL}};
	struct store store;
	struct heard heard;
	(void)state;
	follow(&store, &heard, answers);
	assert_string_equal(heard.text, "La!b.");
	assert_non_null(strstr(store.requests[4], "\"revision\":\"9\"")); /* as of the first page */
	assert_non_null(strstr(store.requests[4], "L3IvdGhpbmdzL2EA"));	  /* behind its last key */
}

/* As large as values may be, so many of them fit into an answer. */
static void a_page_that_does_not_come_is_asked_for_in_parts(void **state)
{
	static const struct answer answers[] = {IDENTITY("9"), ERROR("large"), IDENTITY("9"), ERROR("large"),
						IDENTITY("9"), ERROR("large"), IDENTITY("9"), LAST_PAGE("9"),
						{NULL, NULL}};
	struct store store;
	struct heard heard;
	(void)state;
	follow(&store, &heard, answers);
	assert_string_equal(heard.text, "L!L!L!Lb.");
	assert_non_null(strstr(store.requests[1], "\"limit\":1000"));
	assert_non_null(strstr(store.requests[3], "\"limit\":250"));
	assert_non_null(strstr(store.requests[7], "\"limit\":16"));
}

static void a_list_begins_anew(const struct answer *answers)
{
	struct store store;
	struct heard heard;
	follow(&store, &heard, answers);
	assert_string_equal(heard.text, "La!Lab.");
	assert_null(strstr(store.requests[4], "\"revision\""));
}

static void a_list_that_the_store_forgot_begins_anew(void **state)
{
	static const struct answer answers[] = {
	    IDENTITY("9"),  FIRST_PAGE("9"),  ERROR("etcdserver: mvcc: required revision has been compacted"),
	    IDENTITY("12"), FIRST_PAGE("12"), LAST_PAGE("12"),
	    {NULL, NULL}};
	(void)state;
	a_list_begins_anew(answers);
}

static void a_list_of_another_store_begins_anew(void **state)
{
	static const struct answer answers[] = {IDENTITY("9"),	 FIRST_PAGE("9"), ERROR("gone"), IDENTITY("3"),
						FIRST_PAGE("3"), LAST_PAGE("3"),  {NULL, NULL}};
	(void)state;
	a_list_begins_anew(answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_list_goes_on_where_it_failed),
	    cmocka_unit_test(a_page_that_does_not_come_is_asked_for_in_parts),
	    cmocka_unit_test(a_list_that_the_store_forgot_begins_anew),
	    cmocka_unit_test(a_list_of_another_store_begins_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
