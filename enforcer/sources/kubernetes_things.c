/* What comes within one turn of the event loop is told at once, and of each thing only the last: a transaction for a
 * burst of events and not one for each. */
#include "enforcer/sources/kubernetes_things.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kubernetes_thing *kubernetes_things_find(const struct kubernetes_things *things, const char *name)
{
	if (things->table.count == 0)
		return NULL;
	struct table_slot *slot = table_first(&things->table, table_hash_text(0, name));
	while (slot != NULL && strcmp(((struct kubernetes_thing *)slot->item)->name, name) != 0)
		slot = table_next(&things->table, slot);
	return slot != NULL ? slot->item : NULL;
}

struct kubernetes_thing *kubernetes_things_add(struct kubernetes_things *things, enum kubernetes_kind kind,
					       const char *name)
{
	struct kubernetes_thing *thing = kubernetes_things_find(things, name);
	if (thing != NULL)
		return thing;
	thing = calloc(1, sizeof *thing + strlen(name) + 1);
	if (thing == NULL)
		abort();
	thing->kind = kind;
	strcpy(thing->name, name);
	table_add(&things->table, table_hash_text(0, name), thing, 0);
	return thing;
}

void kubernetes_things_hear(const struct kubernetes_things *things, struct arena *arena, enum kubernetes_kind kind,
			    const json_t *object, struct kubernetes_heard *heard)
{
	char name[KUBERNETES_NAME_SIZE];
	*heard = (struct kubernetes_heard){.error = "it has no name to go by"};
	if (!kubernetes_object_name(kind, object, name)) {
		heard->name = arena_printf(arena, "one of the %s", kubernetes_names[kind].plural);
		return;
	}
	heard->name = arena_copy(arena, name, strlen(name));
	heard->text = kubernetes_object_text(arena, kind, object);
	heard->hash = (uint64_t)table_hash_text(1, heard->text) << 32 | table_hash_text(2, heard->text);
	heard->error = NULL;
	const struct kubernetes_thing *thing = kubernetes_things_find(things, name);
	heard->same = thing != NULL && thing->hash == heard->hash && thing->held == NULL && thing->refused == NULL;
	if (!heard->same)
		heard->inventory = kubernetes_text_read(arena, heard->text, &heard->error);
}

struct arena *kubernetes_things_arena(struct kubernetes_things *things)
{
	if (things->arena == NULL)
		things->arena = arena_create();
	return things->arena;
}

void kubernetes_things_put(struct kubernetes_things *things, struct kubernetes_thing *thing,
			   const struct inventory *inventory, const char *why)
{
	struct arena *arena = kubernetes_things_arena(things);
	if (thing->place == 0) {
		size_t count = things->count; /* two arrays, one counter */
		*arena_push(arena, things->told, count) = thing;
		arena_push(arena, things->items, things->count);
		thing->place = things->count;
	}
	things->items[thing->place - 1] = (struct told){thing->name, inventory};
	kubernetes_things_refuse(things, thing, why);
}

void kubernetes_things_refuse(struct kubernetes_things *things, struct kubernetes_thing *thing, const char *why)
{
	if (why == NULL && thing->refused == NULL)
		return;
	things->refused_changed = true;
	char *copy = why != NULL ? strdup(why) : NULL; /* `why` may be the old one */
	free(thing->refused);
	thing->refused = copy;
}

bool kubernetes_things_hold(const struct kubernetes_things *things, const struct kubernetes_thing *pod)
{
	char name[KUBERNETES_NAME_SIZE];
	const char *space = strchr(pod->name, ':') + 1; /* pod:shop:web-0 */
	snprintf(name, sizeof name, "namespace:%.*s", (int)strcspn(space, ":"), space);
	const struct kubernetes_thing *known = kubernetes_things_find(things, name);
	return known == NULL || known->refused != NULL;
}

bool kubernetes_things_are_in(const struct kubernetes_things *things, const struct kubernetes_thing *space)
{
	const struct table_slot *slot;
	const char *colon = strchr(space->name, ':'), *name = colon != NULL ? colon + 1 : "";
	size_t length = strlen(name);
	bool in = false;
	for (size_t at = 0; !in && (slot = table_each(&things->table, &at)) != NULL;) {
		const struct kubernetes_thing *thing = slot->item;
		bool gone = thing->place > 0 && things->items[thing->place - 1].inventory == NULL;
		if (thing->kind != KUBERNETES_PODS || gone || thing->refused != NULL)
			continue;
		const char *own = strchr(thing->name, ':');
		in = own != NULL && strncmp(own + 1, name, length) == 0 && own[1 + length] == ':';
	}
	return in;
}

static void forget(struct kubernetes_things *things, struct kubernetes_thing *thing)
{
	struct table_slot *slot = table_first(&things->table, table_hash_text(0, thing->name));
	while (slot->item != thing)
		slot = table_next(&things->table, slot);
	table_remove(&things->table, slot);
	free(thing->refused);
	free(thing->held);
	free(thing);
}

static int compare_texts(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void tell_refused(const struct kubernetes_things *things, const struct source_setup *setup, struct arena *arena)
{
	const char **texts = NULL;
	size_t count = 0;
	const struct table_slot *slot;
	for (size_t at = 0; (slot = table_each(&things->table, &at)) != NULL;) {
		const struct kubernetes_thing *thing = slot->item;
		if (thing->refused != NULL)
			*arena_push(arena, texts, count) = arena_printf(arena, "%s: %s", thing->name, thing->refused);
	}
	if (count > 1)
		qsort(texts, count, sizeof *texts, compare_texts);
	setup->refused(setup->context, texts, count);
}

void kubernetes_things_tell(struct kubernetes_things *things, const struct source_setup *setup, bool all)
{
	struct arena *arena = kubernetes_things_arena(things);
	if (all || things->count > 0)
		setup->tell(setup->context, things->items, things->count, all);
	if (things->refused_changed)
		tell_refused(things, setup, arena);
	for (size_t i = 0; i < things->count; i++) {
		struct kubernetes_thing *thing = things->told[i];
		thing->place = 0;
		if (things->items[i].inventory == NULL && thing->refused == NULL)
			forget(things, thing);
	}
	arena_free(arena);
	*things = (struct kubernetes_things){.table = things->table};
}

void kubernetes_things_finish(struct kubernetes_things *things)
{
	const struct table_slot *slot;
	for (size_t at = 0; (slot = table_each(&things->table, &at)) != NULL;) {
		struct kubernetes_thing *thing = slot->item;
		free(thing->refused);
		free(thing->held);
		free(thing);
	}
	table_finish(&things->table);
	arena_free(things->arena);
}
