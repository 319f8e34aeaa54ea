/* Native documents (`ringfence: v1`) to policy and inventory, in two passes: names first, then what refers to them. */
#ifndef COMPILER_FRONTEND_NATIVE_H
#define COMPILER_FRONTEND_NATIVE_H

#include <ringfence/frontend.h>
#include <ringfence/yaml.h>

/* One key that a mapping may have. The tables of these are the language: reading and checking go by them. */
struct key {
	const char *name;
	bool required;
	void (*read)(struct frontend *frontend, const struct yaml_node *value, void *object);
};

/* Stands in a table for a key of the language that this version does not know how to enforce: refused, since passing over
 * it would open or leave unproved what the author closed. */
void unsupported_key(struct frontend *frontend, const struct yaml_node *key, void *object);

/* Reads a mapping by its table: wrong kind, unknown keys (with a suggestion) and missing ones are errors. */
void keys_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
	       const char *what, void *object);
#define KEYS_READ(frontend, node, keys, what, object) \
	keys_read((frontend), (node), (keys), sizeof(keys) / sizeof *(keys), (what), (object))

/* A text that is not empty, or NULL after an error. */
const char *scalar_read(struct frontend *frontend, const struct yaml_node *node, const char *what);

/* A name (RFC 1123 label), or NULL after an error. */
const char *name_read(struct frontend *frontend, const struct yaml_node *node, const char *what);

/* Calls `read` for the node, or for each entry where it is a list. An empty list or null is an error: it would mean
 * nothing where people expect everything. */
void one_or_more_read(struct frontend *frontend, const struct yaml_node *node, const char *what,
		      void (*read)(struct frontend *, const struct yaml_node *, void *), void *object);

void selector_read(struct frontend *frontend, const struct yaml_node *node, struct selector *selector);
void port_read(struct frontend *frontend, const struct yaml_node *node, void *port_range);

/* Reads one prefix, or a list of them, behind those that `prefixes` holds. */
struct prefix_list {
	struct prefix *items;
	size_t count;
};
void prefixes_read(struct frontend *frontend, const struct yaml_node *node, struct prefix_list *prefixes);

/* {name: PORT, ...} */
void named_ports_read(struct frontend *frontend, const struct yaml_node *node, struct named_port **ports,
		      size_t *count);

/* The first pass: everything with a name, and settings. */
void native_read_definitions(struct frontend *frontend);

/* The second pass: allow statements, with every name resolved. */
void native_read_allows(struct frontend *frontend);

/* namespaces, nodes and workloads of the first pass. */
void namespaces_read(struct frontend *frontend, const struct yaml_node *node, void *document);
void nodes_read(struct frontend *frontend, const struct yaml_node *node, void *document);
void workloads_read(struct frontend *frontend, const struct yaml_node *node, void *document);

/* Sorts the inventory by name, and reports names and addresses that stand twice. */
void inventory_check(struct frontend *frontend);

#endif
