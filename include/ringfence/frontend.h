/* From files to a policy and an inventory: what every program and test reads its input with. */
#ifndef RINGFENCE_FRONTEND_H
#define RINGFENCE_FRONTEND_H

#include <ringfence/inventory.h>
#include <ringfence/table.h>

enum { FILES_MAX = 100000, DIRECTORY_DEPTH_MAX = 32 };

/* What waits until every file is read. */
struct open_statement;

/* A reading in progress. What is read lives in `arena`; the other two are gone when it is finished. */
struct frontend {
	struct arena *arena;
	struct arena *nodes;   /* of one file: its nodes are read into policy and inventory, and then forgotten */
	struct arena *waiting; /* what is needed to the end, and no longer */
	struct diagnostics *diagnostics;
	bool inventory_only; /* policy in these files is an error: they are written by whoever starts workloads */
	size_t document_count, manifest_count, list_count; /* lists, which may be empty */
	size_t file_count, skipped_count;
	struct open_statement *first_open, *last_open;
	struct table names; /* every service and network by its name, struct named_peer; to the end, and no longer */
	struct policy policy;
	struct inventory inventory;
	struct node **told_nodes; /* by Node objects, until frontend_finish */
	size_t told_node_count;
	size_t root_length; /* of the path being read, up to its last slash */
	uint64_t hash;	    /* of the names and texts of all files */
	char revision[17];  /* the same in hexadecimal, set by frontend_finish */
};

/* Starts a reading, which frontend_finish ends. Both arguments must outlive what is read. */
void frontend_init(struct frontend *frontend, struct arena *arena, struct diagnostics *diagnostics);

/* Reads a file, or every .yaml, .yml and .json file below a directory in the order of names; names that start with a
 * dot are passed over. Problems become diagnostics. */
void frontend_add_path(struct frontend *frontend, const char *path);

/* Whether a file below a directory is read by that name: one of the three endings. */
bool frontend_has_document_name(const char *name);

/* Reads one text as if it were the file `name`; both must live as long as the arena. */
void frontend_add_text(struct frontend *frontend, const char *name, const char *text, size_t length);

/* Resolves names, checks that nothing is defined twice, and fills `policy` and `inventory`, sorted by name, with the
 * look-ups of inventory.h ready. They are whole only when no error was added to the diagnostics. */
void frontend_finish(struct frontend *frontend);

/* Whether anything that counts was read: a document, an object, or a list of them. */
bool frontend_has_input(const struct frontend *frontend);

#endif
