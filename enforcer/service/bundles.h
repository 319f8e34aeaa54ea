/* Policies that come in signed bundles (enforcer/fleet/bundle.h), from wherever: who holds the store of them, or the
 * way to it, can keep new ones away, and no more. A bundle is taken when a trusted key signed it and its revision is
 * none before the newest that was seen here, which is kept over restarts. */
#ifndef ENFORCER_SERVICE_BUNDLES_H
#define ENFORCER_SERVICE_BUNDLES_H

#include "enforcer/desired/state.h"
#include "enforcer/service/config.h"
#include "enforcer/service/state_file.h"

#include <jansson.h>

#define BUNDLE_FILE "bundle" /* in the state directory */

struct bundles;

/* Reads from `directory`, which is borrowed as `config` is, what was taken before. Where that cannot be known, and
 * while the directory is not open (its fd is -1, for `problem`), no bundle is taken. The caller destroys what is
 * returned. */
struct bundles *bundles_create(const struct config *config, const struct state_directory *directory,
			       const char *problem);
void bundles_destroy(struct bundles *bundles); /* NULL is allowed */

/* What somebody offers. A staged bundle is taken only with a release for it that selects this node by its labels, or
 * when it was taken already. */
struct offered {
	const void *bytes;
	size_t length;
	const void *release; /* NULL: there is none */
	size_t release_length;
};

/* Offers a bundle to the state, as state_read_policy does a directory: 1 when another policy holds now, 0 when it is
 * the same or the bundle waits for its release, -1 when it was refused, and state_policy_errors tells why. The revision
 * counts as seen, and is on the disk, before its policy is read. */
int bundles_offer(struct bundles *bundles, struct state *state, const struct offered *offered, struct changes *changes);

/* Whether a staged bundle was offered last, and waits for its release. */
bool bundles_wait(const struct bundles *bundles);

/* The same with the file that the configuration names; 0 where it names none. */
int bundles_read(struct bundles *bundles, struct state *state, struct changes *changes);

/* The newest bundle that was taken, whether its policy is that of `revision`, which is in force, and the staged one
 * that waits; the caller's. */
json_t *bundles_status(const struct bundles *bundles, const char *revision);

#endif
