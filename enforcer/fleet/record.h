/* A workload as nodes tell each other of it: a native document of one workload, in JSON, read as any other inventory.
 *
 * Its key names the node, the namespace and the workload, so that a store whose users may each write below their own
 * node's key alone (etcd's roles) keeps a node from speaking of another's workloads. */
#ifndef ENFORCER_FLEET_RECORD_H
#define ENFORCER_FLEET_RECORD_H

#include <ringfence/inventory.h>

#include <stdbool.h>
#include <stddef.h>

#define FLEET_ENROLMENT "enrolment" /* stands in the place of a namespace */

enum { RECORD_MOST = 64 << 10, RECORD_PARTS_MOST = 1000 };

/* The document, the caller's to free. */
char *record_write(const struct workload *workload);

/* The thing `NODE/NAMESPACE/NAME` that a key names: parts of it with what they are long. */
struct record_key {
	char node[256], name_space[256], name[256];
};

/* NODE alone leaves the other two empty, and NODE/enrolment `name`, with that as the namespace. Returns false for what
 * is no such key. */
bool record_key_parse(struct record_key *key, const char *text);

/* Reads the document of `key` into an empty `inventory`, all in `arena`. It must say what its key says, and nothing of
 * anything else. Returns NULL, or why it is refused, in `arena`. */
const char *record_read(struct arena *arena, const struct record_key *key, const char *text, size_t length,
			struct inventory *inventory);

#endif
