/* The daemon's client of the store, on an event loop that runs until the answer is there. */
#include "enforcer/fleet_cli/store.h"

#include "enforcer/etcd/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store {
	struct arena *arena;
	struct etcd_settings settings;
	sd_event *events;
	struct http_client *client;
	struct etcd *etcd;
	/* of the request under way */
	json_t *answer;
	char error[512];
};

struct store *store_open(const struct arguments *arguments)
{
	struct arena *arena = arena_create();
	struct store *store = arena_alloc(arena, sizeof *store);
	*store = (struct store){.arena = arena};
	const char *path = arguments->store != NULL ? arguments->store : DEFAULT_STORE;
	bool good = etcd_settings_read(arena, path, &store->settings);
	if (good && (sd_event_new(&store->events) < 0 || http_client_create(&store->client, store->events) < 0)) {
		problem("cannot make the event loop");
		good = false;
	}
	if (!good) {
		store_close(store);
		return NULL;
	}
	store->etcd = etcd_create(store->client, &store->settings);
	return store;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	etcd_destroy(store->etcd);
	http_client_destroy(store->client);
	sd_event_unref(store->events);
	arena_free(store->arena);
}

static void on_done(void *context, const json_t *answer, const char *error)
{
	struct store *store = context;
	store->answer = answer != NULL ? json_deep_copy(answer) : NULL;
	snprintf(store->error, sizeof store->error, "%s", error != NULL ? error : "");
}

json_t *store_ask(struct store *store, const char *path, json_t *body)
{
	store->answer = NULL;
	for (size_t i = 0; i < store->settings.endpoint_count && store->answer == NULL; i++) {
		store->error[0] = 0;
		etcd_ask(store->etcd, path, json_incref(body), on_done, store);
		do {
			if (sd_event_run(store->events, UINT64_MAX) < 0)
				break;
		} while (store->answer == NULL && store->error[0] == 0);
	}
	json_decref(body);
	if (store->answer == NULL)
		problem("the store cannot be asked: %s", store->error);
	return store->answer;
}

const char *store_key(struct store *store, const char *below)
{
	return arena_printf(store->arena, "%s/%s", store->settings.prefix, below);
}

bool store_get(struct store *store, const char *below, char **bytes, size_t *length, int64_t *revision)
{
	const char *key = store_key(store, below);
	json_t *answer = store_ask(store, "/v3/kv/range", json_pack("{s:o}", "key", etcd_encode(key, strlen(key))));
	const json_t *pair = json_array_get(json_object_get(answer, "kvs"), 0);
	bool known = answer != NULL;
	*bytes = pair != NULL ? etcd_decode(json_object_get(pair, "value"), length) : NULL;
	*revision = pair != NULL ? etcd_number(pair, "mod_revision") : 0;
	json_decref(answer);
	return known;
}

bool store_each(struct store *store, const char *below,
		void (*call)(void *context, const char *key, const char *value, size_t length), void *context)
{
	const char *prefix = store_key(store, below), *next = NULL;
	bool more = true;
	while (more) {
		json_t *range = etcd_prefix_range(prefix);
		const json_t *pair;
		size_t i, length;
		json_object_set_new(range, "limit", json_integer(500));
		if (next != NULL)
			json_object_set_new(range, "key", etcd_encode(next, strlen(next) + 1));
		json_t *answer = store_ask(store, "/v3/kv/range", range);
		if (answer == NULL)
			return false;
		const json_t *pairs = json_object_get(answer, "kvs");
		more = json_is_true(json_object_get(answer, "more")) && json_array_size(pairs) > 0;
		json_array_foreach(pairs, i, pair)
		{
			char *key = etcd_decode(json_object_get(pair, "key"), &length);
			size_t key_length = length;
			char *value = etcd_decode(json_object_get(pair, "value"), &length);
			if (key != NULL && value != NULL && strlen(key) == key_length &&
			    strncmp(key, prefix, strlen(prefix)) == 0) {
				call(context, key + strlen(prefix), value, length);
				next = arena_copy(store->arena, key, key_length);
			}
			free(key);
			free(value);
		}
		json_decref(answer);
	}
	return true;
}

bool store_change(struct store *store, const char *below, int64_t revision, json_t *operations, bool *done)
{
	const char *key = store_key(store, below);
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, revision);
	json_t *compare = json_pack("{s:s, s:s, s:o, s:s}", "target", "MOD", "result", "EQUAL", "key",
				    etcd_encode(key, strlen(key)), "mod_revision", text);
	json_t *answer =
	    store_ask(store, "/v3/kv/txn", json_pack("{s:[o], s:o}", "compare", compare, "success", operations));
	*done = json_is_true(json_object_get(answer, "succeeded"));
	bool known = answer != NULL;
	json_decref(answer);
	return known;
}
