/* The parts that Kubernetes objects are made of. A field that is null is as one that is absent; null in a list is an
 * error, as kubectl says too. */
#include "compiler/frontend/manifest.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- reading objects ---- */

/* Calls the reader of every key that is there and not null. */
static void fields_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
			void *object)
{
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *value = yaml_get(node, keys[i].name);
		if (value != NULL && !yaml_is_null(value))
			keys[i].read(frontend, value, object);
	}
}

/* An object of which every key counts: an unknown one is an error, and so is null where a value is required. */
void manifest_strict_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
			  const char *what, void *object)
{
	if (!keys_check(frontend, node, keys, count, what))
		return;
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *value = keys[i].required ? yaml_get(node, keys[i].name) : NULL;
		if (value != NULL && yaml_is_null(value))
			diagnostics_error(frontend->diagnostics, value->span, "`%s` is null, and %s needs it",
					  keys[i].name, what);
	}
	fields_read(frontend, node, keys, count, object);
}

/* An object of which we need a part. */
void manifest_lenient_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys,
			   size_t count, const char *what, void *object)
{
	if (node->kind == YAML_MAPPING)
		fields_read(frontend, node, keys, count, object);
	else
		diagnostics_error(frontend->diagnostics, node->span, "%s must be a mapping", what);
}

/* The entries of a list; NULL or null: none. An entry that is null is an error, and left out. */
struct yaml_node **manifest_items(struct frontend *frontend, const struct yaml_node *list, const char *what,
				  size_t *count)
{
	struct yaml_node **items = NULL;
	*count = 0;
	if (list == NULL || yaml_is_null(list))
		return NULL;
	if (list->kind != YAML_SEQUENCE)
		diagnostics_error(frontend->diagnostics, list->span, "`%s` must be a list", what);
	for (size_t i = 0; list->kind == YAML_SEQUENCE && i < list->count; i++) {
		if (!yaml_is_null(&list->items[i])) {
			*arena_push(frontend->nodes, items, *count) = &list->items[i];
			continue;
		}
		diagnostics_error(frontend->diagnostics, list->items[i].span, "an entry of `%s` is null", what);
		diagnostics_help(frontend->diagnostics, "remove it: null would be read as everything");
	}
	return items;
}

/* A mapping of texts: a native selector's list of one value is none. */
void manifest_labels_read(struct frontend *frontend, const struct yaml_node *node, struct labels *labels)
{
	size_t before = frontend->diagnostics->errors;
	for (size_t i = 1; node->kind == YAML_MAPPING && i < node->count; i += 2)
		if (node->items[i].kind != YAML_SCALAR)
			diagnostics_error(frontend->diagnostics, node->items[i - 1].span, "label `%s` must be a text",
					  node->items[i - 1].text);
	if (frontend->diagnostics->errors == before)
		labels_read(frontend, node, labels);
}

/* ---- metadata ---- */

static void metadata_name_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct metadata *metadata = object;
	const char *name = scalar_read(frontend, node, "`metadata.name`");
	metadata->span = node->span;
	if (name != NULL && is_domain_name(name))
		metadata->name = name;
	else if (name != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`metadata.name` must be a name (RFC 1123)");
}

static void metadata_namespace_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	if (node->kind == YAML_SCALAR && node->text[0] == 0)
		return; /* as if it were absent */
	const char *name = name_read(frontend, node, "`metadata.namespace`");
	if (name != NULL)
		((struct metadata *)object)->name_space = name;
}

static void metadata_labels_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	manifest_labels_read(frontend, node, &((struct metadata *)object)->labels);
}

static void passed_over(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)frontend;
	(void)node;
	(void)object;
}

/* All of ObjectMeta, so that a namespace that is misspelled does not become the default one. */
static const struct key metadata_keys[] = {
    UNTYPED_KEY("name", false, metadata_name_read),
    UNTYPED_KEY("namespace", false, metadata_namespace_read),
    UNTYPED_KEY("labels", false, metadata_labels_read),
    UNTYPED_KEY("annotations", false, passed_over),
    UNTYPED_KEY("clusterName", false, passed_over),
    UNTYPED_KEY("creationTimestamp", false, passed_over),
    UNTYPED_KEY("deletionGracePeriodSeconds", false, passed_over),
    UNTYPED_KEY("deletionTimestamp", false, passed_over),
    UNTYPED_KEY("finalizers", false, passed_over),
    UNTYPED_KEY("generateName", false, passed_over),
    UNTYPED_KEY("generation", false, passed_over),
    UNTYPED_KEY("initializers", false, passed_over),
    UNTYPED_KEY("managedFields", false, passed_over),
    UNTYPED_KEY("ownerReferences", false, passed_over),
    UNTYPED_KEY("resourceVersion", false, passed_over),
    UNTYPED_KEY("selfLink", false, passed_over),
    UNTYPED_KEY("uid", false, passed_over),
};

/* Returns false after an error, when the object has no name to go by. */
bool manifest_metadata_read(struct frontend *frontend, const struct yaml_node *root, struct metadata *metadata)
{
	const struct yaml_node *node = yaml_get(root, "metadata");
	size_t before = frontend->diagnostics->errors;
	*metadata = (struct metadata){.name_space = "default"};
	if (node != NULL && !yaml_is_null(node))
		STRICT(frontend, node, metadata_keys, "`metadata`", metadata);
	if (metadata->name == NULL && frontend->diagnostics->errors == before)
		diagnostics_error(frontend->diagnostics, node != NULL ? node->span : root->span,
				  "the object needs `metadata.name`");
	return metadata->name != NULL;
}

/* ---- numbers ---- */

/* TCP where it is left out. Returns 0 after an error. */
uint16_t manifest_protocol_read(struct frontend *frontend, const struct yaml_node *node)
{
	static const char *const names[] = {"TCP", "UDP", "SCTP"};
	static const uint16_t numbers[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP};
	const char *text = node != NULL ? scalar_read(frontend, node, "`protocol`") : "TCP";
	for (size_t i = 0; text != NULL && i < 3; i++)
		if (strcmp(names[i], text) == 0)
			return numbers[i];
	if (text != NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "there is no protocol `%s` here", text);
		diagnostics_help(frontend->diagnostics, "known here: TCP, UDP, SCTP");
	}
	return 0;
}

bool manifest_is_number(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && node->plain && node->text[0] != 0 &&
	       (node->text[0] != '0' || node->text[1] == 0) && /* an octal number, to some readers */
	       strspn(node->text, "0123456789") == strlen(node->text);
}

/* Returns 0 after an error. */
uint16_t manifest_number_read(struct frontend *frontend, const struct yaml_node *node, const char *what)
{
	unsigned long value = manifest_is_number(node) && strlen(node->text) <= 5 ? strtoul(node->text, NULL, 10) : 0;
	if (value >= 1 && value <= 65535)
		return (uint16_t)value;
	diagnostics_error(frontend->diagnostics, node->span, "`%s` must be a number from 1 to 65535", what);
	return 0;
}
