/* The fleet's etcd store, for commands: one request after the other, each waited for. */
#ifndef ENFORCER_FLEET_CLI_STORE_H
#define ENFORCER_FLEET_CLI_STORE_H

#include "compiler/cli/cli.h"
#include "enforcer/etcd/etcd.h"

#include <ringfence/arena.h>

struct store;

/* Opens what --store says; NULL after saying what is wrong. The caller closes it. */
struct store *store_open(const struct arguments *arguments);
void store_close(struct store *store); /* NULL is allowed */

/* Asks, of every member until one answers; `body` is taken over. The answer is the caller's; NULL after saying why
 * there is none. */
json_t *store_ask(struct store *store, const char *path, json_t *body);

/* PREFIX/BELOW, in the store's arena. */
const char *store_key(struct store *store, const char *below);

/* The value of PREFIX/BELOW and the revision in which it was put: `*bytes` is the caller's to free, NULL (and revision
 * 0) when there is none. Returns false after saying why nothing is known. */
bool store_get(struct store *store, const char *below, char **bytes, size_t *length, int64_t *revision);

/* Calls for each pair below PREFIX/BELOW, which ends with a slash, in the order of keys; `key` is behind BELOW. */
bool store_each(struct store *store, const char *below,
		void (*call)(void *context, const char *key, const char *value, size_t length), void *context);

/* One transaction of these operations (an array that is taken over), where the key PREFIX/BELOW was last put in
 * `revision` (0: it is not there). `*done`: whether it was. Returns false after saying why nothing is known. */
bool store_change(struct store *store, const char *below, int64_t revision, json_t *operations, bool *done);

/* Puts a bundle of these bytes into the store, in place of an older one, and says so (push.c). Returns the exit status.
 */
struct bundle;
int bundle_push(struct store *store, const struct arguments *arguments, struct arena *arena,
		const struct bundle *bundle, const uint8_t *bytes, size_t length);

#endif
