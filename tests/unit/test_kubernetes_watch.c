/* What is asked of an API, one request after the other, for what it answered to those before; and what is heard. The
 * server is one that closes each connection behind its answer. */
#include "enforcer/sources/kubernetes_watch.h"

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
#include <unistd.h>

enum { ANSWERS_MOST = 8, TEXT_SIZE = 4096 };

#define HEAD(status) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define OK HEAD("200 OK")
#define GONE HEAD("410 Gone") "{\"kind\": \"Status\", \"message\": \"too old\", \"reason\": \"Expired\", \"code\": 410}"
#define LIST(version, more, items)                                                                                    \
	OK "{\"kind\": \"PodList\", \"apiVersion\": \"v1\", \"metadata\": {\"resourceVersion\": \"" version "\"" more \
	   "}, \"items\": " items "}"
#define POD(name, version)                                                                                   \
	"{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"metadata\": {\"namespace\": \"s\", \"name\": \"" name \
	"\", \"resourceVersion\": \"" version "\"}}"
#define EVENT(type, object) "{\"type\": \"" type "\", \"object\": " object "}\n"
#define SILENT "\x01" /* at an answer's end: the connection stays open */

/* Until `asked` requests came and the last was answered: what was asked, and what was heard. */
static const struct test {
	const char *true_is;
	const char *answers[ANSWERS_MOST];
	const char *asked, *heard;
} tests[] = {
    {"a list of two pages, and a watch from the first",
     {LIST("5", ", \"continue\": \"p/2\"", "[" POD("a", "3") "]"), LIST("6", "", "[" POD("b", "4") "]"),
      OK EVENT("ADDED", POD("c", "7")) EVENT("DELETED", POD("a", "8")) SILENT},
     "list; list p%2F2; watch 5; ",
     "begun a b listed well well +c -a "},
    {"an empty list may have no entries",
     {LIST("5", "", "null"), OK SILENT},
     "list; watch 5; ",
     "begun listed well well "},
    {"a bookmark moves the place where a watch goes on",
     {LIST("5", "", "[]"), OK EVENT("BOOKMARK", "{\"kind\": \"Pod\", \"metadata\": {\"resourceVersion\": \"9\"}}"),
      OK EVENT("MODIFIED", POD("a", "10")) SILENT},
     "list; watch 5; watch 9; ",
     "begun listed well well well +a "},
    {"a line without an end is none",
     {LIST("5", "", "[]"), OK EVENT("ADDED", POD("a", "6")) "{\"type\": \"DELETED\", \"obj", OK SILENT},
     "list; watch 5; watch 6; ",
     "begun listed well well +a well "},
    {"a page that is too old: the list anew, from its beginning",
     {LIST("5", ", \"continue\": \"x\"", "[" POD("a", "3") "]"), GONE, LIST("9", "", "[]"), OK SILENT},
     "list; list x; list; watch 9; ",
     "begun a ill begun listed well well "},
    {"a watch that is too old from its start: the list anew",
     {LIST("5", "", "[]"), GONE, LIST("9", "", "[]"), OK SILENT},
     "list; watch 5; list; watch 9; ",
     "begun listed well begun listed well well "},
    {"and one that becomes so",
     {LIST("5", "", "[]"), OK EVENT("ERROR", "{\"kind\": \"Status\", \"code\": 410}"), LIST("9", "", "[]"), OK SILENT},
     "list; watch 5; list; watch 9; ",
     "begun listed well well begun listed well well "},
    {"another error of a watch is told, and it goes on",
     {LIST("5", "", "[]"), OK EVENT("ERROR", "{\"kind\": \"Status\", \"code\": 500, \"message\": \"etcd\"}"),
      OK SILENT},
     "list; watch 5; watch 5; ",
     "begun listed well well ill well "},
    {"nonsense ends a watch, and comes again; at the third time all is listed",
     {LIST("5", "", "[]"), OK "{]\n", OK EVENT("ADDED", "7"), OK EVENT("EVICTED", POD("a", "6")), LIST("9", "", "[]"),
      OK SILENT},
     "list; watch 5; watch 5; watch 5; list; watch 9; ",
     "begun listed well well ill ill ill begun listed well well "},
    {"nonsense behind what makes sense",
     {LIST("5", "", "[]"), OK EVENT("ADDED", POD("a", "6")) "nonsense\n" EVENT("ADDED", POD("b", "7")),
      OK EVENT("ADDED", POD("b", "7")) SILENT},
     "list; watch 5; watch 6; ",
     "begun listed well well +a ill +b well "},
    {"a list that is not believed is asked for anew",
     {LIST("5", "", "[" POD("doubt", "3") "]"), LIST("5", "", "[" POD("a", "3") "]"), OK SILENT},
     "list; list; watch 5; ",
     "begun doubt listed ill begun a listed well well "},
    {"lists that make no sense",
     {OK "<html>", OK "{\"kind\": \"NodeList\", \"metadata\": {\"resourceVersion\": \"1\"}, \"items\": []}",
      OK "{\"kind\": \"PodList\", \"metadata\": {}, \"items\": []}", LIST("", "", "[]"), LIST("5", "", "{}"),
      LIST("5", "", "[]"), OK SILENT},
     "list; list; list; list; list; list; watch 5; ",
     "begun ill begun ill begun ill begun ill begun ill begun listed well well "},
    {"what the server says of itself",
     {HEAD("403 Forbidden") "{\"kind\": \"Status\", \"message\": \"pods is forbidden\", \"code\": 403}",
      HEAD("500 Oops") "oops", HEAD("401 Unauthorized"), LIST("5", "", "[]"), HEAD("503 No"), OK SILENT},
     "list; list; list; list; watch 5; watch 5; ",
     "begun ill begun ill begun ill begun listed well ill well "},
    {"a watch that is silent is followed by another, without a word; the third time by a list",
     {LIST("5", "", "[]"), OK SILENT, OK SILENT, OK SILENT, LIST("9", "", "[]"), OK SILENT},
     "list; watch 5; watch 5; watch 5; list; watch 9; ",
     "begun listed well well well well begun listed well well "},
};

struct fixture {
	const struct test *test;
	int listening, open[ANSWERS_MOST];
	size_t open_count;
	char url[64], token[64], asked[TEXT_SIZE], heard[TEXT_SIZE];
	pthread_t thread;
	sd_event *events;
	struct kubernetes_watch *watch;
	int done[2]; /* a pipe: the last request was answered */
	bool doubt;
};

/* ---- the server ---- */

/* Notes a request in short: `list PAGE` or `watch VERSION`. */
static void note_request(struct fixture *f, const char *request)
{
	const char *version = strstr(request, "&resourceVersion="), *next = strstr(request, "&continue=");
	bool watch = strstr(request, "GET /api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=") == request;
	bool list = strstr(request, "GET /api/v1/pods?limit=250") == request;
	bool known = strstr(request, "\r\nAuthorization: Bearer secret\r\n") != NULL;
	const char *value = watch && version != NULL ? version + 17 : list && next != NULL ? next + 10 : NULL;
	size_t length = strlen(f->asked);
	snprintf(f->asked + length, TEXT_SIZE - length, "%s%s%s%.*s; ", known ? "" : "nobody: ",
		 watch	? "watch"
		 : list ? "list"
			: "?",
		 value != NULL ? " " : "", value != NULL ? (int)strcspn(value, " &") : 0, value != NULL ? value : "");
}

static void *serve(void *context)
{
	struct fixture *f = context;
	for (size_t i = 0; i < ANSWERS_MOST && f->test->answers[i] != NULL; i++) {
		const char *answer = f->test->answers[i];
		char request[TEXT_SIZE] = "";
		size_t length = 0, size = strlen(answer);
		bool silent = answer[size - 1] == SILENT[0];
		int fd = accept(f->listening, NULL, NULL);
		while (fd >= 0 && strstr(request, "\r\n\r\n") == NULL) {
			ssize_t got = read(fd, request + length, sizeof request - 1 - length);
			if (got <= 0)
				break;
			length += (size_t)got;
			request[length] = 0;
		}
		note_request(f, request);
		if (send(fd, answer, size - silent, MSG_NOSIGNAL) < 0)
			break;
		if (silent)
			f->open[f->open_count++] = fd;
		else
			close(fd);
	}
	usleep(100000); /* what was sent last is to be heard */
	if (write(f->done[1], "", 1) != 1)
		abort();
	return NULL;
}

/* ---- what is heard ---- */

static void hear(struct fixture *f, const char *before, const char *text)
{
	size_t length = strlen(f->heard);
	snprintf(f->heard + length, TEXT_SIZE - length, "%s%s ", before, text);
}

static const char *name_of(const json_t *object)
{
	const char *name = json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));
	return name != NULL ? name : "?";
}

static void on_begun(void *context, enum kubernetes_kind kind)
{
	(void)kind;
	hear(context, "", "begun");
}

static void on_item(void *context, enum kubernetes_kind kind, const json_t *object)
{
	struct fixture *f = context;
	(void)kind;
	f->doubt = strcmp(name_of(object), "doubt") == 0;
	hear(f, "", name_of(object));
}

static const char *on_listed(void *context, enum kubernetes_kind kind)
{
	struct fixture *f = context;
	(void)kind;
	hear(f, "", "listed");
	return f->doubt ? "it cannot be" : NULL;
}

static void on_whole(void *context, enum kubernetes_kind kind)
{
	struct fixture *f = context;
	(void)kind;
	kubernetes_watch_follow(f->watch);
}

static void on_changed(void *context, enum kubernetes_kind kind, const json_t *object)
{
	(void)kind;
	hear(context, "+", name_of(object));
}

static void on_gone(void *context, enum kubernetes_kind kind, const json_t *object)
{
	(void)kind;
	hear(context, "-", name_of(object));
}

static void on_problem(void *context, enum kubernetes_kind kind, const char *text)
{
	(void)kind;
	hear(context, "", text != NULL ? "ill" : "well");
}

static int on_done(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source;
	(void)fd;
	(void)events;
	return sd_event_exit(context, 0);
}

/* ---- each case ---- */

static void run(struct fixture *f, const struct test *test)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof address;
	struct http_client *client;
	*f = (struct fixture){.test = test, .token = "/tmp/ringfence-token.XXXXXX"};
	f->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listening, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(f->listening, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(listen(f->listening, 8), 0);
	snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	int token = mkstemp(f->token);
	assert_int_equal(write(token, "secret\n", 7), 7);
	close(token);
	assert_int_equal(pipe(f->done), 0);
	assert_int_equal(sd_event_new(&f->events), 0);
	assert_int_equal(http_client_create(&client, f->events), 0);
	assert_true(sd_event_add_io(f->events, NULL, f->done[0], 1, on_done, f->events) >= 0);
	const struct kubernetes_server server = {.url = f->url, .token = f->token};
	f->watch = kubernetes_watch_create(&(struct kubernetes_watch_setup){.events = f->events,
									    .client = client,
									    .server = &server,
									    .kind = KUBERNETES_PODS,
									    .silent_seconds = 1,
									    .begun = on_begun,
									    .item = on_item,
									    .listed = on_listed,
									    .whole = on_whole,
									    .changed = on_changed,
									    .gone = on_gone,
									    .problem = on_problem,
									    .context = f});
	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
	assert_int_equal(sd_event_loop(f->events), 0);
	pthread_join(f->thread, NULL);
	kubernetes_watch_destroy(f->watch);
	http_client_destroy(client);
	sd_event_unref(f->events);
	for (size_t i = 0; i < f->open_count; i++)
		close(f->open[i]);
	close(f->listening);
	close(f->done[0]);
	close(f->done[1]);
	unlink(f->token);
}

static void each_answer_is_followed_by_what_it_calls_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		static struct fixture f;
		run(&f, &tests[i]);
		if (strcmp(f.asked, tests[i].asked) != 0 || strcmp(f.heard, tests[i].heard) != 0)
			fail_msg("%s:\nasked %s\nwant  %s\nheard %s\nwant  %s", tests[i].true_is, f.asked,
				 tests[i].asked, f.heard, tests[i].heard);
	}
}

int main(void)
{
	const struct CMUnitTest list[] = {cmocka_unit_test(each_answer_is_followed_by_what_it_calls_for)};
	return cmocka_run_group_tests(list, NULL, NULL);
}
