/* An object of the Kubernetes API, in JSON, to what it tells of workloads, namespaces or nodes: as a file with the same
 * object in it would. */
#ifndef ENFORCER_SOURCES_KUBERNETES_OBJECT_H
#define ENFORCER_SOURCES_KUBERNETES_OBJECT_H

#include <ringfence/inventory.h>

#include <jansson.h>

struct arena;

enum kubernetes_kind { KUBERNETES_NODES, KUBERNETES_NAMESPACES, KUBERNETES_PODS, KUBERNETES_KINDS };

struct kubernetes_names {
	const char *plural, *kind, *list; /* pods, Pod, PodList */
};
extern const struct kubernetes_names kubernetes_names[KUBERNETES_KINDS];

enum { KUBERNETES_NAME_SIZE = 384 };

/* The name of the thing that an object is, such as `pod:shop:web-0`, to `name` of KUBERNETES_NAME_SIZE bytes. Returns
 * false for an object that has no name to go by. */
bool kubernetes_object_name(enum kubernetes_kind kind, const json_t *object, char *name);

/* What of the object tells something, as a text of JSON in `arena`. */
const char *kubernetes_object_text(struct arena *arena, enum kubernetes_kind kind, const json_t *object);

/* Reads such a text, in `arena` as well. Returns NULL after an error, and what is wrong in `*error`; a pod that is
 * nowhere, or is no workload, has an inventory without one. */
struct inventory *kubernetes_text_read(struct arena *arena, const char *text, const char **error);

#endif
