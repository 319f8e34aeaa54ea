/* Bundles in an etcd store, in pieces that fit into its requests:
 *
 *     PREFIX/bundles/REVISION/NUMBER      the pieces, from 000000 on; they come first
 *     PREFIX/policy/current               {"revision": "...", "bytes": N, "pieces": N, "digest": "..."}
 *     PREFIX/policy/releases/REVISION/ID  releases of it, where it is staged (release.h)
 *
 * Nothing of this is believed: it leads to bytes whose signature says whether they are taken. */
#ifndef ENFORCER_FLEET_POLICY_STORE_H
#define ENFORCER_FLEET_POLICY_STORE_H

#include "enforcer/etcd/etcd.h"
#include "enforcer/fleet/bundle.h"

#include <systemd/sd-event.h>

#define POLICY_BELOW "policy/"
#define POLICY_POINTER "current" /* below that */
#define POLICY_CURRENT POLICY_BELOW POLICY_POINTER
#define POLICY_RELEASES "releases/" /* below POLICY_BELOW */
#define POLICY_BUNDLES "bundles/"

enum { POLICY_PIECE = 512 << 10 };

struct policy_pointer {
	uint64_t revision;
	size_t bytes, pieces;
	char digest[2 * DIGEST_SIZE + 1]; /* of all bytes, in hexadecimal */
};

/* Fills in what stands in `current` for a bundle; and writes it, the caller's to free. */
void policy_pointer_of(struct policy_pointer *pointer, const struct bundle *bundle, size_t length);
char *policy_pointer_write(const struct policy_pointer *pointer);

/* Reads it; false where it makes no sense, or is larger than a bundle can be. */
bool policy_pointer_read(struct policy_pointer *pointer, const char *text, size_t length);

/* BELOW/REVISION/NUMBER, the key of a piece without the prefix, the caller's to free. */
char *policy_piece_key(uint64_t revision, size_t number);

/* ---- following, on nodes ---- */

struct policy_follower;

struct policy_calls {
	/* The store has this bundle now, and this release, borrowed. The same may come again. */
	void (*bundle)(void *context, const void *bytes, size_t length);
	void (*release)(void *context, const void *bytes, size_t length);
	/* The store cannot be followed, or what it has is no bundle, and why; NULL: all is well again. */
	void (*problem)(void *context, const char *text);
	void *context;
};

/* The caller destroys it. `etcd` and `events` must outlive it. Returns 0 or a negative errno. */
int policy_follower_create(struct policy_follower **follower, sd_event *events, struct etcd *etcd,
			   const struct policy_calls *calls);
void policy_follower_destroy(struct policy_follower *follower); /* NULL is allowed */

#endif
