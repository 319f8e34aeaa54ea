/* Only the fields that say something about the network are kept, as a small document of JSON, which the reader of
 * manifests reads: YAML holds JSON. So whatever else is in an object, of whichever version of the API, is nothing to
 * us, and what a field means is said in one place (compiler/frontend/pod.c).
 *
 * Which addresses a machine has its Node says, so that pods need not (`hostIPs`). */
#include "enforcer/sources/kubernetes_object.h"

#include "compiler/frontend/native.h"

#include <ringfence/arena.h>
#include <ringfence/diagnostic.h>
#include <ringfence/frontend.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct kubernetes_names kubernetes_names[KUBERNETES_KINDS] = {
    [KUBERNETES_NODES] = {"nodes", "Node", "NodeList"},
    [KUBERNETES_NAMESPACES] = {"namespaces", "Namespace", "NamespaceList"},
    [KUBERNETES_PODS] = {"pods", "Pod", "PodList"},
};

/* ---- names ---- */

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

bool kubernetes_object_name(enum kubernetes_kind kind, const json_t *object, char *name)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const char *own = text_at(metadata, "name"), *space = text_at(metadata, "namespace");
	int length;
	if (!is_domain_name(own) || (kind == KUBERNETES_PODS && !is_label_name(space)))
		return false;
	if (kind == KUBERNETES_PODS)
		length = snprintf(name, KUBERNETES_NAME_SIZE, "pod:%s:%s", space, own);
	else
		length =
		    snprintf(name, KUBERNETES_NAME_SIZE, "%s:%s", kind == KUBERNETES_NODES ? "node" : "namespace", own);
	return length > 0 && length < KUBERNETES_NAME_SIZE;
}

/* ---- what is kept ---- */

static void keep(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);
	if (value != NULL)
		json_object_set(to, key, value);
}

/* Of each entry of a list some keys; what is no list of objects stays as it is, and the reader says so. */
static void keep_list(json_t *to, const json_t *from, const char *list, const char *const *keys)
{
	const json_t *items = json_object_get(from, list);
	if (!json_is_array(items)) {
		keep(to, from, list);
		return;
	}
	json_t *kept = json_array();
	for (size_t i = 0; i < json_array_size(items); i++) {
		json_t *item = json_array_get(items, i);
		json_t *some = json_is_object(item) ? json_object() : json_incref(item);
		for (const char *const *key = keys; json_is_object(item) && *key != NULL; key++)
			keep(some, item, *key);
		json_array_append_new(kept, some);
	}
	json_object_set_new(to, list, kept);
}

static const char *const container_keys[] = {"ports", "restartPolicy", NULL};
static const char *const address_keys[] = {"type", "address", NULL};

/* A part of an object (`spec`, `status`) of which `keys` are kept, and of some lists some. */
static json_t *part(const json_t *object, const char *name, const char *const *keys)
{
	const json_t *from = json_object_get(object, name);
	json_t *to = json_object();
	for (; *keys != NULL; keys++)
		keep(to, from, *keys);
	return to;
}

enum { KEYS_MOST = 4 };

static const struct {
	const char *metadata[KEYS_MOST], *spec[KEYS_MOST], *status[KEYS_MOST]; /* the last NULL */
} kept_keys[KUBERNETES_KINDS] = {
    [KUBERNETES_NODES] = {{"name"}, {"podCIDR", "podCIDRs"}, {0}},
    [KUBERNETES_NAMESPACES] = {{"name", "labels"}, {0}, {0}},
    [KUBERNETES_PODS] = {{"name", "namespace", "labels"}, {"nodeName", "hostNetwork"}, {"phase", "podIP", "podIPs"}},
};

const char *kubernetes_object_text(struct arena *arena, enum kubernetes_kind kind, const json_t *object)
{
	const json_t *spec = json_object_get(object, "spec"), *status = json_object_get(object, "status");
	json_t *metadata = part(object, "metadata", kept_keys[kind].metadata);
	json_t *kept_spec = part(object, "spec", kept_keys[kind].spec);
	json_t *kept_status = part(object, "status", kept_keys[kind].status);
	if (kind == KUBERNETES_PODS) {
		keep_list(kept_spec, spec, "containers", container_keys);
		keep_list(kept_spec, spec, "initContainers", container_keys);
	}
	if (kind == KUBERNETES_NODES)
		keep_list(kept_status, status, "addresses", address_keys);
	json_t *kept = json_pack("{s:s, s:s, s:o, s:o, s:o}", "apiVersion", "v1", "kind", kubernetes_names[kind].kind,
				 "metadata", metadata, "spec", kept_spec, "status", kept_status);
	char *text = kept != NULL ? json_dumps(kept, JSON_COMPACT) : NULL;
	if (text == NULL)
		abort(); /* out of memory: it was read as JSON */
	const char *copy = arena_copy(arena, text, strlen(text));
	json_decref(kept);
	free(text);
	return copy;
}

/* ---- reading it ---- */

/* The first error, without its place in a text that nobody has seen, and fit to be shown. */
static const char *first_error(struct arena *arena, struct diagnostics *diagnostics)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	for (size_t i = 0; i < diagnostics->count && ftell(stream) == 0; i++)
		if (diagnostics->items[i].severity == SEVERITY_ERROR)
			escape_print(stream, diagnostics->items[i].message, strlen(diagnostics->items[i].message));
	fclose(stream);
	const char *copy = arena_copy(arena, text, size);
	free(text);
	return copy;
}

struct inventory *kubernetes_text_read(struct arena *arena, const char *text, const char **error)
{
	struct diagnostics *diagnostics = arena_alloc(arena, sizeof *diagnostics);
	struct frontend *frontend = arena_alloc(arena, sizeof *frontend);
	diagnostics_init(diagnostics, arena);
	frontend_init(frontend, arena, diagnostics);
	frontend->inventory_only = true;
	frontend_add_text(frontend, "object", text, strlen(text));
	frontend_finish(frontend);
	*error = NULL;
	if (diagnostics->errors > 0) {
		*error = first_error(arena, diagnostics);
		return NULL;
	}
	struct inventory *inventory = &frontend->inventory;
	if (inventory->workload_count > 0 && inventory->workloads[0]->node == NULL)
		inventory->workload_count = 0; /* no machine was chosen for it yet */
	return inventory;
}
