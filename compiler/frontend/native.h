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

/* Reads a mapping by its table: wrong kind, unknown keys (with a suggestion) and missing ones are errors. */
void keys_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
	       const char *what, void *object);
#define KEYS_READ(frontend, node, keys, what, object) \
	keys_read((frontend), (node), (keys), sizeof(keys) / sizeof *(keys), (what), (object))

/* Only checks a mapping by its table. Returns false when it is none. */
bool keys_check(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
		const char *what);

/* A text that is not empty, or NULL after an error. */
const char *scalar_read(struct frontend *frontend, const struct yaml_node *node, const char *what);

/* A name (RFC 1123 label), or NULL after an error. */
const char *name_read(struct frontend *frontend, const struct yaml_node *node, const char *what);

/* Calls `read` for the node, or for each entry where it is a list. An empty list or null is an error: it would mean
 * nothing where people expect everything. */
void one_or_more_read(struct frontend *frontend, const struct yaml_node *node, const char *what,
		      void (*read)(struct frontend *, const struct yaml_node *, void *), void *object);

/* A label's key or value, or NULL after an error. */
const char *label_key_read(struct frontend *frontend, const struct yaml_node *node);
const char *label_value_read(struct frontend *frontend, const struct yaml_node *node);

/* A mapping {key: value} of labels. */
void labels_read(struct frontend *frontend, const struct yaml_node *node, struct labels *labels);

/* The name of a machine, or NULL after an error. */
const char *host_name_read(struct frontend *frontend, const struct yaml_node *node, const char *what);

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

/* true or false; an error and false for anything else. */
bool truth_read(struct frontend *frontend, const struct yaml_node *node, const char *what);

/* The first pass: everything with a name, and settings. */
void native_read_definitions(struct frontend *frontend);

/* The second pass: statements, with every name resolved. Sorts the allows, those of NetworkPolicies among them. */
void native_read_statements(struct frontend *frontend);

/* Reads a peer behind those that `peers`, a struct reading_peers, holds. Every name is known by then. */
struct reading_peers {
	const char *name_space; /* of the document */
	struct peer *items;
	size_t count;
};
void native_peer_read(struct frontend *frontend, const struct yaml_node *node, void *peers);

/* What the readers of statements share with those of definitions. */
enum { PEER_KINDS = PEER_NODE + 1 };
extern const char *const built_in_names[PEER_KINDS];   /* NULL for kinds that are none */
bool built_in(const char *name, enum peer_kind *kind); /* the built-in peer called `name`; false when it is none */
const struct service *find_service(const struct policy *policy, const char *name_space, const char *name);
const struct network *find_network(const struct policy *policy, const char *name_space, const char *name);
void network_cidrs_read(struct frontend *frontend, const struct yaml_node *node, void *network);
void network_except_read(struct frontend *frontend, const struct yaml_node *node, void *network);

/* Whether a text is a name: an RFC 1123 label, or a subdomain of up to 253 characters. */
bool is_label_name(const char *text);
bool is_domain_name(const char *text);

/* What nodes say as one text, equal for equal nodes wherever they stand; NULL nodes are left out. In `arena`. */
const char *node_text(struct arena *arena, const char *prefix, const struct yaml_node *const *nodes, size_t count);

/* A node the way one would write it on a line, cut short when it is long; for messages. In `arena`. */
const char *flow_text(struct arena *arena, const struct yaml_node *node);

/* namespaces, nodes and workloads of the first pass. */
void namespaces_read(struct frontend *frontend, const struct yaml_node *node, void *document);
void nodes_read(struct frontend *frontend, const struct yaml_node *node, void *document);
void workloads_read(struct frontend *frontend, const struct yaml_node *node, void *document);

/* Sorts the inventory by name, and reports names and addresses that stand twice. */
void inventory_check(struct frontend *frontend);

#endif
