/* What the store tells is collected until it is settled, since whether a workload is gone, or its node was lost with
 * all of them, shows only when the whole of a change is known. A thing whose `list` is the source's is in the store
 * now; one that is not is kept for as long as its node is not marked. */
#include "enforcer/sources/fleet.h"

#include "enforcer/etcd/mirror.h"
#include "enforcer/fleet/record.h"

#include <ringfence/arena.h>
#include <ringfence/table.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* The hash of uthash falls through cases, of which clang warns. */
#define HASH_FUNCTION(key, length, value) ((value) = table_hash(0, (key), (length)))
#include <uthash.h>

enum {
	TOLD_AT_ONCE = 1000,
	REFUSED_MOST = 64,
	TICK_S = 5,
	DOUBT_S = 60, /* in which nodes see that the store is another one, and put all there anew */
	KEY_MOST = 800,
	THINGS_MOST = 1000000
};

struct remote {
	UT_hash_handle hh;
	bool marked;	  /* its mark stands */
	bool doubted;	  /* the store is another one than that in which its things were put */
	uint64_t changed; /* monotonic microseconds when the store became another, or the mark went */
	struct thing *things;
	char name[];
};

struct thing {
	UT_hash_handle hh;
	struct remote *remote;
	struct thing *next, **at; /* of the remote's */
	int64_t revision;
	uint32_t list; /* the last that had it; 0: it was removed since */
	char *problem; /* why its newest record is refused, or NULL */
	char name[];   /* NODE:NAMESPACE:NAME, as it is told of */
};

struct fleet_source {
	struct source_setup setup;
	struct mirror *mirror;
	struct remote *remotes;
	struct thing *things;
	uint32_t list;
	bool listing, same, heard;
	size_t problems;
	sd_event_source *tick;
	/* not told yet, in `arena` */
	struct arena *arena;
	struct told *told;
	size_t told_count;
	/* not settled yet, in `pending`: names */
	struct arena *pending;
	char **removed;
	size_t removed_count;
};

static void *checked(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static uint64_t now_of(const struct fleet_source *source)
{
	uint64_t now = 0;
	sd_event_now(source->setup.events, CLOCK_MONOTONIC, &now);
	return now;
}

/* ---- telling ---- */

static void flush(struct fleet_source *source)
{
	if (source->told_count > 0)
		source->setup.tell(source->setup.context, source->told, source->told_count, false);
	source->told = NULL;
	source->told_count = 0;
	arena_free(source->arena);
	source->arena = arena_create();
}

/* Both are in the source's arena. */
static void tell(struct fleet_source *source, const char *name, const struct inventory *inventory)
{
	*arena_push(source->arena, source->told, source->told_count) = (struct told){name, inventory};
}

/* ---- nodes and things ---- */

static struct remote *find_remote(struct fleet_source *source, const char *name, bool add)
{
	struct remote *remote;
	HASH_FIND_STR(source->remotes, name, remote);
	if (remote != NULL || !add)
		return remote;
	size_t length = strlen(name);
	remote = checked(calloc(1, sizeof *remote + length + 1));
	memcpy(remote->name, name, length);
	HASH_ADD_KEYPTR(hh, source->remotes, remote->name, length, remote);
	return remote;
}

static struct thing *find_thing(const struct fleet_source *source, const char *name)
{
	struct thing *thing;
	HASH_FIND_STR(source->things, name, thing);
	return thing;
}

static struct thing *add_thing(struct fleet_source *source, struct remote *remote, const char *name)
{
	size_t length = strlen(name);
	struct thing *thing = checked(calloc(1, sizeof *thing + length + 1));
	memcpy(thing->name, name, length);
	thing->remote = remote;
	thing->next = remote->things;
	thing->at = &remote->things;
	if (thing->next != NULL)
		thing->next->at = &thing->next;
	remote->things = thing;
	HASH_ADD_KEYPTR(hh, source->things, thing->name, length, thing);
	return thing;
}

static void set_problem(struct fleet_source *source, struct thing *thing, const char *problem)
{
	source->problems += (problem != NULL) - (thing->problem != NULL);
	free(thing->problem);
	thing->problem = problem != NULL ? checked(strdup(problem)) : NULL;
}

static void free_thing(struct fleet_source *source, struct thing *thing)
{
	*thing->at = thing->next;
	if (thing->next != NULL)
		thing->next->at = thing->at;
	HASH_DEL(source->things, thing);
	set_problem(source, thing, NULL);
	free(thing);
}

static void forget_thing(struct fleet_source *source, struct thing *thing)
{
	tell(source, arena_copy(source->arena, thing->name, strlen(thing->name)), NULL);
	free_thing(source, thing);
}

/* All, or those that are not in the store. */
static void forget_things(struct fleet_source *source, struct remote *remote, bool all)
{
	for (struct thing *thing = remote->things, *next; thing != NULL; thing = next) {
		next = thing->next;
		if (all || thing->list != source->list)
			forget_thing(source, thing);
	}
}

/* ---- what the store says ---- */

static void on_list(void *context, bool same)
{
	struct fleet_source *source = context;
	source->list++;
	source->listing = true;
	source->same = same;
	struct remote *remote, *next;
	HASH_ITER(hh, source->remotes, remote, next)
	{
		/* Not marked until the list says so. */
		bool doubted = !same && remote->things != NULL;
		if (doubted || (remote->marked && same))
			remote->changed = now_of(source);
		remote->doubted = remote->doubted || doubted;
		remote->marked = false;
	}
}

/* It is put when everything else of the node is there. In a list of another store it may be as old as a backup. */
static void put_mark(struct fleet_source *source, struct remote *remote, const char *value, size_t length)
{
	bool gone = length == strlen(FLEET_GONE) && memcmp(value, FLEET_GONE, length) == 0;
	remote->marked = true;
	if (source->listing && (!gone || !source->same))
		return; /* all of the list comes first, and a backup may tell of what was undone since */
	remote->doubted = false;
	forget_things(source, remote, gone);
}

/* A workload that runs elsewhere now is not also where its node was lost. */
static void take_over(struct fleet_source *source, const struct remote *by, const char *name)
{
	char text[KEY_MOST];
	struct remote *remote, *next;
	HASH_ITER(hh, source->remotes, remote, next)
	{
		if (remote == by || remote->marked || remote->things == NULL)
			continue;
		snprintf(text, sizeof text, "%s%s", remote->name, strchr(name, ':'));
		struct thing *thing = find_thing(source, text);
		if (thing != NULL)
			forget_thing(source, thing);
	}
}

static void put_thing(struct fleet_source *source, const struct record_key *key, const char *value, size_t length,
		      int64_t revision)
{
	struct remote *remote = find_remote(source, key->node, true);
	char *name = arena_printf(source->arena, "%s:%s:%s", key->node, key->name_space, key->name);
	struct thing *thing = find_thing(source, name);
	if (thing == NULL && HASH_COUNT(source->things) >= THINGS_MOST)
		return;
	if (thing == NULL)
		thing = add_thing(source, remote, name);
	thing->list = source->list;
	if (thing->revision == revision && thing->problem == NULL && source->same)
		return; /* known from before */
	thing->revision = revision;
	struct inventory *inventory = arena_alloc(source->arena, sizeof *inventory);
	const char *problem = record_read(source->arena, key, value, length, inventory);
	set_problem(source, thing, problem);
	if (problem != NULL)
		return; /* what it said before holds */
	take_over(source, remote, name);
	tell(source, name, inventory);
}

static void on_put(void *context, const char *key, const char *value, size_t length, int64_t revision)
{
	struct fleet_source *source = context;
	struct record_key parsed;
	if (!record_key_parse(&parsed, key) || strcmp(parsed.node, source->setup.node) == 0)
		return;
	if (parsed.name[0] == 0)
		put_mark(source, find_remote(source, parsed.node, true), value, length);
	else
		put_thing(source, &parsed, value, length, revision);
	if (source->told_count >= TOLD_AT_ONCE)
		flush(source);
}

static void on_removed(void *context, const char *key, int64_t revision)
{
	struct fleet_source *source = context;
	struct record_key parsed;
	char name[KEY_MOST];
	if (!record_key_parse(&parsed, key))
		return;
	struct remote *remote = find_remote(source, parsed.node, false);
	if (remote == NULL)
		return;
	if (parsed.name[0] == 0) {
		remote->marked = false;
		remote->changed = now_of(source);
		return;
	}
	snprintf(name, sizeof name, "%s:%s:%s", parsed.node, parsed.name_space, parsed.name);
	struct thing *thing = find_thing(source, name);
	if (thing == NULL || thing->revision >= revision)
		return;
	thing->list = 0;
	*arena_push(source->pending, source->removed, source->removed_count) =
	    arena_copy(source->pending, name, strlen(name));
}

/* A node that is not marked lost its workloads to the end of its lease, with its mark: they stay. */
static void settle_removals(struct fleet_source *source)
{
	for (size_t i = 0; i < source->removed_count; i++) {
		struct thing *thing = find_thing(source, source->removed[i]);
		if (thing != NULL && thing->list == 0 && thing->remote->marked)
			forget_thing(source, thing);
	}
	source->removed = NULL;
	source->removed_count = 0;
	arena_free(source->pending);
	source->pending = arena_create();
}

/* Of a node that is marked, what the list did not have is gone. */
static void settle_list(struct fleet_source *source)
{
	struct remote *remote, *next;
	HASH_ITER(hh, source->remotes, remote, next)
	{
		if (remote->marked && !remote->doubted)
			forget_things(source, remote, false);
	}
}

static void add_text(struct fleet_source *source, const char **texts, size_t *count, const char *text)
{
	if (*count < REFUSED_MOST)
		texts[(*count)++] = arena_copy(source->arena, text, strlen(text));
}

/* Which nodes are not heard, and which records make no sense. */
static void tell_refused(struct fleet_source *source)
{
	const char *texts[REFUSED_MOST];
	char text[KEY_MOST + 256];
	size_t count = 0;
	struct remote *remote, *next;
	HASH_ITER(hh, source->remotes, remote, next)
	{
		if (remote->marked || remote->things == NULL)
			continue;
		snprintf(text, sizeof text, "node %s is not heard; its workloads stay as they were%s", remote->name,
			 remote->doubted ? ", since the store was wiped or put back" : "");
		add_text(source, texts, &count, text);
	}
	struct thing *thing = source->problems > 0 ? source->things : NULL, *following;
	for (; thing != NULL && count < REFUSED_MOST; thing = following) {
		following = thing->hh.next;
		if (thing->problem == NULL)
			continue;
		snprintf(text, sizeof text, "%s is not taken: %s", thing->name, thing->problem);
		add_text(source, texts, &count, text);
	}
	source->setup.refused(source->setup.context, texts, count);
}

static void on_settled(void *context)
{
	struct fleet_source *source = context;
	if (source->listing)
		settle_list(source);
	settle_removals(source);
	source->listing = false;
	source->same = true;
	flush(source);
	tell_refused(source);
	if (!source->heard)
		source->setup.heard(source->setup.context);
	source->heard = true;
}

static void on_problem(void *context, const char *text)
{
	struct fleet_source *source = context;
	source->setup.problem(source->setup.context, text);
}

/* ---- its life ---- */

static int on_tick(sd_event_source *timer, uint64_t usec, void *context)
{
	struct fleet_source *source = context;
	uint64_t now = now_of(source);
	struct remote *remote, *next;
	HASH_ITER(hh, source->remotes, remote, next)
	{
		uint64_t seconds = (now - remote->changed) / 1000000;
		if (!source->listing && !remote->marked && !remote->doubted && seconds > FLEET_FORGET_S)
			forget_things(source, remote, true);
		if (!source->listing && remote->marked && remote->doubted && seconds > DOUBT_S) {
			remote->doubted = false;
			forget_things(source, remote, false);
		}
		if (remote->things == NULL && !remote->marked && !source->listing) {
			HASH_DEL(source->remotes, remote);
			free(remote);
		}
	}
	if (!source->listing) {
		flush(source);
		tell_refused(source);
	}
	sd_event_source_set_time(timer, usec + (uint64_t)TICK_S * 1000000);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int fleet_source_create(struct fleet_source **source, const struct source_setup *setup, struct etcd *etcd)
{
	struct fleet_source *made = checked(calloc(1, sizeof *made));
	*source = NULL;
	*made = (struct fleet_source){.setup = *setup, .arena = arena_create(), .pending = arena_create()};
	const struct mirror_calls calls = {.list = on_list,
					   .put = on_put,
					   .removed = on_removed,
					   .settled = on_settled,
					   .problem = on_problem,
					   .context = made};
	int error = sd_event_add_time(setup->events, &made->tick, CLOCK_MONOTONIC, now_of(made) + TICK_S * 1000000, 0,
				      on_tick, made);
	if (error >= 0)
		error = mirror_create(&made->mirror, setup->events, etcd, FLEET_WORKLOADS, &calls);
	if (error < 0) {
		fleet_source_destroy(made);
		return error;
	}
	*source = made;
	return 0;
}

void fleet_source_destroy(struct fleet_source *source)
{
	if (source == NULL)
		return;
	mirror_destroy(source->mirror);
	sd_event_source_disable_unref(source->tick);
	while (source->things != NULL)
		free_thing(source, source->things);
	struct remote *remote, *next;
	HASH_ITER(hh, source->remotes, remote, next)
	{
		HASH_DEL(source->remotes, remote);
		free(remote);
	}
	arena_free(source->arena);
	arena_free(source->pending);
	free(source);
}
