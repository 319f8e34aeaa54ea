/* YAML and JSON text as a tree of nodes, each with its place in the file. */
#ifndef RINGFENCE_YAML_H
#define RINGFENCE_YAML_H

#include <ringfence/diagnostic.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of one file; each is an error in the file when it is passed. */
enum {
	YAML_BYTES_MAX = 64 << 20,
	YAML_DEPTH_MAX = 48,
	YAML_NODES_MAX = 8000000, /* aliases count as what they stand for */
};

enum __attribute__((packed)) yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

/* A large file has millions of these: small, and the entries of a list side by side. */
struct yaml_node {
	struct span span;
	union {
		const char *text;	 /* scalar: NUL-terminated; text with NUL inside is refused while reading */
		struct yaml_node *items; /* sequence: the entries; mapping: key, value, key, value … */
	};
	uint32_t count; /* of items; 0 for a scalar */
	enum yaml_kind kind;
	bool plain; /* scalar: not quoted */
};

/* Reads every document of `source` and appends its root to the returned array. Errors go to `diagnostics`, duplicate
 * keys among them; documents before a syntax error are returned. Empty documents are left out. The nodes are in
 * `arena`, and the texts of scalars in the arena of `diagnostics`, so that what is read of a node outlives it. */
struct yaml_node **yaml_read(struct arena *arena, const struct source *source, struct diagnostics *diagnostics,
			     size_t *count);

/* The value of `key` in a mapping, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);

/* Whether the node is null: ~, null, or nothing. */
bool yaml_is_null(const struct yaml_node *node);

#endif
