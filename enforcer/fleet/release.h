/* A signed word that some nodes, or all, may take a staged bundle.
 *
 *     ringfence-release 1 \n | {"revision": "20261127081500", "sha256": "9a0c...", "nodes": "zone=a,tier=web" or "all",
 *      "time": "2026-11-27T09:00:00Z"} | \nsigned ...
 *
 * The frame is that of document.h. It is about one bundle, by its digest, so it can be used for no other. */
#ifndef ENFORCER_FLEET_RELEASE_H
#define ENFORCER_FLEET_RELEASE_H

#include "enforcer/fleet/bundle.h"

enum { RELEASE_BYTES_MOST = 16 << 10, RELEASE_LABELS_MOST = 64 };

struct release {
	uint64_t revision;	     /* of the bundle, */
	uint8_t digest[DIGEST_SIZE]; /* and of all its bytes */
	struct labels nodes;	     /* that a node must have, each of them; none: all nodes */
	int64_t time;
	char key[KEY_ID_SIZE]; /* that signed it */
};

/* Signs what it says but for the key; the bytes are the caller's to free. */
uint8_t *release_sign(const struct release *release, const struct private_key *key, size_t *length);

/* Reads a release that a trusted key signed, in `arena`. Returns NULL, or what is wrong, in `arena`. */
const char *release_open(struct release *release, struct arena *arena, const void *bytes, size_t length,
			 const struct trust *trust);

/* Whether it is about this bundle, and for a node of these labels. */
bool release_selects(const struct release *release, const struct bundle *bundle, const struct labels *node);

/* Reads `all`, or key=value[,key=value]..., in `arena`. Returns NULL, or what is wrong. */
const char *node_labels_parse(struct labels *labels, struct arena *arena, const char *text);

#endif
