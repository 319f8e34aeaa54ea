/* Two keys a node, in the order of nodes: the one of its lease, and its status, which is believed as far as it can be
 * read. */
#include "enforcer/fleet_cli/view.h"

#include "enforcer/fleet/policy_store.h"
#include "enforcer/sources/fleet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static void take_key(void *context, const char *key, const char *value, size_t length)
{
	struct fleet_view *view = context;
	const char *slash = strchr(key, '/');
	if (slash == NULL)
		return;
	const char *name = arena_copy(view->arena, key, (size_t)(slash - key));
	struct node_view *node = view->count > 0 ? &view->nodes[view->count - 1] : NULL;
	if (node == NULL || strcmp(node->name, name) != 0) {
		node = arena_push(view->arena, view->nodes, view->count);
		*node = (struct node_view){.name = name};
	}
	if (strcmp(slash, "/alive") == 0) {
		node->alive = true;
	} else if (strcmp(slash, "/status") == 0) {
		node->status = json_loadb(value, length, JSON_REJECT_DUPLICATES, NULL);
		const char *bundle = json_string_value(json_object_get(node->status, "bundle"));
		if (bundle == NULL || !revision_parse(&node->bundle, bundle))
			node->bundle = 0;
	}
}

bool view_read(struct store *store, struct fleet_view *view, uint64_t wanted)
{
	struct policy_pointer pointer = {0};
	char *text;
	size_t length = 0;
	int64_t at;
	*view = (struct fleet_view){.arena = arena_create(), .wanted = wanted};
	if (!store_each(store, FLEET_NODES, take_key, view) || !store_get(store, POLICY_CURRENT, &text, &length, &at))
		return false;
	if (text != NULL && wanted == 0 && policy_pointer_read(&pointer, text, length))
		view->wanted = pointer.revision;
	free(text);
	return true;
}

void view_finish(struct fleet_view *view)
{
	for (size_t i = 0; i < view->count; i++)
		json_decref(view->nodes[i].status);
	arena_free(view->arena);
}

/* ---- what is wrong with a node ---- */

const char *node_says(const struct node_view *node, const char *key)
{
	const char *text = json_string_value(json_object_get(node->status, key));
	return text != NULL ? text : "";
}

const char *node_lack(const struct fleet_view *view, const struct node_view *node)
{
	struct arena *arena = view->arena;
	const json_t *drift = json_object_get(node->status, "drift"), *kind;
	const char *kinds = "";
	size_t i;
	if (!node->alive)
		return "not heard";
	if (node->status == NULL)
		return "its status makes no sense";
	json_array_foreach(drift, i, kind)
	{
		const char *word = json_string_value(kind);
		if (word != NULL && strcmp(word, "policy") != 0)
			kinds = arena_printf(arena, "%s%s%s", kinds, kinds[0] != 0 ? ", " : "", word);
	}
	if (kinds[0] != 0)
		return arena_printf(arena, "drift: %s", kinds);
	if (node_says(node, "stale")[0] != 0)
		return node_says(node, "stale");
	if (!json_is_true(json_object_get(node->status, "ready")))
		return "not ready";
	if (node->bundle < view->wanted && node_says(node, "waits")[0] != 0)
		return node_says(node, "waits");
	if (node->bundle != 0 && node->bundle < view->wanted)
		return arena_printf(arena, "has not got bundle %" PRIu64 " yet", view->wanted);
	return NULL;
}
