/* What a node says of all its workloads at once: the mark that stands beside their records in the store.
 *
 *     ringfence-workloads 1 \n | {"node": "node-a", "sequence": "1764240000000001", "digest": "9a0c..."} |
 *     \nsigned ...
 *
 * The frame is that of document.h, signed by the node's own key, which an enrolment tells of. `digest` is one of every
 * record that the node has, so what others see is what the node said at one moment: whole, and not older than what it
 * said before, since each has a larger `sequence`. In a fleet without keys it has no signature, and ends behind the
 * body: then it shows what is whole, and not who said it.
 *
 *     ringfence-gone 1 \n | {"node": "node-a", "sequence": "1764240000000002"} | \nsigned ...
 *
 * stands in its place where an operator took the node out of the fleet, signed by a key that signs enrolments. */
#ifndef ENFORCER_FLEET_STATEMENT_H
#define ENFORCER_FLEET_STATEMENT_H

#include "enforcer/fleet/document.h"

enum {
	STATEMENT_MOST = 4096,	 /* bytes of one */
	RECORD_DIGEST_SIZE = 16, /* BLAKE2b of a record with its name */
	SET_DIGEST_SIZE = 32,	 /* BLAKE2b of all of them */
};

struct record_digest {
	uint8_t bytes[RECORD_DIGEST_SIZE];
};

struct statement {
	bool gone;
	uint64_t sequence;
	uint8_t digest[SET_DIGEST_SIZE]; /* zero where it is gone */
};

/* Whose signature counts: the node's key (NULL: none is known), and those that sign enrolments. */
struct statement_trust {
	const struct public_key *node;
	struct trust enrolling;
};

/* The digest of the record of a workload, NAMESPACE/NAME. */
void record_digest(struct record_digest *digest, const char *name, const void *record, size_t length);

/* Of all records, in any order, which changes. */
void set_digest(uint8_t digest[SET_DIGEST_SIZE], struct record_digest *digests, size_t count);

/* The sequence that comes after `before`, 0 for none: microseconds since 1970 where the clock is not behind that. */
uint64_t sequence_after(uint64_t before);

/* The bytes of a statement, signed where there is a key; the caller's to free. */
uint8_t *statement_write(const struct statement *statement, const char *node, const struct private_key *key,
			 size_t *length);

/* Reads what is said of `node`. Without `trust` (NULL) a signature is none that is looked at. Returns NULL, or why it
 * is not believed, in `arena`. */
const char *statement_read(struct statement *statement, struct arena *arena, const char *node, const void *bytes,
			   size_t length, const struct statement_trust *trust);

#endif
