/* A signed document: what bundles and releases are in.
 *
 *     HEAD \n | body | \nsigned ID SIGNATURE\n
 *
 * ID is that of the key, 16 digits, and SIGNATURE 86 characters of base64url. Signed is all that stands before
 * SIGNATURE: also the head, which says what kind of document it is and its version, so that a signature of one kind is
 * none of another; and the id. Nothing but this frame is looked at before the signature is verified. */
#ifndef ENFORCER_FLEET_DOCUMENT_H
#define ENFORCER_FLEET_DOCUMENT_H

#include "enforcer/fleet/keys.h"

#include <stdbool.h>

enum { DIGEST_SIZE = 32 }; /* SHA-256 */

/* Keys that are trusted. */
struct trust {
	const struct public_key *keys;
	size_t count;
};

/* Reads the keys, in `arena`. Returns NULL, or what is wrong with one, in `arena`; then nobody is trusted. */
const char *trust_load(struct trust *trust, struct arena *arena, const struct key_words *words);

/* Reads a file of `most` bytes at most, which are the caller's to free. Returns NULL, or why not, in `arena`. */
const char *document_load(const char *path, size_t most, struct arena *arena, uint8_t **bytes, size_t *length);

/* Signs `body`, which is behind `head` (without its line feed); returns the bytes, the caller's to free. */
uint8_t *document_sign(const char *head, const void *body, size_t body_length, const struct private_key *key,
		       size_t *length);

struct verified {
	const uint8_t *body; /* borrowed from the bytes */
	size_t length;
	const struct public_key *key;
	uint8_t digest[DIGEST_SIZE]; /* of all bytes */
};

/* Verifies that `bytes` are a document of this head, signed by a trusted key. Returns NULL, or what is wrong, in
 * `arena`. */
const char *document_open(struct verified *verified, struct arena *arena, const char *head, const void *bytes,
			  size_t length, const struct trust *trust);

/* A number in decimal digits as documents have it: from 1 to the largest of 64 bits, without zeros in front. */
bool revision_parse(uint64_t *revision, const char *text);

#endif
