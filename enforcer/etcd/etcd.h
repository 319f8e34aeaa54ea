/* An etcd store, version 3.4 and later, by its JSON gateway (etcd.io/docs: "gRPC gateway"): requests to one of its
 * members, the next one when that cannot be asked. Keys and values are base64 in the JSON, and numbers are texts. */
#ifndef ENFORCER_ETCD_ETCD_H
#define ENFORCER_ETCD_ETCD_H

#include "enforcer/http_client/http_client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct etcd_settings {
	const char **endpoints; /* URLs without a path: https://etcd-1:2379 */
	size_t endpoint_count;
	const char *prefix;		    /* of every key, without a slash at its end */
	const char *ca, *certificate, *key; /* files in PEM, or NULL */
	const char *user, *password_file;   /* both or none; the file is read anew for each login */
};

struct etcd;

/* `settings` and `client` must outlive the store, which the caller destroys; that ends its calls without a word.
 * Nothing is asked yet. */
struct etcd *etcd_create(struct http_client *client, const struct etcd_settings *settings);
void etcd_destroy(struct etcd *etcd);

const char *etcd_prefix(const struct etcd *etcd);

/* What came of a request: the answer, borrowed for the call, or why there is none. */
typedef void etcd_done(void *context, const json_t *answer, const char *error);

struct etcd_call;

/* Posts `body` (which is taken over) to `path`, such as /v3/kv/range. The call is valid until `done` returns or it is
 * cancelled. An answer that takes longer than 10 s is none. */
struct etcd_call *etcd_ask(struct etcd *etcd, const char *path, json_t *body, etcd_done *done, void *context);

/* The same where the answer is a stream of objects, each given to `part`; `done` says why it ended, which is an error
 * in any case. */
struct etcd_call *etcd_stream(struct etcd *etcd, const char *path, json_t *body,
			      void (*part)(void *context, const json_t *part), etcd_done *done, void *context);

/* Ends a call without a word; not from within its `done`. NULL is allowed. */
void etcd_cancel(struct etcd_call *call);

/* ---- the JSON of the gateway ---- */

/* The bytes as base64, and back: the caller's to free, with a 0 behind them; NULL when it is none. */
json_t *etcd_encode(const void *bytes, size_t length);
char *etcd_decode(const json_t *text, size_t *length);

/* A number that stands there as a text; 0 when it is none, or missing, as zeros are. */
int64_t etcd_number(const json_t *object, const char *name);

/* A request for the keys that begin with `key`: `key` and `range_end`. */
json_t *etcd_prefix_range(const char *key);

/* Parts of a transaction: `put` (lease 0: none), `delete_range`; and the whole of it without conditions. */
json_t *etcd_put(const char *key, const void *value, size_t length, int64_t lease);
json_t *etcd_delete(const char *key);

/* What etcd takes in one transaction at most, as it is configured by default (--max-txn-ops), and of bytes
 * (--max-request-bytes), with room for what is around them. */
enum { ETCD_OPERATIONS_MOST = 128, ETCD_VALUE_MOST = 1 << 20 };

#endif
