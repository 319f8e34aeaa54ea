/* The parts that Kubernetes objects are made of: fields by table, lists, metadata, protocols and numbers. */
#ifndef COMPILER_FRONTEND_MANIFEST_H
#define COMPILER_FRONTEND_MANIFEST_H

#include "compiler/frontend/native.h"

/* A kind of object that counts. */
struct manifest_kind {
	const char *api_version, *kind;
	bool policy; /* and not inventory */
	void (*read)(struct frontend *frontend, const struct yaml_node *root);
};

/* Reads an object by its table; a field that is null is passed over, or an error where it is required. Strict: an
 * unknown key is an error. Lenient: we need a part. */
void manifest_strict_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
			  const char *what, void *object);
void manifest_lenient_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys,
			   size_t count, const char *what, void *object);
#define STRICT(frontend, node, keys, what, object) \
	manifest_strict_read((frontend), (node), (keys), sizeof(keys) / sizeof *(keys), (what), (object))
#define LENIENT(frontend, node, keys, what, object) \
	manifest_lenient_read((frontend), (node), (keys), sizeof(keys) / sizeof *(keys), (what), (object))

/* Defines a reader that keeps a node for later, in a field of type `const struct yaml_node *`. */
#define KEEPS(name, type, field)                                                                     \
	static void name(struct frontend *frontend, const struct yaml_node *node, void *object)      \
	{                                                                                            \
		(void)frontend;                                                                      \
		*(const struct yaml_node **)(void *)((char *)object + offsetof(type, field)) = node; \
	}

/* The entries of a list; NULL or null: none. An entry that is null is an error, and left out. */
struct yaml_node **manifest_items(struct frontend *frontend, const struct yaml_node *list, const char *what,
				  size_t *count);

/* A mapping of texts: a native selector's list of one value is none. */
void manifest_labels_read(struct frontend *frontend, const struct yaml_node *node, struct labels *labels);

struct metadata {
	const char *name, *name_space;
	struct labels labels;
	struct span span; /* of the name */
};

/* Reads `metadata`. Returns false after an error, when the object has no name to go by. */
bool manifest_metadata_read(struct frontend *frontend, const struct yaml_node *root, struct metadata *metadata);

/* TCP where `node` is NULL. Returns 0 after an error. */
uint16_t manifest_protocol_read(struct frontend *frontend, const struct yaml_node *node);

/* Whether a node is a decimal number, and it as a port; 0 after an error. */
bool manifest_is_number(const struct yaml_node *node);
uint16_t manifest_number_read(struct frontend *frontend, const struct yaml_node *node, const char *what);

/* The kinds. */
void network_policy_read(struct frontend *frontend, const struct yaml_node *root);
void namespace_manifest_read(struct frontend *frontend, const struct yaml_node *root);
void pod_read(struct frontend *frontend, const struct yaml_node *root);
void node_manifest_read(struct frontend *frontend, const struct yaml_node *root); /* to `told_nodes` */

#endif
