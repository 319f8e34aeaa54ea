/* Questions for single containers, and for the images that their labels may come from: few at once. */
#include "enforcer/sources/docker_parts.h"

#include "enforcer/sources/docker_json.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	IMAGES_MOST = 1024, /* whose labels are remembered */
	ASKED_MOST = 4,	    /* questions at once */
	ANSWER_BYTES = 4 << 20,
};

static void ask_due(struct docker *docker);

static int64_t now_nanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- images ---- */

static const json_t *find_image(struct docker *docker, const char *id)
{
	struct image *image;
	HASH_FIND_STR(docker->images, id, image);
	return image != NULL ? image->labels : NULL;
}

void docker_forget_images(struct docker *docker)
{
	struct image *image, *next;
	HASH_ITER(hh, docker->images, image, next)
	{
		HASH_DEL(docker->images, image);
		json_decref(image->labels);
		free(image);
	}
}

/* `labels` are the image's then. An image of another content has another id. */
static void keep_image(struct docker *docker, const char *id, json_t *labels)
{
	if (find_image(docker, id) != NULL) {
		json_decref(labels);
		return;
	}
	if (HASH_COUNT(docker->images) >= IMAGES_MOST)
		docker_forget_images(docker);
	struct image *image = calloc(1, sizeof *image);
	if (image == NULL)
		abort();
	snprintf(image->id, sizeof image->id, "%s", id);
	image->labels = labels;
	HASH_ADD_STR(docker->images, id, image);
}

/* ---- questions for a container ---- */

/* It cannot be asked for: what it said last stays, and it is asked for again with the list. */
static void note_failure(struct container *container, const struct http_answer *answer)
{
	struct docker *docker = container->docker;
	struct arena *arena = arena_create();
	const char *why = answer->error != NULL ? answer->error : arena_printf(arena, "HTTP %d", answer->status);
	container->mark = 0;
	docker->failed = true;
	if (docker->events != NULL) {
		docker->setup.problem(
		    docker->setup.context,
		    arena_printf(arena, "container %.12s cannot be asked for: %s", container->id, why));
		docker->wait = source_wait_ms(docker->wait);
		docker_set_timer(docker->tick, docker->wait);
	}
	arena_free(arena);
}

/* A question has its answer, which is to be believed where nothing happened meanwhile. */
static bool end_question(struct container *container)
{
	struct docker *docker = container->docker;
	bool believed = !container->ended && !container->again;
	bool again = container->again, ended = container->ended;
	container->asked = container->again = false;
	docker->asked_count--;
	if (!believed) {
		json_decref(container->answer);
		container->answer = NULL;
	}
	if (again)
		docker_mark_due(container);
	else if (ended)
		docker_forget(docker, container);
	return believed;
}

void docker_go_on(struct docker *docker)
{
	ask_due(docker);
	docker_settle(docker);
}

static void on_image(void *context, const struct http_answer *answer)
{
	struct container *container = context;
	struct docker *docker = container->docker;
	char id[DOCKER_IMAGE_SIZE];
	if (end_question(container)) {
		json_t *image = answer->status == 200 ? docker_json(answer->body, answer->length) : NULL;
		json_t *labels = docker_image_labels(image);
		json_decref(image);
		if (answer->status != 200 && answer->status != 404) {
			note_failure(container, answer);
		} else {
			docker_image_of(container->answer, id);
			if (labels != NULL)
				keep_image(docker, id, labels);
			docker_take_answer(container, labels != NULL ? find_image(docker, id) : NULL);
		}
		json_decref(container->answer);
		container->answer = NULL;
	}
	docker_go_on(docker);
}

/* The container's answer is there: goes on with its image, where that is not known. True: it does. */
static bool ask_image(struct container *container)
{
	static const char *const before = "/images/", *const behind = "/json";
	struct docker *docker = container->docker;
	char id[DOCKER_IMAGE_SIZE], path[DOCKER_IMAGE_SIZE + 32];
	if (!docker_image_of(container->answer, id) || id[0] == 0 || find_image(docker, id) != NULL)
		return false;
	snprintf(path, sizeof path, "%s%s%s", before, id, behind);
	container->asked = true;
	docker->asked_count++;
	docker_ask(docker, path, ANSWER_BYTES, on_image, container);
	return true;
}

static void read_answer(struct container *container)
{
	json_t *none = json_object();
	char id[DOCKER_IMAGE_SIZE];
	const json_t *labels = NULL;
	if (docker_image_of(container->answer, id) || container->answer == NULL)
		labels = id[0] == 0 ? none : find_image(container->docker, id);
	docker_take_answer(container, labels);
	json_decref(none);
	json_decref(container->answer);
	container->answer = NULL;
}

static void on_container(void *context, const struct http_answer *answer)
{
	struct container *container = context;
	struct docker *docker = container->docker;
	if (end_question(container)) {
		if (answer->status == 200 && answer->error == NULL)
			container->answer = docker_json(answer->body, answer->length);
		if (answer->status == 404)
			docker_end(container);
		else if (answer->status != 200 || answer->error != NULL)
			note_failure(container, answer);
		else if (!ask_image(container))
			read_answer(container);
	}
	docker_go_on(docker);
}

static void ask_due(struct docker *docker)
{
	char path[DOCKER_ID_SIZE + 32];
	while (docker->asked_count < ASKED_MOST && docker->first_due != NULL) {
		struct container *container = docker->first_due;
		docker->first_due = container->next;
		if (docker->first_due == NULL)
			docker->last_due = &docker->first_due;
		container->due = false;
		if (container->ended) {
			docker_forget(docker, container);
			continue;
		}
		snprintf(path, sizeof path, "/containers/%s/json", container->id);
		container->asked = true;
		container->asked_at = now_nanoseconds();
		docker->asked_count++;
		docker_ask(docker, path, ANSWER_BYTES, on_container, container);
	}
}
