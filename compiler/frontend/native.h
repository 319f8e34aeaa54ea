/* Native documents (`ringfence: v1`) to policy and inventory. Each is read at once but for what refers to names, which
 * is resolved when all are known. */
#ifndef COMPILER_FRONTEND_NATIVE_H
#define COMPILER_FRONTEND_NATIVE_H

#include <ringfence/frontend.h>
#include <ringfence/yaml.h>

/* The key that a budget starts with (budget.c). */
#define BUDGET_KEY "ringfence-budget"

/* Reads a file and makes it known to the diagnostics. NULL after an error. */
const struct source *file_read(struct frontend *frontend, const char *path);

/* The form of a value, as `ringfence schema` tells it to editors. Readers decide; what they accept has this form. */
enum value_kind {
	VALUE_TEXT,	   /* of `pattern` or `write_pattern`, where there is one */
	VALUE_CHOICE,	   /* one of `choices` */
	VALUE_TRUTH,	   /* true or false */
	VALUE_LIST,	   /* of `of`, between `least` and `most` of them; most 0: no limit */
	VALUE_ONE_OR_MORE, /* one of `of`, or a list of them that is not empty */
	VALUE_KEYS,	   /* a mapping by the table `keys` */
	VALUE_MAP,	   /* a mapping of `names` to `of` */
	VALUE_EITHER,	   /* one of the types `either`, of which the last is NULL */
};

/* What is a text to the language and none to a schema: a plain 5 or true. */
enum { PLAIN_WHOLE = 1, PLAIN_NUMBER = 2, PLAIN_NEGATIVE = 4, PLAIN_TRUTH = 8 };

struct value_type {
	enum value_kind kind;
	const char *name;  /* where the schema defines it once, by this name */
	const char *title; /* what it is, such as `a label selector` */
	const char *example;
	const char *pattern; /* of ECMA-262, not anchored */
	void (*write_pattern)(FILE *stream);
	unsigned plain;		    /* PLAIN_..., one of the first two at most */
	const char *const *choices; /* the first; the next is `stride` bytes behind, and NULL is none */
	size_t choice_count, stride;
	size_t least, most;
	bool one_key; /* of `keys`, just one */
	const struct value_type *names, *of;
	const struct key *keys;
	size_t key_count;
	const struct value_type *const *either;
};

/* One key that a mapping may have. The tables of these are the language: reading, checking and the schema go by them,
 * and a key without a type and a description does not compile. */
struct key {
	const char *name;
	bool required;
	void (*read)(struct frontend *frontend, const struct yaml_node *value, void *object);
	const struct value_type *type;
	const char *about; /* for whoever writes a document: sentences */
};

/* A key of a format that the schema does not describe: Kubernetes' and the daemon's. */
#define UNTYPED_KEY(name, required, read)              \
	{                                              \
		(name), (required), (read), NULL, NULL \
	}

#define VALUE_BY_KEYS(table) .kind = VALUE_KEYS, .keys = (table), .key_count = sizeof(table) / sizeof *(table)
#define VALUE_BY_CHOICE(table)                                                                     \
	.kind = VALUE_CHOICE, .choices = (table), .choice_count = sizeof(table) / sizeof *(table), \
	.stride = sizeof *(table)

/* What scalar_read takes, and a name. */
enum { TEXT_MAX = 4096 };
#define NAME_PATTERN "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

/* Types of more than one file. */
extern const struct value_type any_text_type, truth_type, name_type, built_in_type, selector_type, labels_type,
    prefixes_type, addresses_type, numbered_port_type, named_ports_type, deny_type, mode_type;
extern const struct value_type document_type, allows_type, nevers_type, tests_type, quarantines_type, namespaces_type,
    nodes_type, workloads_type, peers_type;

/* Reads a mapping by its table: wrong kind, unknown keys (with a suggestion) and missing ones are errors. */
void keys_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
	       const char *what, void *object);
#define KEYS_READ(frontend, node, keys, what, object) \
	keys_read((frontend), (node), (keys), sizeof(keys) / sizeof *(keys), (what), (object))

/* Only checks a mapping by its table. Returns false when it is none. */
bool keys_check(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
		const char *what);

/* Which of the choices of a type the text is, or -1 after an error. `what` is the key. */
int choice_read(struct frontend *frontend, const struct yaml_node *node, const char *what,
		const struct value_type *type);

/* What `deny` or `mode` says, which stays as it was after an error. */
void deny_read(struct frontend *frontend, const struct yaml_node *node, enum deny *deny);
void mode_read(struct frontend *frontend, const struct yaml_node *node, enum mode *mode);

/* A choice of a type; NULL where there is none by that number. */
const char *choice_name(const struct value_type *type, size_t index);

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

/* A native document while it is read. */
struct document {
	const struct yaml_node *root;
	const char *name_space;
};

void native_read(struct frontend *frontend, const struct yaml_node *root);

/* When every file is read: sorts what has a name, reports names that stand twice, and makes the others known. */
void native_check_definitions(struct frontend *frontend);

/* Resolves the names in statements, and sorts the allows, those of NetworkPolicies among them. */
void native_resolve_statements(struct frontend *frontend);

/* Readers of the statements in a document. */
void allows_read(struct frontend *frontend, const struct yaml_node *list, void *document);
void nevers_read(struct frontend *frontend, const struct yaml_node *list, void *document);
void tests_read(struct frontend *frontend, const struct yaml_node *list, void *document);
void quarantines_read(struct frontend *frontend, const struct yaml_node *list, void *document);

/* Reads a peer in a document of namespace `own`. Returns false after an error that leaves none. One by name is a
 * PEER_SERVICE without a service until peer_resolve. */
bool native_peer_read(struct frontend *frontend, const struct yaml_node *node, const char *own, struct peer *peer);

/* Finds what a peer's name means in a document of namespace `own`. Returns false after an error. */
bool peer_resolve(struct frontend *frontend, const char *own, struct peer *peer);

/* A service or network under its whole name, NAMESPACE/NAME. */
struct named_peer {
	const char *name;
	const struct service *service;
	const struct network *network; /* where `service` is NULL */
};

/* What is known under a whole name, or NULL. */
struct named_peer *named_peer_find(const struct frontend *frontend, const char *whole);

/* What the readers of statements share with those of definitions. */
enum { PEER_KINDS = PEER_NODE + 1 };
extern const char *const built_in_names[PEER_KINDS];   /* NULL for kinds that are none */
bool built_in(const char *name, enum peer_kind *kind); /* the built-in peer called `name`; false when it is none */
void network_cidrs_read(struct frontend *frontend, const struct yaml_node *node, void *network);
void network_except_read(struct frontend *frontend, const struct yaml_node *node, void *network);

/* Whether a text is a name: an RFC 1123 label, or a subdomain of up to 253 characters. */
bool is_label_name(const char *text);
bool is_domain_name(const char *text);

/* Whether a text has nothing but letters, digits and `marks`, and at most `most` bytes. */
bool is_word(const char *text, const char *marks, size_t most);

/* What nodes say as one text, equal for equal nodes wherever they stand; NULL nodes are left out. In `arena`. */
const char *node_text(struct arena *arena, const char *prefix, const struct yaml_node *const *nodes, size_t count);

/* A node the way one would write it on a line, cut short when it is long; for messages. In `arena`. */
const char *flow_text(struct arena *arena, const struct yaml_node *node);

/* How things are sorted: by their texts, up to the first that is NULL, and then by `compare`, which may compare the
 * texts again. */
enum { ORDER_TEXTS = 2 };
struct order {
	void (*texts)(const void *item, const char **texts);
	int (*compare)(const void *a, const void *b);
};

/* Sorts an array of pointers to things. */
void order_sort(void *items, size_t count, const struct order *order);

/* Readers of the inventory in a document. */
void namespaces_read(struct frontend *frontend, const struct yaml_node *node, void *document);
void nodes_read(struct frontend *frontend, const struct yaml_node *node, void *document);
void workloads_read(struct frontend *frontend, const struct yaml_node *node, void *document);

/* Sorts the inventory, whose look-ups are made, by name, and reports names and addresses that stand twice. */
void inventory_check(struct frontend *frontend);

#endif
