/* What the store tells is noted until it is settled, and then each node of which something is another is looked at:
 * where its mark says that what stands there is all that it has, that holds here from then on, and else what held
 * before. */
#include "enforcer/sources/fleet_nodes.h"

#include "enforcer/sources/fleet.h"
#include "enforcer/sources/fleet_kept.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TOLD_AT_ONCE = 1000,
	REFUSED_MOST = 64,
	HELD_S = 2, /* in which what a node puts in more than one step is whole */
	TEXT_MOST = 2048,
};

struct fleet_nodes {
	struct source_setup setup;
	const struct key_words *keys;
	struct remotes all;
	struct remote *last; /* of a list: of whom it told last */
	bool listing, heard;
	bool unsaved;	  /* what holds is another since it was saved */
	char *store;	  /* the name of the store that it is from; NULL: none yet */
	char *kept_store; /* the same of what was kept, until the store has been heard; NULL: none */
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

static uint64_t now_of(const struct fleet_nodes *nodes)
{
	uint64_t now = 0;
	sd_event_now(nodes->setup.events, CLOCK_MONOTONIC, &now);
	return now;
}

/* ---- telling ---- */

static void flush(struct fleet_nodes *nodes)
{
	if (nodes->told_count > 0)
		nodes->setup.tell(nodes->setup.context, nodes->told, nodes->told_count, false);
	nodes->told = NULL;
	nodes->told_count = 0;
	arena_free(nodes->arena);
	nodes->arena = arena_create();
}

/* `inventory` is in the arena of the nodes; NULL: the thing is none any more. */
static void tell(struct fleet_nodes *nodes, const struct thing *thing, const struct inventory *inventory)
{
	const char *name = arena_copy(nodes->arena, thing->name, strlen(thing->name));
	*arena_push(nodes->arena, nodes->told, nodes->told_count) = (struct told){name, inventory};
	if (inventory != NULL)
		*arena_push(nodes->names_arena, nodes->names, nodes->name_count) =
		    arena_copy(nodes->names_arena, name, strlen(name));
	if (nodes->told_count >= TOLD_AT_ONCE)
		flush(nodes);
}

/* What stands in the store nonetheless is looked at anew when its node says that it has it. */
static void forget_thing(struct fleet_nodes *nodes, struct thing *thing)
{
	if (thing->holds)
		tell(nodes, thing, NULL);
	thing_untaken(&nodes->all, thing);
}

static void forget_things(struct fleet_nodes *nodes, struct remote *remote)
{
	nodes->unsaved = true;
	for (struct thing *thing = remote->things, *next; thing != NULL; thing = next) {
		next = thing->next;
		forget_thing(nodes, thing);
	}
}

/* ---- what holds ---- */

/* Takes what stands in the store of it. A record that is refused leaves what held before. */
static void take_thing(struct fleet_nodes *nodes, struct thing *thing)
{
	char text[sizeof(struct record_key) + 3];
	struct record_key key;
	if (!thing->stands) {
		forget_thing(nodes, thing);
		return;
	}
	if (thing->record.items == NULL)
		return;
	snprintf(text, sizeof text, "%s", thing->name);
	for (char *at = text; (at = strchr(at, ':')) != NULL;)
		*at = '/';
	struct inventory *inventory = arena_alloc(nodes->arena, sizeof *inventory);
	const char *problem = record_key_parse(&key, text) ? record_read(nodes->arena, &key, thing->record.items,
									 thing->record.length, inventory)
							   : "it has no such key";
	thing_set_problem(&nodes->all, thing, problem);
	thing_taken(thing);
	if (problem != NULL)
		return;
	thing_holds(thing, true);
	tell(nodes, thing, inventory);
}

static void set_problem(struct fleet_nodes *nodes, struct remote *remote, const char *problem)
{
	if (problem == NULL || remote->problem == NULL)
		remote->problem_at = now_of(nodes);
	char *copy = problem != NULL ? checked(strdup(problem)) : NULL;
	free(remote->problem);
	remote->problem = copy;
}

/* The time in which it may come back begins. */
static void note_loss(struct fleet_nodes *nodes, struct remote *remote)
{
	bool lost = remote_is_lost(remote);
	if (lost && !remote->lost)
		remote->lost_at = now_of(nodes);
	remote->lost = lost;
}

/* Has what the store says of a node hold, where the node is believed and what stands there is whole. */
static void take_remote(struct fleet_nodes *nodes, struct remote *remote)
{
	struct statement statement;
	struct arena *arena = arena_create();
	remote->touched = false;
	bool silent = remote->mark.items == NULL; /* what it had stays */
	const char *problem = silent ? NULL : remote_read_mark(&nodes->all, remote, arena, &statement);
	set_problem(nodes, remote, problem);
	arena_free(arena);
	note_loss(nodes, remote);
	if (silent || problem != NULL)
		return;
	nodes->unsaved = nodes->unsaved || remote->sequence != statement.sequence;
	bytes_set(&remote->said, remote->mark.items, remote->mark.length);
	remote->sequence = statement.sequence;
	memcpy(remote->digest, statement.digest, sizeof remote->digest);
	remote->doubted = false;
	if (statement.gone) {
		forget_things(nodes, remote);
		return;
	}
	for (struct thing *thing = remote->things, *next; thing != NULL; thing = next) {
		next = thing->next;
		take_thing(nodes, thing);
	}
}

/* A workload that runs elsewhere now is not also where its node was lost. */
static void take_over(struct fleet_nodes *nodes)
{
	char text[TEXT_MOST];
	struct remote *remote, *next;
	HASH_ITER(hh, nodes->all.remotes, remote, next)
	{
		for (size_t i = 0; i < nodes->name_count && remote_is_lost(remote); i++) {
			snprintf(text, sizeof text, "%s%s", remote->name, strchr(nodes->names[i], ':'));
			struct thing *thing = thing_find(&nodes->all, text);
			if (thing == NULL || strcmp(text, nodes->names[i]) == 0)
				continue;
			forget_thing(nodes, thing);
			nodes->unsaved = true;
		}
	}
	nodes->names = NULL;
	nodes->name_count = 0;
	arena_free(nodes->names_arena);
	nodes->names_arena = arena_create();
}

/* ---- what is refused ---- */

static void add_text(struct fleet_nodes *nodes, const char **texts, size_t *count, const char *text)
{
	if (*count < REFUSED_MOST)
		texts[(*count)++] = arena_copy(nodes->arena, text, strlen(text));
}

static void add_remote(struct fleet_nodes *nodes, const char **texts, size_t *count, const struct remote *remote)
{
	char text[TEXT_MOST];
	if (remote_is_lost(remote)) {
		snprintf(text, sizeof text, "node %s is not heard; its workloads stay as they were%s", remote->name,
			 remote->doubted ? ", since the store was wiped or put back" : "");
		add_text(nodes, texts, count, text);
	}
	if (remote->enrolment_problem != NULL) {
		snprintf(text, sizeof text, "node %s: its enrolment is not taken: %s", remote->name,
			 remote->enrolment_problem);
		add_text(nodes, texts, count, text);
	}
	if (remote->problem != NULL && now_of(nodes) - remote->problem_at >= (uint64_t)HELD_S * 1000000) {
		snprintf(text, sizeof text, "node %s: what it says is not taken, and what it said before holds: %s",
			 remote->name, remote->problem);
		add_text(nodes, texts, count, text);
	}
}

/* Which nodes are not heard or not believed, and which records make no sense. */
static void tell_refused(struct fleet_nodes *nodes)
{
	const char *texts[REFUSED_MOST];
	char text[TEXT_MOST];
	size_t count = 0;
	struct remote *remote, *next;
	if (nodes->keys_problem != NULL)
		add_text(nodes, texts, &count, nodes->keys_problem);
	HASH_ITER(hh, nodes->all.remotes, remote, next)
	{
		add_remote(nodes, texts, &count, remote);
	}
	struct thing *thing = nodes->all.problems > 0 ? nodes->all.things : NULL, *following;
	for (; thing != NULL && count < REFUSED_MOST; thing = following) {
		following = thing->hh.next;
		if (thing->problem == NULL)
			continue;
		snprintf(text, sizeof text, "%s is not taken: %s", thing->name, thing->problem);
		add_text(nodes, texts, &count, text);
	}
	nodes->setup.refused(nodes->setup.context, texts, count);
}

/* ---- what the store says ---- */

void fleet_nodes_list(struct fleet_nodes *nodes, bool same, const char *store)
{
	struct remote *remote, *next;
	same = same || (nodes->kept_store != NULL && strcmp(nodes->kept_store, store) == 0);
	free(nodes->store);
	nodes->store = checked(strdup(store));
	nodes->listing = nodes->unsaved = true;
	nodes->last = NULL;
	HASH_ITER(hh, nodes->all.remotes, remote, next)
	{
		/* Not marked until the list says so. */
		remote->doubted = remote->doubted || (!same && remote->things != NULL);
		remote->touched = true;
		remote->over = false;
		bytes_clear(&remote->mark);
		for (struct thing *thing = remote->things, *following; thing != NULL; thing = following) {
			following = thing->next;
			thing_removed(&nodes->all, thing);
		}
	}
}

void fleet_nodes_put(struct fleet_nodes *nodes, const char *key, const char *value, size_t length)
{
	struct record_key parsed;
	if (!record_key_parse(&parsed, key) || strcmp(parsed.node, nodes->setup.node) == 0)
		return;
	struct remote *remote = remote_find(&nodes->all, parsed.node, true);
	if (remote == NULL)
		return;
	remote->touched = true;
	if (parsed.name_space[0] == 0) {
		bytes_set(&remote->mark, value, length <= STATEMENT_MOST ? length : STATEMENT_MOST + 1);
	} else if (parsed.name[0] == 0) {
		bytes_set(&remote->enrolment, value, length <= ENROLMENT_MOST ? length : ENROLMENT_MOST + 1);
		remote_read_enrolment(&nodes->all, remote);
		nodes->unsaved = true;
	} else {
		thing_put(&nodes->all, remote, &parsed, value, length);
	}
	/* A list goes from node to node: what it has of one need not be kept until its end. */
	if (nodes->listing && nodes->last != NULL && nodes->last != remote)
		take_remote(nodes, nodes->last);
	nodes->last = nodes->listing ? remote : NULL;
}

/* By somebody; or since its lease ran out, and then the mark goes, too, and what it had stays. */
void fleet_nodes_removed(struct fleet_nodes *nodes, const char *key)
{
	struct record_key parsed;
	char name[sizeof parsed + 3];
	if (!record_key_parse(&parsed, key))
		return;
	struct remote *remote = remote_find(&nodes->all, parsed.node, false);
	if (remote == NULL)
		return;
	remote->touched = true;
	if (parsed.name_space[0] == 0) {
		bytes_clear(&remote->mark);
		return;
	}
	snprintf(name, sizeof name, "%s:%s:%s", parsed.node, parsed.name_space, parsed.name);
	struct thing *thing = thing_find(&nodes->all, name);
	if (thing != NULL)
		thing_removed(&nodes->all, thing);
}

static void settle(struct fleet_nodes *nodes)
{
	struct remote *remote, *next;
	HASH_ITER(hh, nodes->all.remotes, remote, next)
	{
		if (remote->touched)
			take_remote(nodes, remote);
	}
	nodes->listing = false;
	nodes->last = NULL;
	take_over(nodes);
	flush(nodes);
	tell_refused(nodes);
}

void fleet_nodes_settled(struct fleet_nodes *nodes)
{
	settle(nodes);
	free(nodes->kept_store);
	nodes->kept_store = NULL;
	if (!nodes->heard)
		nodes->setup.heard(nodes->setup.context);
	nodes->heard = true;
}

/* ---- what is kept ---- */

static void put_kept(void *context, const char *key, const char *value, size_t length)
{
	struct fleet_nodes *nodes = context;
	if (key[0] != 0) {
		fleet_nodes_put(nodes, key, value, length);
	} else {
		free(nodes->kept_store);
		nodes->kept_store = checked(strndup(value, length));
	}
}

/* Where a node is not believed any more, its workloads would be nobody's: then the store is to be heard first. */
static bool all_are_believed(const struct fleet_nodes *nodes)
{
	bool believed = true;
	for (const struct remote *remote = nodes->all.remotes; remote != NULL; remote = remote->hh.next)
		believed = believed && remote->problem == NULL;
	return believed;
}

bool fleet_nodes_load(struct fleet_nodes *nodes, const uint8_t *bytes, size_t length)
{
	if (bytes == NULL)
		return true;
	nodes->listing = nodes->all.loads = true;
	bool good = fleet_kept_read(bytes, length, put_kept, nodes);
	settle(nodes);
	nodes->unsaved = nodes->all.loads = false;
	if (!good || !all_are_believed(nodes))
		return good;
	nodes->heard = true;
	nodes->setup.heard(nodes->setup.context);
	return true;
}

void fleet_nodes_save_again(struct fleet_nodes *nodes)
{
	nodes->unsaved = true;
}

uint8_t *fleet_nodes_save(struct fleet_nodes *nodes, size_t *length)
{
	if (!nodes->unsaved || nodes->store == NULL || nodes->listing)
		return NULL;
	nodes->unsaved = false;
	return fleet_kept_write(&nodes->all, nodes->store, length);
}

/* ---- its life ---- */

void fleet_nodes_tick(struct fleet_nodes *nodes)
{
	struct remote *remote, *next;
	HASH_ITER(hh, nodes->all.remotes, remote, next)
	{
		uint64_t seconds = (now_of(nodes) - remote->lost_at) / 1000000;
		if (nodes->listing)
			break;
		if (remote->lost && !remote->doubted && seconds > FLEET_FORGET_S)
			forget_things(nodes, remote);
		remote->lost = remote->lost && remote->holding > 0;
		if (remote->things == NULL && remote->mark.items == NULL && remote->sequence == 0 && !remote->enrolled)
			remote_free(&nodes->all, remote); /* of which nothing needs to be known */
	}
	if (!nodes->listing) {
		flush(nodes);
		tell_refused(nodes);
	}
}

/* Where one of the keys cannot be read, nobody is trusted. */
static void read_keys(struct fleet_nodes *nodes)
{
	arena_free(nodes->keys_arena);
	nodes->keys_arena = arena_create();
	const char *wrong = trust_load(&nodes->all.trust, nodes->keys_arena, nodes->keys);
	nodes->keys_problem =
	    wrong != NULL ? arena_printf(nodes->keys_arena, "the keys that are trusted cannot be read: %s", wrong)
			  : NULL;
	nodes->all.verified = nodes->keys->count > 0;
}

void fleet_nodes_reread(struct fleet_nodes *nodes)
{
	struct remote *remote, *next;
	read_keys(nodes);
	HASH_ITER(hh, nodes->all.remotes, remote, next)
	{
		remote->touched = true;
		remote_reread_enrolment(&nodes->all, remote);
	}
	if (!nodes->listing)
		settle(nodes);
}

struct fleet_nodes *fleet_nodes_create(const struct source_setup *setup, const struct key_words *keys)
{
	struct fleet_nodes *nodes = checked(calloc(1, sizeof *nodes));
	*nodes =
	    (struct fleet_nodes){.setup = *setup, .keys = keys, .arena = arena_create(), .names_arena = arena_create()};
	read_keys(nodes);
	return nodes;
}

void fleet_nodes_destroy(struct fleet_nodes *nodes)
{
	if (nodes == NULL)
		return;
	struct remote *remote, *next;
	HASH_ITER(hh, nodes->all.remotes, remote, next)
	{
		remote_free(&nodes->all, remote);
	}
	arena_free(nodes->keys_arena);
	arena_free(nodes->arena);
	arena_free(nodes->names_arena);
	free(nodes->store);
	free(nodes->kept_store);
	free(nodes);
}
