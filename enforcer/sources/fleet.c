/* What the store tells is noted until it is settled, and then each node of which something is another is looked at:
 * where its mark says that what stands there is all that it has, that holds here from then on, and else what held
 * before. */
#include "enforcer/sources/fleet.h"

#include "enforcer/etcd/mirror.h"
#include "enforcer/sources/fleet_kept.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TOLD_AT_ONCE = 1000,
	REFUSED_MOST = 64,
	TICK_S = 5,
	HELD_S = 2, /* in which what a node puts in more than one step is whole */
	TEXT_MOST = 2048,
};

struct fleet_source {
	struct source_setup setup;
	const struct key_words *keys;
	struct mirror *mirror;
	struct remotes all;
	struct remote *last; /* of a list: of whom it told last */
	bool listing, heard;
	bool unsaved;	  /* what holds is another since it was saved */
	char *store;	  /* the name of the store that it is from; NULL: none yet */
	char *kept_store; /* the same of what was kept, until the store has been heard; NULL: none */
	sd_event_source *tick;
	struct arena *keys_arena;
	const char *keys_problem; /* in that; NULL: none */
	/* not told yet, in `arena` */
	struct arena *arena;
	struct told *told;
	size_t told_count;
	/* told since it was settled, in `names_arena` */
	struct arena *names_arena;
	const char **names;
	size_t name_count;
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

/* `inventory` is in the source's arena; NULL: the thing is none any more. */
static void tell(struct fleet_source *source, const struct thing *thing, const struct inventory *inventory)
{
	const char *name = arena_copy(source->arena, thing->name, strlen(thing->name));
	*arena_push(source->arena, source->told, source->told_count) = (struct told){name, inventory};
	if (inventory != NULL)
		*arena_push(source->names_arena, source->names, source->name_count) =
		    arena_copy(source->names_arena, name, strlen(name));
	if (source->told_count >= TOLD_AT_ONCE)
		flush(source);
}

static void forget_thing(struct fleet_source *source, struct thing *thing)
{
	if (thing->told)
		tell(source, thing, NULL);
	thing_free(&source->all, thing);
}

static void forget_things(struct fleet_source *source, struct remote *remote)
{
	source->unsaved = true;
	while (remote->things != NULL)
		forget_thing(source, remote->things);
}

/* ---- what holds ---- */

/* Takes what stands in the store of it. A record that is refused leaves what held before. */
static void take_thing(struct fleet_source *source, struct thing *thing)
{
	char text[sizeof(struct record_key) + 3];
	struct record_key key;
	if (!thing->stands) {
		forget_thing(source, thing);
		return;
	}
	if (thing->record.items == NULL)
		return;
	snprintf(text, sizeof text, "%s", thing->name);
	for (char *at = text; (at = strchr(at, ':')) != NULL;)
		*at = '/';
	struct inventory *inventory = arena_alloc(source->arena, sizeof *inventory);
	const char *problem = record_key_parse(&key, text) ? record_read(source->arena, &key, thing->record.items,
									 thing->record.length, inventory)
							   : "it has no such key";
	thing_set_problem(&source->all, thing, problem);
	thing_taken(&source->all, thing);
	if (problem != NULL)
		return;
	thing->told = true;
	tell(source, thing, inventory);
}

static void set_problem(struct fleet_source *source, struct remote *remote, const char *problem)
{
	if (problem == NULL || remote->problem == NULL)
		remote->problem_at = now_of(source);
	char *copy = problem != NULL ? checked(strdup(problem)) : NULL;
	free(remote->problem);
	remote->problem = copy;
}

/* The time in which it may come back begins. */
static void note_loss(struct fleet_source *source, struct remote *remote)
{
	bool lost = remote_is_lost(remote);
	if (lost && !remote->lost)
		remote->lost_at = now_of(source);
	remote->lost = lost;
}

/* Has what the store says of a node hold, where the node is believed and what stands there is whole. */
static void take_remote(struct fleet_source *source, struct remote *remote)
{
	struct statement statement;
	struct arena *arena = arena_create();
	remote->touched = false;
	bool silent = remote->mark.items == NULL && remote->standing == 0; /* what it had stays */
	const char *problem = silent ? NULL : remote_read_mark(&source->all, remote, arena, &statement);
	set_problem(source, remote, problem);
	arena_free(arena);
	note_loss(source, remote);
	if (silent || problem != NULL)
		return;
	source->unsaved = source->unsaved || remote->sequence != statement.sequence;
	bytes_set(&remote->said, remote->mark.items, remote->mark.length);
	remote->sequence = statement.sequence;
	memcpy(remote->digest, statement.digest, sizeof remote->digest);
	remote->doubted = false;
	if (statement.gone) {
		forget_things(source, remote);
		return;
	}
	for (struct thing *thing = remote->things, *next; thing != NULL; thing = next) {
		next = thing->next;
		take_thing(source, thing);
	}
}

/* A workload that runs elsewhere now is not also where its node was lost. */
static void take_over(struct fleet_source *source)
{
	char text[TEXT_MOST];
	struct remote *remote, *next;
	HASH_ITER(hh, source->all.remotes, remote, next)
	{
		for (size_t i = 0; i < source->name_count && remote_is_lost(remote); i++) {
			snprintf(text, sizeof text, "%s%s", remote->name, strchr(source->names[i], ':'));
			struct thing *thing = thing_find(&source->all, text);
			if (thing == NULL || strcmp(text, source->names[i]) == 0)
				continue;
			forget_thing(source, thing);
			source->unsaved = true;
		}
	}
	source->names = NULL;
	source->name_count = 0;
	arena_free(source->names_arena);
	source->names_arena = arena_create();
}

/* ---- what is refused ---- */

static void add_text(struct fleet_source *source, const char **texts, size_t *count, const char *text)
{
	if (*count < REFUSED_MOST)
		texts[(*count)++] = arena_copy(source->arena, text, strlen(text));
}

static void add_remote(struct fleet_source *source, const char **texts, size_t *count, const struct remote *remote)
{
	char text[TEXT_MOST];
	if (remote_is_lost(remote)) {
		snprintf(text, sizeof text, "node %s is not heard; its workloads stay as they were%s", remote->name,
			 remote->doubted ? ", since the store was wiped or put back" : "");
		add_text(source, texts, count, text);
	}
	if (remote->enrolment_problem != NULL) {
		snprintf(text, sizeof text, "node %s: its enrolment is not taken: %s", remote->name,
			 remote->enrolment_problem);
		add_text(source, texts, count, text);
	}
	if (remote->problem != NULL && now_of(source) - remote->problem_at >= (uint64_t)HELD_S * 1000000) {
		snprintf(text, sizeof text, "node %s: what it says is not taken, and what it said before holds: %s",
			 remote->name, remote->problem);
		add_text(source, texts, count, text);
	}
}

/* Which nodes are not heard or not believed, and which records make no sense. */
static void tell_refused(struct fleet_source *source)
{
	const char *texts[REFUSED_MOST];
	char text[TEXT_MOST];
	size_t count = 0;
	struct remote *remote, *next;
	if (source->keys_problem != NULL)
		add_text(source, texts, &count, source->keys_problem);
	HASH_ITER(hh, source->all.remotes, remote, next)
	{
		add_remote(source, texts, &count, remote);
	}
	struct thing *thing = source->all.problems > 0 ? source->all.things : NULL, *following;
	for (; thing != NULL && count < REFUSED_MOST; thing = following) {
		following = thing->hh.next;
		if (thing->problem == NULL)
			continue;
		snprintf(text, sizeof text, "%s is not taken: %s", thing->name, thing->problem);
		add_text(source, texts, &count, text);
	}
	source->setup.refused(source->setup.context, texts, count);
}

/* ---- what the store says ---- */

static void on_list(void *context, bool same, const char *store)
{
	struct fleet_source *source = context;
	struct remote *remote, *next;
	same = same || (source->kept_store != NULL && strcmp(source->kept_store, store) == 0);
	free(source->store);
	source->store = checked(strdup(store));
	source->listing = source->unsaved = true;
	source->last = NULL;
	HASH_ITER(hh, source->all.remotes, remote, next)
	{
		/* Not marked until the list says so. */
		remote->doubted = remote->doubted || (!same && remote->things != NULL);
		remote->touched = true;
		remote->over = false;
		bytes_clear(&remote->mark);
		for (struct thing *thing = remote->things, *following; thing != NULL; thing = following) {
			following = thing->next;
			thing_removed(&source->all, thing);
		}
	}
}

static void on_put(void *context, const char *key, const char *value, size_t length, int64_t revision)
{
	struct fleet_source *source = context;
	struct record_key parsed;
	(void)revision;
	if (!record_key_parse(&parsed, key) || strcmp(parsed.node, source->setup.node) == 0)
		return;
	struct remote *remote = remote_find(&source->all, parsed.node, true);
	if (remote == NULL)
		return;
	remote->touched = true;
	if (parsed.name_space[0] == 0) {
		bytes_set(&remote->mark, value, length <= STATEMENT_MOST ? length : STATEMENT_MOST + 1);
	} else if (parsed.name[0] == 0) {
		bytes_set(&remote->enrolment, value, length <= ENROLMENT_MOST ? length : ENROLMENT_MOST + 1);
		remote_read_enrolment(&source->all, remote);
		source->unsaved = true;
	} else {
		thing_put(&source->all, remote, &parsed, value, length);
	}
	/* A list goes from node to node: what it has of one need not be kept until its end. */
	if (source->listing && source->last != NULL && source->last != remote)
		take_remote(source, source->last);
	source->last = source->listing ? remote : NULL;
}

/* By somebody; or since its lease ran out, and then the mark goes, too, and what it had stays. */
static void on_removed(void *context, const char *key, int64_t revision)
{
	struct fleet_source *source = context;
	struct record_key parsed;
	char name[sizeof parsed + 3];
	(void)revision;
	if (!record_key_parse(&parsed, key))
		return;
	struct remote *remote = remote_find(&source->all, parsed.node, false);
	if (remote == NULL)
		return;
	remote->touched = true;
	if (parsed.name_space[0] == 0) {
		bytes_clear(&remote->mark);
		return;
	}
	snprintf(name, sizeof name, "%s:%s:%s", parsed.node, parsed.name_space, parsed.name);
	struct thing *thing = thing_find(&source->all, name);
	if (thing != NULL)
		thing_removed(&source->all, thing);
}

static void settle(struct fleet_source *source)
{
	struct remote *remote, *next;
	HASH_ITER(hh, source->all.remotes, remote, next)
	{
		if (remote->touched)
			take_remote(source, remote);
	}
	source->listing = false;
	source->last = NULL;
	take_over(source);
	flush(source);
	tell_refused(source);
}

static void on_settled(void *context)
{
	struct fleet_source *source = context;
	settle(source);
	free(source->kept_store);
	source->kept_store = NULL;
	if (!source->heard)
		source->setup.heard(source->setup.context);
	source->heard = true;
}

static void on_problem(void *context, const char *text)
{
	struct fleet_source *source = context;
	source->setup.problem(source->setup.context, text);
}

/* ---- what is kept ---- */

static void put_kept(void *context, const char *key, const char *value, size_t length)
{
	struct fleet_source *source = context;
	if (key[0] != 0) {
		on_put(source, key, value, length, 0);
	} else {
		free(source->kept_store);
		source->kept_store = checked(strndup(value, length));
	}
}

/* Where a node is not believed any more, its workloads would be nobody's: then the store is to be heard first. */
static bool all_are_believed(const struct fleet_source *source)
{
	bool believed = true;
	for (const struct remote *remote = source->all.remotes; remote != NULL; remote = remote->hh.next)
		believed = believed && remote->problem == NULL;
	return believed;
}

bool fleet_source_load(struct fleet_source *source, const uint8_t *bytes, size_t length)
{
	source->all.keeps = true;
	if (bytes == NULL)
		return true;
	source->listing = source->all.loads = true;
	bool good = fleet_kept_read(bytes, length, put_kept, source);
	settle(source);
	source->unsaved = source->all.loads = false;
	if (!good || !all_are_believed(source))
		return good;
	source->heard = true;
	source->setup.heard(source->setup.context);
	return true;
}

void fleet_source_save_again(struct fleet_source *source)
{
	source->unsaved = true;
}

uint8_t *fleet_source_save(struct fleet_source *source, size_t *length)
{
	if (!source->unsaved || source->store == NULL || source->listing)
		return NULL;
	source->unsaved = false;
	return fleet_kept_write(&source->all, source->store, length);
}

/* ---- its life ---- */

static int on_tick(sd_event_source *timer, uint64_t usec, void *context)
{
	struct fleet_source *source = context;
	struct remote *remote, *next;
	HASH_ITER(hh, source->all.remotes, remote, next)
	{
		uint64_t seconds = (now_of(source) - remote->lost_at) / 1000000;
		if (source->listing)
			break;
		if (remote->lost && remote->things != NULL && !remote->doubted && seconds > FLEET_FORGET_S)
			forget_things(source, remote);
		if (remote->things == NULL && remote->mark.items == NULL && remote->sequence == 0 && !remote->enrolled)
			remote_free(&source->all, remote); /* of which nothing needs to be known */
	}
	if (!source->listing) {
		flush(source);
		tell_refused(source);
	}
	sd_event_source_set_time(timer, usec + (uint64_t)TICK_S * 1000000);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* Where one of the keys cannot be read, nobody is trusted. */
static void read_keys(struct fleet_source *source)
{
	arena_free(source->keys_arena);
	source->keys_arena = arena_create();
	const char *wrong = trust_load(&source->all.trust, source->keys_arena, source->keys);
	source->keys_problem =
	    wrong != NULL ? arena_printf(source->keys_arena, "the keys that are trusted cannot be read: %s", wrong)
			  : NULL;
	source->all.verified = source->keys->count > 0;
}

void fleet_source_reread(struct fleet_source *source)
{
	struct remote *remote, *next;
	read_keys(source);
	HASH_ITER(hh, source->all.remotes, remote, next)
	{
		remote->touched = true;
		remote_reread_enrolment(&source->all, remote);
	}
	if (!source->listing)
		settle(source);
}

int fleet_source_create(struct fleet_source **source, const struct source_setup *setup, struct etcd *etcd,
			const struct key_words *keys)
{
	struct fleet_source *made = checked(calloc(1, sizeof *made));
	*source = NULL;
	*made = (struct fleet_source){
	    .setup = *setup, .keys = keys, .arena = arena_create(), .names_arena = arena_create()};
	read_keys(made);
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
	struct remote *remote, *next;
	HASH_ITER(hh, source->all.remotes, remote, next)
	{
		remote_free(&source->all, remote);
	}
	arena_free(source->keys_arena);
	arena_free(source->arena);
	arena_free(source->names_arena);
	free(source->store);
	free(source->kept_store);
	free(source);
}
