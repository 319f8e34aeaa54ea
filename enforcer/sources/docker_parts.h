/* What the files of the source of containers (docker*.c) share: what is known, and what is being asked. */
#ifndef ENFORCER_SOURCES_DOCKER_PARTS_H
#define ENFORCER_SOURCES_DOCKER_PARTS_H

#include "enforcer/sources/docker.h"
#include "enforcer/sources/docker_containers.h"
#include "enforcer/sources/docker_networks.h"

#include <ringfence/table.h>

/* The hash of uthash falls through cases, of which clang warns. */
#define HASH_FUNCTION(key, length, value) ((value) = table_hash(0, (key), (length)))
#include <uthash.h>

/* A container of which something was told, or is to be asked. */
struct container {
	char id[DOCKER_ID_SIZE];
	struct docker *docker;
	uint64_t mark;		/* of its entry in the list when it was asked for; 0: it is to be asked for again */
	bool listed;		/* in the list that was read last */
	bool due, asked, again; /* to be asked for; being asked for; and once more behind that */
	bool ended;		/* no answer about it is believed until something happens to it again */
	int64_t asked_at;	/* nanoseconds of Unix time */
	json_t *answer;		/* while its image is asked for */
	struct arena *arena;	/* of what follows */
	struct docker_container said;
	struct container *next; /* that is due */
	UT_hash_handle hh;
};

struct image {
	char id[DOCKER_IMAGE_SIZE];
	json_t *labels;
	UT_hash_handle hh;
};

struct docker {
	const struct docker_settings *settings;
	struct source_setup setup;
	struct container *containers, *first_due, **last_due;
	struct image *images;
	struct host_ends *ends; /* as read last, or NULL */
	size_t asked_count;
	struct http_call *events, *list, *networks;
	sd_event_source *retry, *tick;
	unsigned wait;
	bool all;	     /* each container of the list that is asked for is asked for anew */
	bool told;	     /* everybody was told, once at least */
	bool settled;	     /* everybody was asked for since the events are followed */
	bool failed;	     /* some question since the list was asked for */
	bool networks_again; /* they may have changed since they were asked for */
	bool networks_known; /* since the events are followed */
	struct arena *networks_arena;
	struct docker_networks pools;
};

/* ---- docker_known.c ---- */

struct container *docker_find(struct docker *docker, const char *id); /* NULL: there is none */
struct container *docker_add(struct docker *docker, const char *id);  /* or finds it; NULL: there are too many */
void docker_forget(struct docker *docker, struct container *container);

/* Has it be asked for, once more where that goes on. */
void docker_mark_due(struct container *container);

/* It has ended, or is no more: whatever is on the way about it is not to be believed. May free it. */
void docker_end(struct container *container);

/* Makes what is known of it of its answer, and of the labels of its image; NULL: these cannot be told. */
void docker_take_answer(struct container *container, const json_t *image_labels);

/* Asks the kernel again for the interfaces of all: the ports of a bridge are others now and then. */
void docker_look_at_interfaces(struct docker *docker);

/* What was read of the kernel's links serves many containers, until one of them changes. */
void docker_forget_ends(struct docker *docker);

/* When all questions are answered: the first time all is told, and afterwards each change by itself. */
void docker_settle(struct docker *docker);
void docker_tell_refused(struct docker *docker);

/* ---- docker_asking.c ---- */

/* Asks for those that are due, as far as may be at once, and settles where there is none. */
void docker_go_on(struct docker *docker);
void docker_forget_images(struct docker *docker);

/* ---- docker.c ---- */

struct http_call *docker_ask(struct docker *docker, const char *path, size_t most,
			     void (*end)(void *context, const struct http_answer *answer), void *context);
void docker_ask_networks(struct docker *docker);
void docker_set_timer(sd_event_source *timer, unsigned milliseconds);

#endif
