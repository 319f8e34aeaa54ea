/* Follows a container engine.
 *
 * Events say only that something happened to a container, and it is then asked for: so many events that come at once
 * are one question, and what is enforced is what the engine says now. Only an end is taken at its word, at once.
 *
 * In the beginning, and when the engine was away, the events are asked for first, from that moment on, and then the
 * list: what happens meanwhile is heard. Each container is asked for anew, and those that are not in the list, too. The
 * list is read again each minute, since an engine may drop events for one who is slow, and since Podman tells of no
 * network that is made; what looks there as before is not asked for. */
#include "enforcer/sources/docker_parts.h"

#include "enforcer/sources/docker_json.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ANSWER_MS = 30000,
	LIST_SECONDS = 60,
	LIST_BYTES = 64 << 20,
	EVENT_BYTES = 1 << 20,
};

struct http_call *docker_ask(struct docker *docker, const char *path, size_t most,
			     void (*end)(void *context, const struct http_answer *answer), void *context)
{
	char url[512];
	snprintf(url, sizeof url, "http://engine%s", path);
	const struct http_request request = {.url = url,
					     .socket = docker->settings->socket,
					     .whole_ms = ANSWER_MS,
					     .most = most,
					     .end = end,
					     .context = context};
	return http_start(docker->setup.client, &request);
}

void docker_set_timer(sd_event_source *timer, unsigned milliseconds)
{
	sd_event_source_set_time_relative(timer, (uint64_t)milliseconds * 1000);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static void cancel(struct http_call **call)
{
	if (*call != NULL)
		http_cancel(*call);
	*call = NULL;
}

/* Why there is no whole answer, better than the client knows it. */
static const char *why_not(const struct docker *docker, const struct http_answer *answer, struct arena *arena)
{
	if (answer->status == 0 && faccessat(AT_FDCWD, docker->settings->socket, R_OK | W_OK, 0) != 0)
		return errno == EACCES
			   ? "Permission denied; make the daemon's user a member of the group that may use the socket"
			   : arena_printf(arena, "%s", strerror(errno));
	if (answer->error != NULL)
		return answer->error;
	if (answer->status != 200)
		return arena_printf(arena, "HTTP %d, %s", answer->status, docker_shown(arena, answer->body));
	return "the answer is none of the Docker Engine API";
}

/* The engine does not answer as it should: begins anew after a while. What was told stays. */
static void break_off(struct docker *docker, const char *what, const struct http_answer *answer)
{
	struct arena *arena = arena_create();
	cancel(&docker->events);
	cancel(&docker->list);
	cancel(&docker->networks);
	docker->settled = false;
	docker->setup.problem(docker->setup.context,
			      arena_printf(arena, "the container engine at %s: its %s: %s", docker->settings->socket,
					   what, why_not(docker, answer, arena)));
	docker->wait = source_wait_ms(docker->wait);
	docker_set_timer(docker->retry, docker->wait);
	arena_free(arena);
}

static bool take_list(struct docker *docker, const json_t *list)
{
	char id[DOCKER_ID_SIZE];
	uint64_t mark;
	size_t at;
	json_t *entry;
	if (!json_is_array(list))
		return false;
	for (struct container *one = docker->containers; one != NULL; one = one->hh.next)
		one->listed = false;
	json_array_foreach((json_t *)list, at, entry)
	{
		if (!docker_entry_read(entry, id, &mark))
			return false;
		struct container *container = docker_add(docker, id);
		if (container == NULL)
			return false;
		if (docker->all || container->mark != mark)
			docker_mark_due(container);
		container->mark = mark;
		container->listed = true;
	}
	for (struct container *one = docker->containers; one != NULL; one = one->hh.next)
		if (!one->listed && !one->ended)
			docker_mark_due(one);
	return true;
}

static void on_list(void *context, const struct http_answer *answer)
{
	struct docker *docker = context;
	docker->list = NULL;
	bool whole = answer->status == 200 && answer->error == NULL;
	json_t *list = whole ? docker_json(answer->body, answer->length) : NULL;
	bool taken = take_list(docker, list);
	json_decref(list);
	if (!taken) {
		break_off(docker, "list of containers", answer);
		return;
	}
	docker->all = false;
	docker_look_at_interfaces(docker);
	docker_go_on(docker);
}

static void ask_list(struct docker *docker, bool all)
{
	docker->all = docker->all || all;
	if (docker->list != NULL)
		return;
	docker->failed = false;
	docker->list = docker_ask(docker, "/containers/json", LIST_BYTES, on_list, docker);
	docker_set_timer(docker->tick, LIST_SECONDS * 1000);
}

static void on_networks(void *context, const struct http_answer *answer)
{
	struct docker *docker = context;
	docker->networks = NULL;
	bool whole = answer->status == 200 && answer->error == NULL;
	json_t *list = whole ? docker_json(answer->body, answer->length) : NULL;
	struct arena *arena = arena_create(), *before = docker->networks_arena;
	struct docker_networks read;
	bool taken = docker_networks_read(arena, list, docker->setup.node, &read);
	json_decref(list);
	if (!taken) {
		arena_free(arena);
		break_off(docker, "list of networks", answer);
		return;
	}
	docker->networks_arena = arena;
	docker->pools = read;
	docker->networks_known = true;
	const struct told told = {"networks", &docker->pools.inventory};
	if (docker->told) {
		docker->setup.tell(docker->setup.context, &told, 1, false);
		docker_tell_refused(docker);
	}
	arena_free(before);
	if (docker->networks_again)
		docker_ask_networks(docker);
	docker_go_on(docker);
}

void docker_ask_networks(struct docker *docker)
{
	docker->networks_again = docker->networks != NULL;
	if (docker->networks == NULL && docker->events != NULL)
		docker->networks = docker_ask(docker, "/networks", LIST_BYTES, on_networks, docker);
}

/* An end that was before we asked is one that the answer knows of. */
static void take_end(struct docker *docker, const struct docker_event *event)
{
	struct container *container = docker_find(docker, event->id);
	if (container == NULL)
		return;
	if (event->nanoseconds < container->asked_at)
		docker_mark_due(container);
	else
		docker_end(container);
}

static void on_event(void *context, const char *line, size_t length)
{
	struct docker *docker = context;
	struct container *container;
	json_t *json = docker_json(line, length);
	struct docker_event event = docker_event_read(json);
	if (json == NULL && length > 0)
		ask_list(docker, true); /* who knows what it was about */
	json_decref(json);
	switch (event.kind) {
	case DOCKER_OTHER:
		return;
	case DOCKER_CHANGED:
		docker_forget_ends(docker);
		container = docker_add(docker, event.id);
		if (container != NULL)
			docker_mark_due(container);
		break;
	case DOCKER_GONE:
		take_end(docker, &event);
		break;
	case DOCKER_CREATED:
	case DOCKER_NETWORKS:
		docker_ask_networks(docker);
		break;
	}
	docker_go_on(docker);
}

static void on_events_end(void *context, const struct http_answer *answer)
{
	struct docker *docker = context;
	docker->events = NULL;
	break_off(docker, "events", answer);
}

/* Follows from now on. An engine may begin to listen for us a moment after it has answered: it is asked for what
 * happened in this second. */
static void follow(struct docker *docker)
{
	char url[256];
	snprintf(url, sizeof url,
		 "http://engine/"
		 "events?since=%lld&filters=%%7B%%22type%%22%%3A%%5B%%22container%%22%%2C%%22network%%22%%5D%%7D",
		 (long long)time(NULL));
	const struct http_request request = {.url = url,
					     .socket = docker->settings->socket,
					     .most = EVENT_BYTES,
					     .line = on_event,
					     .end = on_events_end,
					     .context = docker};
	docker->networks_known = false;
	docker->events = http_start(docker->setup.client, &request);
	docker_ask_networks(docker);
	ask_list(docker, true);
}

static int on_retry(sd_event_source *timer, uint64_t at, void *context)
{
	(void)timer;
	(void)at;
	follow(context);
	return 0;
}

static int on_tick(sd_event_source *timer, uint64_t at, void *context)
{
	struct docker *docker = context;
	(void)timer;
	(void)at;
	if (docker->events == NULL)
		return 0;
	docker_ask_networks(docker);
	ask_list(docker, false);
	return 0;
}

/* ---- start and end ---- */

int docker_start(struct docker **docker, const struct docker_settings *settings, const struct source_setup *setup)
{
	struct docker *made = calloc(1, sizeof *made);
	*docker = made;
	if (made == NULL)
		return -ENOMEM;
	*made = (struct docker){.settings = settings, .setup = *setup, .last_due = &made->first_due};
	int error = sd_event_add_time_relative(setup->events, &made->retry, CLOCK_MONOTONIC, 0, 1, on_retry, made);
	if (error >= 0)
		error = sd_event_add_time_relative(setup->events, &made->tick, CLOCK_MONOTONIC, UINT64_MAX / 2, 1,
						   on_tick, made);
	return error < 0 ? error : 0;
}

void docker_stop(struct docker *docker)
{
	struct container *container, *next;
	if (docker == NULL)
		return;
	sd_event_source_disable_unref(docker->retry);
	sd_event_source_disable_unref(docker->tick);
	cancel(&docker->events);
	cancel(&docker->list);
	cancel(&docker->networks);
	HASH_ITER(hh, docker->containers, container, next)
	{
		docker_forget(docker, container);
	}
	docker_forget_images(docker);
	docker_forget_ends(docker);
	arena_free(docker->networks_arena);
	free(docker);
}
