/* Keeps what the store has: a release may come before its bundle or after it, and keys may be others when the daemon is
 * told to read all anew. */
#include "enforcer/service/bundle_store.h"

#include "enforcer/fleet/policy_store.h"
#include "enforcer/fleet/release.h"
#include "enforcer/service/bundles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RELEASES_MOST = 256 };

struct kept {
	void *bytes;
	size_t length;
};

struct bundle_store {
	struct source_setup setup;
	struct daemon *daemon;
	struct etcd *etcd;
	struct policy_follower *follower;
	void (*changed)(void *context);
	void *context;
	struct kept bundle;
	struct kept releases[RELEASES_MOST]; /* the newest, round and round */
	size_t release_count;
};

static void keep(struct kept *kept, const void *bytes, size_t length)
{
	free(kept->bytes);
	*kept = (struct kept){malloc(length + 1), length};
	if (kept->bytes == NULL)
		abort();
	memcpy(kept->bytes, bytes, length);
}

static void offer(struct bundle_store *store, const struct kept *release)
{
	struct offered offered = {.bytes = store->bundle.bytes, .length = store->bundle.length};
	if (release != NULL) {
		offered.release = release->bytes;
		offered.release_length = release->length;
	}
	daemon_take_bundle(store->daemon, &offered);
	store->changed(store->context);
}

/* A staged one waits for a release that is for this node; whichever is. */
void bundle_store_offer(struct bundle_store *store)
{
	size_t count = store->release_count < RELEASES_MOST ? store->release_count : RELEASES_MOST;
	if (store->bundle.bytes == NULL)
		return;
	offer(store, NULL);
	for (size_t i = 0; i < count && bundles_wait(store->daemon->bundles); i++)
		offer(store, &store->releases[i]);
}

static void on_bundle(void *context, const void *bytes, size_t length)
{
	struct bundle_store *store = context;
	keep(&store->bundle, bytes, length);
	bundle_store_offer(store);
}

static void on_release(void *context, const void *bytes, size_t length)
{
	struct bundle_store *store = context;
	if (length > RELEASE_BYTES_MOST)
		return;
	struct kept *place = &store->releases[store->release_count++ % RELEASES_MOST];
	keep(place, bytes, length);
	if (store->bundle.bytes != NULL && bundles_wait(store->daemon->bundles))
		offer(store, place);
}

static void on_problem(void *context, const char *text)
{
	struct bundle_store *store = context;
	store->setup.problem(store->setup.context, text);
}

int bundle_store_create(struct bundle_store **store, const struct source_setup *setup, struct daemon *daemon,
			void (*changed)(void *context), void *context)
{
	struct bundle_store *made = calloc(1, sizeof *made);
	*store = NULL;
	if (made == NULL)
		return -ENOMEM;
	*made = (struct bundle_store){.setup = *setup, .daemon = daemon, .changed = changed, .context = context};
	made->etcd = etcd_create(setup->client, &daemon->config.bundle.store);
	const struct policy_calls calls = {
	    .bundle = on_bundle, .release = on_release, .problem = on_problem, .context = made};
	int error = policy_follower_create(&made->follower, setup->events, made->etcd, &calls);
	if (error < 0) {
		bundle_store_destroy(made);
		return error;
	}
	*store = made;
	return 0;
}

void bundle_store_destroy(struct bundle_store *store)
{
	if (store == NULL)
		return;
	policy_follower_destroy(store->follower);
	etcd_destroy(store->etcd);
	free(store->bundle.bytes);
	for (size_t i = 0; i < RELEASES_MOST; i++)
		free(store->releases[i].bytes);
	free(store);
}
