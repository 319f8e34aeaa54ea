/* The things that a source told of, and what is to be told of them next: each once, as it was heard last. */
#ifndef ENFORCER_SOURCES_KUBERNETES_THINGS_H
#define ENFORCER_SOURCES_KUBERNETES_THINGS_H

#include "enforcer/sources/kubernetes_object.h"
#include "enforcer/sources/source.h"

#include <ringfence/table.h>

/* A thing of the cluster, while it is there or has yet to be told gone. */
struct kubernetes_thing {
	enum kubernetes_kind kind;
	uint32_t list; /* the last list of its kind that it was in */
	uint64_t hash; /* of what was heard last and makes sense; else 0 */
	size_t place;  /* in what is to be told; 0: nothing is, else one more */
	bool going;    /* a namespace that goes when its pods have */
	char *refused; /* why nothing is told of it; NULL: nothing is wrong */
	char *held;    /* a pod as a text, until its namespace is known */
	char name[];
};

struct kubernetes_things {
	struct table table;
	struct arena *arena; /* of what is to be told; NULL: nothing */
	struct told *items;
	struct kubernetes_thing **told; /* of each item */
	size_t count;
	bool refused_changed;
};

/* What was heard of one, in an event or a list. */
struct kubernetes_heard {
	const char *name, *text;
	uint64_t hash;			   /* of the text */
	bool same;			   /* it says what was told: most events are about what is nothing to us */
	const struct inventory *inventory; /* NULL: see `same` and `error` */
	const char *error;
};

/* Reads an object, all in `arena`. */
void kubernetes_things_hear(const struct kubernetes_things *things, struct arena *arena, enum kubernetes_kind kind,
			    const json_t *object, struct kubernetes_heard *heard);

/* NULL: there is none. */
struct kubernetes_thing *kubernetes_things_find(const struct kubernetes_things *things, const char *name);

/* Finds or makes one. */
struct kubernetes_thing *kubernetes_things_add(struct kubernetes_things *things, enum kubernetes_kind kind,
					       const char *name);

/* The arena for inventories that are to be told. */
struct arena *kubernetes_things_arena(struct kubernetes_things *things);

/* Notes what is to be told of a thing: `inventory`, in that arena, or NULL for none; `why` is what is wrong with it, or
 * NULL, and is copied. Without either it is gone. */
void kubernetes_things_put(struct kubernetes_things *things, struct kubernetes_thing *thing,
			   const struct inventory *inventory, const char *why);

/* Notes what is wrong with a thing, or nothing, and tells nothing else of it. */
void kubernetes_things_refuse(struct kubernetes_things *things, struct kubernetes_thing *thing, const char *why);

/* Whether a pod has to wait, as its namespace is not known. */
bool kubernetes_things_hold(const struct kubernetes_things *things, const struct kubernetes_thing *pod);

/* Whether pods are in this namespace that were told of, or are to be. */
bool kubernetes_things_are_in(const struct kubernetes_things *things, const struct kubernetes_thing *space);

/* Tells it, with `all` as all that there is, and forgets what is gone. */
void kubernetes_things_tell(struct kubernetes_things *things, const struct source_setup *setup, bool all);

void kubernetes_things_finish(struct kubernetes_things *things);

#endif
