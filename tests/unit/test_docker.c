/* The source of containers against an engine that errs, lies and goes away, as a real one does seldom. */
#include "enforcer/sources/docker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbb"
#define CONTAINER(id, address)                                                                                \
	"{\"Id\":\"" id "\",\"Name\":\"/c\",\"Image\":\"\",\"State\":{\"Status\":\"running\"},\"Config\":{}," \
	"\"NetworkSettings\":{\"Networks\":{\"n\":{\"IPAddress\":\"" address "\"}}}}"
#define NETWORKS "[{\"Name\":\"n\",\"Driver\":\"bridge\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.1.0.0/24\"}]}}]"
#define BOTH "[{\"Id\":\"" A "\"},{\"Id\":\"" B "\"}]"

enum { NETWORKS_ANSWER, LIST_ANSWER, A_ANSWER, B_ANSWER, ANSWERS };

static const char *const paths[ANSWERS] = {"/networks", "/containers/json", "/containers/" A "/json",
					   "/containers/" B "/json"};

/* An engine: each answer as the test wants it. */
struct engine {
	char path[64];
	int listening, events; /* events: the connection of who follows; -1: nobody */
	pthread_t thread;
	pthread_mutex_t lock;
	bool over;
	struct {
		int status;
		const char *body;
		const char *event; /* told before the answer is given */
		unsigned asked;
	} answers[ANSWERS];
};

struct fixture {
	struct engine engine;
	sd_event *events;
	struct http_client *client;
	struct docker *docker;
	struct docker_settings settings;
	bool told_all, has[2]; /* of A and B */
	unsigned tellings;
	char problem[512];
};

static void send_text(int fd, const char *text)
{
	assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void answer(struct engine *engine, int fd, const char *request)
{
	char head[256];
	if (strstr(request, "GET /events?") == request) {
		if (engine->events >= 0)
			close(engine->events);
		engine->events = fd;
		send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
		return;
	}
	for (size_t i = 0; i < ANSWERS; i++) {
		size_t length = strlen(paths[i]);
		if (strncmp(request + 4, paths[i], length) != 0 || request[4 + length] != ' ')
			continue;
		engine->answers[i].asked++;
		if (engine->answers[i].event != NULL) {
			send_text(engine->events, engine->answers[i].event);
			engine->answers[i].event = NULL;
			pthread_mutex_unlock(&engine->lock);
			usleep(100000);
			pthread_mutex_lock(&engine->lock);
		}
		snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
			 engine->answers[i].status, strlen(engine->answers[i].body));
		send_text(fd, head);
		send_text(fd, engine->answers[i].body);
	}
	close(fd);
}

static void *serve(void *context)
{
	struct engine *engine = context;
	for (int fd; (fd = accept(engine->listening, NULL, NULL)) >= 0;) {
		char request[4096] = "";
		size_t length = 0;
		while (strstr(request, "\r\n\r\n") == NULL) {
			ssize_t got = read(fd, request + length, sizeof request - 1 - length);
			if (got <= 0)
				break;
			length += (size_t)got;
		}
		pthread_mutex_lock(&engine->lock);
		bool over = engine->over;
		if (!over && length > 0)
			answer(engine, fd, request);
		else
			close(fd);
		pthread_mutex_unlock(&engine->lock);
		if (over)
			break;
	}
	return NULL;
}

static void set_answer(struct fixture *f, size_t which, int status, const char *body)
{
	pthread_mutex_lock(&f->engine.lock);
	f->engine.answers[which].status = status;
	f->engine.answers[which].body = body;
	pthread_mutex_unlock(&f->engine.lock);
}

/* A line of the stream of events, of what happens now. */
static const char *event_text(const char *action, const char *id)
{
	static char text[512];
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(text, sizeof text,
		 "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\"},\"timeNano\":%lld}\n", action, id,
		 (long long)(now.tv_sec + 5) * 1000000000);
	return text;
}

static void send_event(struct fixture *f, const char *text)
{
	pthread_mutex_lock(&f->engine.lock);
	send_text(f->engine.events, text);
	pthread_mutex_unlock(&f->engine.lock);
}

/* ---- what is told ---- */

static void on_tell(void *context, const struct told *items, size_t count, bool all)
{
	struct fixture *f = context;
	f->tellings++;
	f->told_all = f->told_all || all;
	for (size_t i = 0; i < 2 && all; i++)
		f->has[i] = false;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < 2; j++)
			if (strcmp(items[i].name, j == 0 ? A : B) == 0)
				f->has[j] = items[i].inventory != NULL && items[i].inventory->workload_count == 1;
}

static void on_problem(void *context, const char *text)
{
	struct fixture *f = context;
	snprintf(f->problem, sizeof f->problem, "%s", text != NULL ? text : "");
}

static void on_refused(void *context, const char *const *texts, size_t count)
{
	(void)context;
	(void)texts;
	(void)count;
}

static bool told_all(const struct fixture *f)
{
	return f->told_all;
}
static bool has_both(const struct fixture *f)
{
	return f->has[0] && f->has[1];
}
static bool has_only_b(const struct fixture *f)
{
	return !f->has[0] && f->has[1];
}
static bool has_problem(const struct fixture *f)
{
	return f->problem[0] != 0;
}
static bool is_well(const struct fixture *f)
{
	return f->told_all && f->problem[0] == 0;
}
static bool never(const struct fixture *f)
{
	(void)f;
	return false;
}

/* Runs the loop until it is so, or for so many milliseconds. */
static bool await(struct fixture *f, bool (*so)(const struct fixture *f), unsigned milliseconds)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t end = now.tv_sec * 1000 + now.tv_nsec / 1000000 + milliseconds, at;
	do {
		if (so(f))
			return true;
		sd_event_run(f->events, 10000);
		clock_gettime(CLOCK_MONOTONIC, &now);
		at = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	} while (at < end);
	return so(f);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	f->engine.events = -1;
	pthread_mutex_init(&f->engine.lock, NULL);
	snprintf(f->engine.path, sizeof f->engine.path, "/tmp/ringfence-engine-%d", getpid());
	strcpy(address.sun_path, f->engine.path);
	unlink(f->engine.path);
	f->engine.listening = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(f->engine.listening, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(f->engine.listening, 16), 0);
	set_answer(f, NETWORKS_ANSWER, 200, NETWORKS);
	set_answer(f, LIST_ANSWER, 200, BOTH);
	set_answer(f, A_ANSWER, 200, CONTAINER(A, "10.1.0.2"));
	set_answer(f, B_ANSWER, 200, CONTAINER(B, "10.1.0.3"));
	assert_int_equal(pthread_create(&f->engine.thread, NULL, serve, &f->engine), 0);
	assert_true(sd_event_new(&f->events) >= 0);
	assert_int_equal(http_client_create(&f->client, f->events), 0);
	*state = f;
	return 0;
}

static void start(struct fixture *f)
{
	const struct source_setup setup = {.events = f->events,
					   .client = f->client,
					   .node = "here",
					   .tell = on_tell,
					   .problem = on_problem,
					   .refused = on_refused,
					   .context = f};
	f->settings = (struct docker_settings){f->engine.path, "default"};
	assert_int_equal(docker_start(&f->docker, &f->settings, &setup), 0);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	docker_stop(f->docker);
	http_client_destroy(f->client);
	sd_event_unref(f->events);
	pthread_mutex_lock(&f->engine.lock);
	f->engine.over = true;
	pthread_mutex_unlock(&f->engine.lock);
	strcpy(address.sun_path, f->engine.path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		shutdown(fd, SHUT_WR);
	pthread_join(f->engine.thread, NULL);
	close(fd);
	close(f->engine.listening);
	if (f->engine.events >= 0)
		close(f->engine.events);
	unlink(f->engine.path);
	free(f);
	return 0;
}

/* ---- cases ---- */

static void all_are_told_at_once_at_first(void **state)
{
	struct fixture *f = *state;
	start(f);
	assert_true(await(f, told_all, 5000));
	assert_true(has_both(f) && is_well(f));
	assert_int_equal(f->tellings, 1);
}

static void one_that_cannot_be_asked_for_leaves_the_others(void **state)
{
	struct fixture *f = *state;
	set_answer(f, A_ANSWER, 500, "no");
	start(f);
	assert_true(await(f, told_all, 5000));
	assert_true(has_only_b(f));
	assert_non_null(strstr(f->problem, "container aaaaaaaaaaaa cannot be asked for: HTTP 500"));
	set_answer(f, A_ANSWER, 200, CONTAINER(A, "10.1.0.2"));
	assert_true(await(f, has_both, 5000));
	assert_true(await(f, is_well, 5000));
}

static void one_that_says_nonsense_leaves_the_others(void **state)
{
	struct fixture *f = *state;
	set_answer(f, A_ANSWER, 200, "{\"Id\":");
	start(f);
	assert_true(await(f, told_all, 5000));
	assert_true(has_only_b(f) && is_well(f));
}

static void an_end_is_taken_at_its_word(void **state)
{
	struct fixture *f = *state;
	start(f);
	assert_true(await(f, has_both, 5000));
	unsigned asked = f->engine.answers[A_ANSWER].asked;
	send_event(f, event_text("die", A));
	assert_true(await(f, has_only_b, 5000));
	assert_int_equal(f->engine.answers[A_ANSWER].asked, asked);
}

static void an_answer_from_before_an_end_is_not_believed(void **state)
{
	struct fixture *f = *state;
	char start_text[512];
	start(f);
	assert_true(await(f, has_both, 5000));
	send_event(f, event_text("die", A));
	assert_true(await(f, has_only_b, 5000));
	strcpy(start_text, event_text("start", A));
	pthread_mutex_lock(&f->engine.lock);
	f->engine.answers[A_ANSWER].event = event_text("die", A); /* comes while it is asked for */
	pthread_mutex_unlock(&f->engine.lock);
	send_event(f, start_text);
	unsigned tellings = f->tellings;
	await(f, never, 500);
	assert_true(has_only_b(f));
	assert_int_equal(f->tellings, tellings);
	assert_true(f->engine.answers[A_ANSWER].event == NULL);
}

static void many_events_are_few_questions(void **state)
{
	struct fixture *f = *state;
	start(f);
	assert_true(await(f, has_both, 5000));
	unsigned asked = f->engine.answers[A_ANSWER].asked;
	for (unsigned i = 0; i < 100; i++)
		send_event(f, event_text("rename", A));
	await(f, never, 500);
	assert_in_range(f->engine.answers[A_ANSWER].asked - asked, 1, 20);
	assert_true(has_both(f));
}

static void an_empty_list_is_not_believed_without_asking(void **state)
{
	struct fixture *f = *state;
	start(f);
	assert_true(await(f, has_both, 5000));
	set_answer(f, LIST_ANSWER, 200, "[]");
	set_answer(f, A_ANSWER, 404, "{}");
	send_event(f, "nonsense\n"); /* which has the list read again */
	assert_true(await(f, has_only_b, 5000));
	await(f, never, 300);
	assert_true(has_only_b(f));
}

static void check_refused_answer(struct fixture *f, size_t which, int status, const char *body, const char *good)
{
	set_answer(f, which, status, body);
	start(f);
	assert_true(await(f, has_problem, 5000));
	assert_false(f->told_all);
	set_answer(f, which, 200, good);
	assert_true(await(f, is_well, 10000));
	assert_true(has_both(f));
}

static void no_networks_at_all_are_no_answer(void **state)
{
	check_refused_answer(*state, NETWORKS_ANSWER, 200, "[]", NETWORKS);
}

static void a_list_that_is_none_tells_nothing(void **state)
{
	check_refused_answer(*state, LIST_ANSWER, 200, "{\"message\":\"\\u001b[2J\"}", BOTH);
}

static void a_list_with_a_wrong_id_tells_nothing(void **state)
{
	check_refused_answer(*state, LIST_ANSWER, 200, "[{\"Id\":\"../../images\"}]", BOTH);
}

static void an_engine_that_fails_is_asked_again(void **state)
{
	check_refused_answer(*state, LIST_ANSWER, 503, "starting", BOTH);
}

static void what_was_told_stays_while_the_engine_is_away(void **state)
{
	struct fixture *f = *state;
	start(f);
	assert_true(await(f, has_both, 5000));
	set_answer(f, LIST_ANSWER, 500, "away");
	set_answer(f, A_ANSWER, 404, "{}");
	pthread_mutex_lock(&f->engine.lock);
	shutdown(f->engine.events, SHUT_RDWR);
	pthread_mutex_unlock(&f->engine.lock);
	assert_true(await(f, has_problem, 5000));
	await(f, never, 700);
	assert_true(has_both(f) && has_problem(f));
	set_answer(f, LIST_ANSWER, 200, "[{\"Id\":\"" B "\"}]");
	assert_true(await(f, is_well, 10000));
	assert_true(has_only_b(f));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(all_are_told_at_once_at_first),
	    CASE(one_that_cannot_be_asked_for_leaves_the_others),
	    CASE(one_that_says_nonsense_leaves_the_others),
	    CASE(an_end_is_taken_at_its_word),
	    CASE(an_answer_from_before_an_end_is_not_believed),
	    CASE(many_events_are_few_questions),
	    CASE(an_empty_list_is_not_believed_without_asking),
	    CASE(no_networks_at_all_are_no_answer),
	    CASE(a_list_that_is_none_tells_nothing),
	    CASE(a_list_with_a_wrong_id_tells_nothing),
	    CASE(an_engine_that_fails_is_asked_again),
	    CASE(what_was_told_stays_while_the_engine_is_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
