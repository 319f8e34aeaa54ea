/* A policy in one signed file.
 *
 *     ringfence-bundle 1 \n | manifest, JSON in one line \n | the files' bytes, one behind the other | \nsigned ...
 *
 * The frame is that of document.h. The manifest:
 *
 *     {"revision": "20261127081500", "time": "2026-11-27T08:15:00Z", "commit": "3f9c..." (if it came from git),
 *      "policy": "6e5d00f54819d1f1", "staged": false, "files": [{"path": "policy/shop.yaml", "size": 812}, ...]}
 *
 * Of two bundles the one of the larger revision is the newer one. It is a text, since JSON's numbers end before 64
 * bits. `policy` is what `ringfence status` calls the revision of the policy. The files are in the order in which they
 * were read, which counts for it. */
#ifndef ENFORCER_FLEET_BUNDLE_H
#define ENFORCER_FLEET_BUNDLE_H

#include "enforcer/desired/state.h"
#include "enforcer/fleet/document.h"

enum {
	BUNDLE_BYTES_MOST = 16 << 20, /* of all of it */
	BUNDLE_FILES_MOST = 10000,
	BUNDLE_PATH_MOST = 1023, /* bytes of a path */
	BUNDLE_DEPTH_MOST = 32,	 /* names in a path */
};

struct bundle {
	uint64_t revision;
	int64_t time;	    /* Unix time at which it was signed, as the signer's clock had it */
	const char *commit; /* of git; NULL: not told */
	char policy[17];
	bool staged; /* taken only where a release (release.h) says so */
	struct policy_texts texts;
	char key[KEY_ID_SIZE];	     /* that signed it */
	uint8_t digest[DIGEST_SIZE]; /* of all bytes */
};

/* Signs what `bundle` says but for the last two. The same bundle and key give the same bytes, which are the caller's to
 * free. Returns NULL, or why this cannot be a bundle, in `arena`. */
const char *bundle_sign(const struct bundle *bundle, const struct private_key *key, struct arena *arena,
			uint8_t **bytes, size_t *length);

/* Reads a bundle that a trusted key signed. Paths are relative and lead to no other place, and no two are the same. All
 * is in `arena`, and the texts borrow from `bytes`. Returns NULL, or why it is not to be taken, in `arena`. */
const char *bundle_open(struct bundle *bundle, struct arena *arena, const void *bytes, size_t length,
			const struct trust *trust);

#endif
