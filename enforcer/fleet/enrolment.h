/* A signed word that a key is that of a node: with it the node's own signature counts for what the node says of itself,
 * and for nothing else.
 *
 *     ringfence-node 1 \n | {"node": "node-a", "key": "ringfence-public-1:...", "time": "2026-11-27T09:00:00Z"} |
 *     \nsigned ...
 *
 * The frame is that of document.h. Of two enrolments of a node the later one counts, so a new key ends the old one. */
#ifndef ENFORCER_FLEET_ENROLMENT_H
#define ENFORCER_FLEET_ENROLMENT_H

#include "enforcer/fleet/document.h"

enum { ENROLMENT_MOST = 4096 }; /* bytes */

struct enrolment {
	char node[256];
	struct public_key key;
	int64_t time;	      /* Unix time at which it was signed, as the signer's clock had it */
	char by[KEY_ID_SIZE]; /* the key that signed it */
};

/* Signs what it says but for the last; the bytes are the caller's to free. */
uint8_t *enrolment_sign(const struct enrolment *enrolment, const struct private_key *key, size_t *length);

/* Reads an enrolment that a trusted key signed. Returns NULL, or what is wrong, in `arena`. */
const char *enrolment_open(struct enrolment *enrolment, struct arena *arena, const void *bytes, size_t length,
			   const struct trust *trust);

#endif
