/* Three watches (kubernetes_watch.h) to what is told: nodes, namespaces and pods.
 *
 * What the API says is the truth about pods, but never that there is nobody: a list of nodes without this one, an empty
 * list of namespaces, and one of pods where some were known, are not believed. They come from a server that lost its
 * store or is another cluster's, and would close what runs, or open it where addresses are in no network for workloads.
 *
 * Nothing is told before all three lists are whole. The watches are three connections, of which one may lag: a pod
 * whose namespace is not known yet has no labels of one, which a selector may take for a reason to match, so it waits.
 *
 * Of networks for pods only those of this node count. Each node closes its own, and what others speak from in theirs
 * (tunnels, bridges) nobody tells; what this machine itself has in them, it is asked for. */
#include "enforcer/sources/kubernetes.h"

#include "enforcer/sources/kubernetes_node.h"
#include "enforcer/sources/kubernetes_things.h"

#include <ringfence/arena.h>
#include <ringfence/diagnostic.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_USEC = 2000000 }; /* at this machine's addresses */

struct listing {
	struct arena *arena;
	struct kubernetes_heard *items;
	size_t count;
	uint32_t number; /* of the last whole list; 0: there was none */
};

struct kubernetes {
	struct source_setup setup;
	struct kubernetes_watch *watches[KUBERNETES_KINDS];
	struct listing listings[KUBERNETES_KINDS];
	struct kubernetes_things things;
	sd_event_source *soon, *look;
	bool going; /* some namespaces are */
	bool told;  /* once, all */
	char *problems[KUBERNETES_KINDS];
	char own_name[KUBERNETES_NAME_SIZE]; /* of this node as a thing */
	char *own_text;			     /* this node's object; NULL: it has not been seen */
	bool own_gone;
	struct node_addresses own; /* as they were told of it beside that */
};

/* ---- problems ---- */

static void tell_problem(struct kubernetes *source)
{
	static const char gone[] = "this node is not in the cluster any more, or makes no sense there; "
				   "what was known of it stays";
	const char *first = NULL;
	char *text = NULL;
	size_t size = 0;
	for (size_t i = 0; i < KUBERNETES_KINDS && first == NULL; i++)
		first = source->problems[i];
	if (first == NULL && source->own_gone)
		first = gone;
	if (first == NULL) {
		source->setup.problem(source->setup.context, NULL);
		return;
	}
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	escape_print(stream, first, strlen(first)); /* a server's words are in it */
	fclose(stream);
	source->setup.problem(source->setup.context, text);
	free(text);
}

static void on_problem(void *context, enum kubernetes_kind kind, const char *text)
{
	struct kubernetes *source = context;
	char *copy = text != NULL ? strdup(text) : NULL;
	free(source->problems[kind]);
	source->problems[kind] = copy;
	tell_problem(source);
}

static void note_own(struct kubernetes *source, bool gone)
{
	if (source->own_gone == gone)
		return;
	source->own_gone = gone;
	tell_problem(source);
}

/* ---- this node ---- */

/* What is told of a node beside its object. Of this one it is noted, too. */
static void complete_node(struct kubernetes *source, struct arena *arena, const struct kubernetes_heard *heard)
{
	if (heard->inventory == NULL || heard->inventory->node_count == 0)
		return;
	struct node *node = heard->inventory->nodes[0];
	if (strcmp(heard->name, source->own_name) != 0) {
		node->pool_count = 0;
		return;
	}
	const struct node_addresses own = node_addresses_read(arena, node);
	for (size_t i = 0; i < own.count; i++)
		*arena_push(arena, node->addresses, node->address_count) = own.items[i];
	node_addresses_keep(&source->own, &own);
	char *text = strdup(heard->text);
	free(source->own_text);
	source->own_text = text;
	note_own(source, false);
}

/* ---- what is told ---- */

static void tell_soon(struct kubernetes *source)
{
	sd_event_source_set_enabled(source->soon, SD_EVENT_ONESHOT);
}

/* A namespace stays as it was told while a pod is in it: without labels it might match what it did not. One that makes
 * no sense is told as refused; new pods of it wait. */
static bool is_kept(struct kubernetes *source, struct kubernetes_thing *thing, const struct kubernetes_heard *heard)
{
	thing->going = false;
	if (thing->kind != KUBERNETES_NAMESPACES || heard->inventory != NULL ||
	    !kubernetes_things_are_in(&source->things, thing))
		return false;
	thing->going = heard->error == NULL;
	source->going = source->going || thing->going;
	kubernetes_things_refuse(&source->things, thing, heard->error);
	return true;
}

/* Has what was heard be told, in the arena of the things. */
static void put(struct kubernetes *source, struct kubernetes_thing *thing, const struct kubernetes_heard *heard)
{
	bool held = thing->kind == KUBERNETES_PODS && heard->inventory != NULL &&
		    kubernetes_things_hold(&source->things, thing);
	char *text = held ? strdup(heard->text) : NULL;
	free(thing->held);
	thing->held = text;
	if (thing->kind == KUBERNETES_NODES)
		complete_node(source, kubernetes_things_arena(&source->things), heard);
	tell_soon(source);
	if (is_kept(source, thing, heard))
		return;
	if (held)
		kubernetes_things_put(&source->things, thing, NULL, "its namespace is not known");
	else
		kubernetes_things_put(&source->things, thing, heard->inventory, heard->error);
}

/* Namespaces that were to go when their pods have. */
static void let_go(struct kubernetes *source)
{
	const struct table_slot *slot;
	bool going = source->going;
	source->going = false;
	for (size_t at = 0; going && (slot = table_each(&source->things.table, &at)) != NULL;) {
		struct kubernetes_thing *thing = slot->item;
		if (!thing->going)
			continue;
		if (kubernetes_things_are_in(&source->things, thing)) {
			source->going = true;
			continue;
		}
		thing->going = false;
		kubernetes_things_put(&source->things, thing, NULL, NULL);
	}
}

static int on_soon(sd_event_source *event, void *context)
{
	struct kubernetes *source = context;
	(void)event;
	for (size_t i = 0; i < KUBERNETES_KINDS; i++)
		if (source->listings[i].number == 0)
			return 0; /* and the lists will ask again */
	let_go(source);
	bool all = !source->told;
	source->told = true;
	kubernetes_things_tell(&source->things, &source->setup, all);
	return 0;
}

/* Pods that waited for a namespace that is known now. */
static void release(struct kubernetes *source)
{
	struct arena *arena = kubernetes_things_arena(&source->things);
	const struct table_slot *slot;
	for (size_t at = 0; (slot = table_each(&source->things.table, &at)) != NULL;) {
		struct kubernetes_thing *thing = slot->item;
		if (thing->held == NULL || kubernetes_things_hold(&source->things, thing))
			continue;
		struct kubernetes_heard heard = {.name = thing->name,
						 .text = arena_copy(arena, thing->held, strlen(thing->held))};
		heard.inventory = kubernetes_text_read(arena, heard.text, &heard.error);
		put(source, thing, &heard);
	}
}

/* ---- what is heard ---- */

/* Takes what was heard of what is there. */
static void take(struct kubernetes *source, enum kubernetes_kind kind, const struct kubernetes_heard *heard)
{
	struct kubernetes_thing *thing = kubernetes_things_add(&source->things, kind, heard->name);
	thing->list = source->listings[kind].number;
	thing->hash = heard->error == NULL ? heard->hash : 0;
	tell_soon(source); /* at the least the arena is free then */
	if (!heard->same) {
		put(source, thing, heard);
		return;
	}
	thing->going = false;
	if (strcmp(heard->name, source->own_name) == 0)
		note_own(source, false);
}

/* And of what is not there any more. */
static void take_gone(struct kubernetes *source, struct kubernetes_thing *thing)
{
	thing->list = 0;
	thing->hash = 0;
	put(source, thing, &(struct kubernetes_heard){.name = thing->name});
}

static void on_list_begun(void *context, enum kubernetes_kind kind)
{
	struct listing *listing = &((struct kubernetes *)context)->listings[kind];
	arena_free(listing->arena);
	listing->arena = arena_create();
	listing->items = NULL;
	listing->count = 0;
}

static void on_list_item(void *context, enum kubernetes_kind kind, const json_t *object)
{
	struct kubernetes *source = context;
	struct listing *listing = &source->listings[kind];
	kubernetes_things_hear(&source->things, listing->arena, kind, object,
			       arena_push(listing->arena, listing->items, listing->count));
}

static bool is_one_known(const struct kubernetes *source, enum kubernetes_kind kind)
{
	const struct table_slot *slot;
	bool known = false;
	for (size_t at = 0; !known && (slot = table_each(&source->things.table, &at)) != NULL;) {
		const struct kubernetes_thing *thing = slot->item;
		known = thing->kind == kind && thing->list != 0;
	}
	return known;
}

/* Why a whole list cannot be true; NULL: it can. */
static const char *doubt(struct kubernetes *source, enum kubernetes_kind kind)
{
	const struct listing *listing = &source->listings[kind];
	const char *node = source->setup.node;
	if (kind == KUBERNETES_NAMESPACES && listing->count == 0)
		return "a list of no namespaces, which no cluster has, is not believed";
	if (kind == KUBERNETES_PODS && listing->count == 0 && is_one_known(source, kind))
		return "a list of no pods, where some were known, is not believed";
	for (size_t i = 0; kind == KUBERNETES_NODES && i < listing->count; i++) {
		if (strcmp(listing->items[i].name, source->own_name) != 0)
			continue;
		return listing->items[i].error == NULL
			   ? NULL
			   : arena_printf(listing->arena, "this node, %s: %s", node, listing->items[i].error);
	}
	if (kind == KUBERNETES_NODES)
		return arena_printf(listing->arena,
				    "none of %zu nodes of the cluster is this one, %s: set `node` to its name there; "
				    "the list is not believed",
				    listing->count, node);
	return NULL;
}

/* Those that were there before, and are not in the list. */
static void put_gone(struct kubernetes *source, enum kubernetes_kind kind)
{
	const struct table_slot *slot;
	for (size_t at = 0; (slot = table_each(&source->things.table, &at)) != NULL;) {
		struct kubernetes_thing *thing = slot->item;
		if (thing->kind == kind && thing->list != source->listings[kind].number)
			take_gone(source, thing);
	}
}

static const char *on_listed(void *context, enum kubernetes_kind kind)
{
	struct kubernetes *source = context;
	struct listing *listing = &source->listings[kind];
	const char *why = doubt(source, kind);
	if (why != NULL)
		return why;
	listing->number++;
	for (size_t i = 0; i < listing->count; i++)
		take(source, kind, &listing->items[i]);
	put_gone(source, kind);
	if (kind == KUBERNETES_NAMESPACES)
		release(source);
	arena_pass(listing->arena, kubernetes_things_arena(&source->things));
	listing->arena = NULL;
	listing->items = NULL;
	listing->count = 0;
	return NULL;
}

/* Behind a list that was believed. No watch begins before all lists are whole: what it says could not be told. */
static void on_whole(void *context, enum kubernetes_kind kind)
{
	struct kubernetes *source = context;
	bool whole = true;
	for (size_t i = 0; i < KUBERNETES_KINDS; i++)
		whole = whole && source->listings[i].number > 0;
	for (size_t i = 0; whole && i < KUBERNETES_KINDS; i++)
		if (i == kind || !source->told)
			kubernetes_watch_follow(source->watches[i]);
}

static void on_changed(void *context, enum kubernetes_kind kind, const json_t *object)
{
	struct kubernetes *source = context;
	struct kubernetes_heard heard;
	kubernetes_things_hear(&source->things, kubernetes_things_arena(&source->things), kind, object, &heard);
	if (heard.error != NULL && strcmp(heard.name, source->own_name) == 0) {
		note_own(source, true);
		return;
	}
	take(source, kind, &heard);
	if (kind == KUBERNETES_NAMESPACES)
		release(source);
}

static void on_gone(void *context, enum kubernetes_kind kind, const json_t *object)
{
	struct kubernetes *source = context;
	char name[KUBERNETES_NAME_SIZE];
	struct kubernetes_thing *thing =
	    kubernetes_object_name(kind, object, name) ? kubernetes_things_find(&source->things, name) : NULL;
	if (thing == NULL)
		return;
	if (strcmp(name, source->own_name) == 0) {
		note_own(source, true);
		return;
	}
	take_gone(source, thing);
}

/* ---- its life ---- */

/* A bridge comes with the first pod, and a tunnel when another node does. */
static int on_look(sd_event_source *event, uint64_t usec, void *context)
{
	struct kubernetes *source = context;
	sd_event_source_set_time(event, usec + LOOK_USEC);
	sd_event_source_set_enabled(event, SD_EVENT_ONESHOT);
	if (source->own_text == NULL)
		return 0;
	struct arena *arena = arena_create();
	struct kubernetes_heard heard = {.name = source->own_name,
					 .text = arena_copy(arena, source->own_text, strlen(source->own_text))};
	heard.inventory = kubernetes_text_read(arena, heard.text, &heard.error);
	const struct node_addresses now = node_addresses_read(arena, heard.inventory->nodes[0]);
	bool same = node_addresses_are_same(&now, &source->own);
	struct kubernetes_thing *thing = kubernetes_things_find(&source->things, source->own_name);
	if (!same && thing != NULL) {
		put(source, thing, &heard);
		arena_pass(arena, kubernetes_things_arena(&source->things));
	} else {
		arena_free(arena);
	}
	return 0;
}

int kubernetes_create(struct kubernetes **source, const struct kubernetes_server *server,
		      const struct source_setup *setup)
{
	struct kubernetes *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	made->setup = *setup;
	snprintf(made->own_name, sizeof made->own_name, "node:%s", setup->node);
	int error = sd_event_add_defer(setup->events, &made->soon, on_soon, made);
	if (error >= 0)
		error = sd_event_source_set_enabled(made->soon, SD_EVENT_OFF);
	if (error >= 0)
		error =
		    sd_event_add_time(setup->events, &made->look, CLOCK_MONOTONIC, 0, LOOK_USEC / 10, on_look, made);
	if (error < 0) {
		kubernetes_destroy(made);
		return error;
	}
	for (size_t i = 0; i < KUBERNETES_KINDS; i++)
		made->watches[i] = kubernetes_watch_create(&(struct kubernetes_watch_setup){
		    .events = setup->events,
		    .client = setup->client,
		    .server = server,
		    .kind = (enum kubernetes_kind)i,
		    .silent_seconds = KUBERNETES_SILENT_SECONDS,
		    .begun = on_list_begun,
		    .item = on_list_item,
		    .listed = on_listed,
		    .whole = on_whole,
		    .changed = on_changed,
		    .gone = on_gone,
		    .problem = on_problem,
		    .context = made,
		});
	*source = made;
	return 0;
}

void kubernetes_destroy(struct kubernetes *source)
{
	if (source == NULL)
		return;
	for (size_t i = 0; i < KUBERNETES_KINDS; i++) {
		kubernetes_watch_destroy(source->watches[i]);
		arena_free(source->listings[i].arena);
		free(source->problems[i]);
	}
	kubernetes_things_finish(&source->things);
	sd_event_source_disable_unref(source->soon);
	sd_event_source_disable_unref(source->look);
	free(source->own.items);
	free(source->own_text);
	free(source);
}
