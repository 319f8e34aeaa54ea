/* A state machine with one request under way, or a watch and, now and then, a request beside it (the beat):
 *
 *   identify -> list (by pages of one revision) -> watch -> ... any failure: wait, then identify
 *
 * A store is known by a random value in PREFIX/identity that whoever comes first puts there, since etcd derives the
 * number of its cluster from its configuration; and by its revision, which never goes back. */
#include "enforcer/etcd/mirror.h"

#include "enforcer/sources/source.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000, PAGE_LEAST = 16, IDENTITY_BYTES = 16, HEX_SIZE = 2 * IDENTITY_BYTES + 1, IDENTITY_SIZE = 128 };

struct mirror {
	sd_event *events;
	struct etcd *etcd;
	struct mirror_calls calls;
	char *key;		      /* whose keys are mirrored */
	char *name_key;		      /* of the store's name */
	char identity[IDENTITY_SIZE]; /* of the store that is followed; empty: none yet */
	int64_t revision;	      /* up to which it was followed; 0: nothing is known of it */
	int64_t asked_revision;	      /* the same when the store was asked who it is: the watch may go on meanwhile */
	int64_t list_revision;	      /* of the pages; 0: the first is still to come */
	char *next;		      /* key of the next page */
	int page;		      /* how many keys the next one has: fewer after one that did not come */
	struct etcd_call *call, *watch;
	sd_event_source *timer;
	unsigned wait_ms;
	bool well; /* the last that was told */
};

static void identify(struct mirror *mirror);
static void ask_page(struct mirror *mirror);

static void arm(struct mirror *mirror, uint64_t microseconds)
{
	uint64_t now = 0;
	sd_event_now(mirror->events, CLOCK_MONOTONIC, &now);
	sd_event_source_set_time(mirror->timer, now + microseconds);
	sd_event_source_set_enabled(mirror->timer, SD_EVENT_ONESHOT);
}

/* Whatever is under way is over; all is tried again after a while. */
static void fail(struct mirror *mirror, const char *why)
{
	etcd_cancel(mirror->call);
	etcd_cancel(mirror->watch);
	mirror->call = mirror->watch = NULL;
	mirror->wait_ms = source_wait_ms(mirror->wait_ms);
	arm(mirror, (uint64_t)mirror->wait_ms * 1000);
	mirror->well = false;
	mirror->calls.problem(mirror->calls.context, why);
}

static void be_well(struct mirror *mirror)
{
	if (!mirror->well)
		mirror->calls.problem(mirror->calls.context, NULL);
	mirror->well = true;
	mirror->wait_ms = 0;
	arm(mirror, (uint64_t)MIRROR_BEAT_S * 1000000);
}

static int64_t header_revision(const json_t *answer)
{
	return etcd_number(json_object_get(answer, "header"), "revision");
}

/* ---- keys and values ---- */

/* Gives one pair of a list or an event to the caller. Returns false when it is none of etcd's. */
static bool give(struct mirror *mirror, const json_t *pair, bool removed)
{
	size_t key_length, length;
	char *key = etcd_decode(json_object_get(pair, "key"), &key_length);
	char *value = etcd_decode(json_object_get(pair, "value"), &length);
	size_t prefix = strlen(mirror->key);
	int64_t revision = etcd_number(pair, "mod_revision");
	bool good = key != NULL && value != NULL && strncmp(key, mirror->key, prefix) == 0;
	/* A key with a 0 in it is nobody's. */
	if (good && strlen(key) == key_length && removed)
		mirror->calls.removed(mirror->calls.context, key + prefix, revision);
	else if (good && strlen(key) == key_length)
		mirror->calls.put(mirror->calls.context, key + prefix, value, length, revision);
	free(key);
	free(value);
	return good;
}

/* ---- the watch ---- */

static void on_watch_end(void *context, const json_t *answer, const char *error)
{
	struct mirror *mirror = context;
	(void)answer;
	mirror->watch = NULL;
	fail(mirror, error);
}

static void on_events(void *context, const json_t *part)
{
	struct mirror *mirror = context;
	const json_t *events = json_object_get(part, "events"), *event;
	int64_t compacted = etcd_number(part, "compact_revision");
	size_t i;
	if (compacted > 0 || json_is_true(json_object_get(part, "canceled"))) {
		const char *why = json_string_value(json_object_get(part, "cancel_reason"));
		if (compacted > 0)
			mirror->list_revision = -1; /* what happened meanwhile is gone: a list says what came of it */
		fail(mirror, compacted > 0
				 ? "the store has forgotten what happened since it was heard last; it is read anew"
			     : why != NULL ? why
					   : "the store ended the watch");
		return;
	}
	json_array_foreach(events, i, event)
	{
		const char *type = json_string_value(json_object_get(event, "type"));
		if (!give(mirror, json_object_get(event, "kv"), type != NULL && strcmp(type, "DELETE") == 0)) {
			mirror->list_revision = -1;
			fail(mirror, "the store told of a change that cannot be read");
			return;
		}
	}
	if (header_revision(part) > mirror->revision)
		mirror->revision = header_revision(part);
	if (json_array_size(events) > 0)
		mirror->calls.settled(mirror->calls.context);
}

static void watch(struct mirror *mirror)
{
	char from[24];
	json_t *request = etcd_prefix_range(mirror->key);
	snprintf(from, sizeof from, "%" PRId64, mirror->revision + 1);
	json_object_set_new(request, "start_revision", json_string(from));
	json_object_set_new(request, "fragment", json_true()); /* else what is much comes in one line */
	mirror->watch = etcd_stream(mirror->etcd, "/v3/watch", json_pack("{s:o}", "create_request", request), on_events,
				    on_watch_end, mirror);
	be_well(mirror);
}

/* ---- the list ---- */

static void on_page(void *context, const json_t *answer, const char *error)
{
	struct mirror *mirror = context;
	const json_t *pairs = json_object_get(answer, "kvs"), *pair;
	size_t i, last = json_array_size(pairs);
	mirror->call = NULL;
	if (error != NULL) {
		/* What was listed holds, and the list goes on behind it, unless the store forgets that revision: where
		 * many ask at once, all would begin anew for ever. */
		if (mirror->list_revision <= 0 || strstr(error, "compacted") != NULL)
			mirror->list_revision = -1;
		mirror->page = mirror->page / 4 > PAGE_LEAST ? mirror->page / 4 : PAGE_LEAST;
		fail(mirror, error);
		return;
	}
	mirror->page = mirror->page * 2 < PAGE ? mirror->page * 2 : PAGE;
	if (mirror->list_revision <= 0)
		mirror->list_revision = header_revision(answer);
	bool good = mirror->list_revision > 0;
	json_array_foreach(pairs, i, pair) good = good && give(mirror, pair, false);
	if (!good) {
		mirror->list_revision = -1;
		fail(mirror, "the store told of a key that cannot be read");
		return;
	}
	if (!json_is_true(json_object_get(answer, "more"))) {
		mirror->revision = mirror->list_revision;
		mirror->list_revision = 0;
		mirror->calls.settled(mirror->calls.context);
		watch(mirror);
		return;
	}
	/* The next key is the last one with a 0 behind it. */
	size_t length;
	free(mirror->next);
	mirror->next = last > 0 ? etcd_decode(json_object_get(json_array_get(pairs, last - 1), "key"), &length) : NULL;
	if (mirror->next == NULL) {
		mirror->list_revision = -1;
		fail(mirror, "the store's list has a page without a key");
		return;
	}
	ask_page(mirror);
}

static void ask_page(struct mirror *mirror)
{
	json_t *request = etcd_prefix_range(mirror->key);
	char revision[24];
	json_object_set_new(request, "limit", json_integer(mirror->page));
	if (mirror->list_revision > 0) {
		snprintf(revision, sizeof revision, "%" PRId64, mirror->list_revision);
		json_object_set_new(request, "revision", json_string(revision));
		json_object_set_new(request, "key", etcd_encode(mirror->next, strlen(mirror->next) + 1));
	}
	mirror->call = etcd_ask(mirror->etcd, "/v3/kv/range", request, on_page, mirror);
}

/* ---- which store it is ---- */

/* The identity that the answer to a range tells, with the number of the cluster, the caller's to free; NULL: none. */
static char *identity_of(const json_t *answer)
{
	size_t length;
	const json_t *pair = json_array_get(json_object_get(answer, "kvs"), 0);
	const char *cluster = json_string_value(json_object_get(json_object_get(answer, "header"), "cluster_id"));
	char *value = pair != NULL ? etcd_decode(json_object_get(pair, "value"), &length) : NULL, *both = NULL;
	if (value != NULL && cluster != NULL && asprintf(&both, "%s of %s", value, cluster) < 0)
		abort();
	free(value);
	return both;
}

/* It has a name by now, ours or that of whoever was first. */
static void on_named(void *context, const json_t *answer, const char *error)
{
	struct mirror *mirror = context;
	(void)answer;
	mirror->call = NULL;
	if (error != NULL)
		fail(mirror, error);
	else
		identify(mirror);
}

/* Puts a name into a store that has none. */
static void name_store(struct mirror *mirror)
{
	unsigned char bytes[IDENTITY_BYTES];
	char fresh[HEX_SIZE];
	randombytes_buf(bytes, sizeof bytes);
	sodium_bin2hex(fresh, sizeof fresh, bytes, sizeof bytes);
	json_t *none = json_pack("{s:s, s:s, s:o, s:s}", "target", "CREATE", "result", "EQUAL", "key",
				 etcd_encode(mirror->name_key, strlen(mirror->name_key)), "create_revision", "0");
	json_t *body = json_pack("{s:[o], s:[o]}", "compare", none, "success",
				 etcd_put(mirror->name_key, fresh, strlen(fresh), 0));
	mirror->call = etcd_ask(mirror->etcd, "/v3/kv/txn", body, on_named, mirror);
}

/* Goes on, by what is known of the store: whether it is the one that was followed, or listed in part, and how far. */
static void go_on(struct mirror *mirror, bool same, bool in_part)
{
	if (!same)
		mirror->revision = 0;
	if (mirror->watch != NULL && same) {
		be_well(mirror); /* it was a beat */
	} else if (mirror->watch != NULL) {
		fail(mirror, "the store was wiped, or put back from a backup; it is read anew");
	} else if (same && mirror->list_revision == 0) {
		watch(mirror);
	} else if (in_part) {
		ask_page(mirror);
	} else {
		mirror->list_revision = 0;
		mirror->calls.list(mirror->calls.context, same, mirror->identity);
		ask_page(mirror);
	}
}

static void on_identity(void *context, const json_t *answer, const char *error)
{
	struct mirror *mirror = context;
	mirror->call = NULL;
	if (error != NULL) {
		fail(mirror, error);
		return;
	}
	char *identity = identity_of(answer);
	if (identity == NULL && json_array_size(json_object_get(answer, "kvs")) == 0) {
		name_store(mirror);
	} else if (identity == NULL || strlen(identity) >= IDENTITY_SIZE) {
		fail(mirror, "the store has no name that can be read (the key `identity`)");
	} else {
		bool known = strcmp(identity, mirror->identity) == 0 &&
			     header_revision(answer) >= mirror->asked_revision &&
			     header_revision(answer) >= mirror->list_revision;
		snprintf(mirror->identity, sizeof mirror->identity, "%s", identity);
		go_on(mirror, known && mirror->revision > 0, known && mirror->list_revision > 0);
	}
	free(identity);
}

static void identify(struct mirror *mirror)
{
	mirror->asked_revision = mirror->revision;
	mirror->call = etcd_ask(mirror->etcd, "/v3/kv/range",
				json_pack("{s:o}", "key", etcd_encode(mirror->name_key, strlen(mirror->name_key))),
				on_identity, mirror);
}

/* ---- its life ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct mirror *mirror = context;
	(void)source;
	(void)usec;
	if (mirror->call == NULL)
		identify(mirror);
	return 0;
}

int mirror_create(struct mirror **mirror, sd_event *events, struct etcd *etcd, const char *below,
		  const struct mirror_calls *calls)
{
	struct mirror *made = calloc(1, sizeof *made);
	*mirror = NULL;
	if (made == NULL)
		return -ENOMEM;
	*made = (struct mirror){.events = events, .etcd = etcd, .calls = *calls, .page = PAGE, .well = true};
	if (asprintf(&made->key, "%s/%s", etcd_prefix(etcd), below) < 0 ||
	    asprintf(&made->name_key, "%s/identity", etcd_prefix(etcd)) < 0)
		abort();
	int error = sd_event_add_time(events, &made->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer, made);
	if (error < 0) {
		mirror_destroy(made);
		return error;
	}
	sd_event_source_set_enabled(made->timer, SD_EVENT_OFF);
	*mirror = made;
	identify(made);
	return 0;
}

void mirror_destroy(struct mirror *mirror)
{
	if (mirror == NULL)
		return;
	etcd_cancel(mirror->call);
	etcd_cancel(mirror->watch);
	sd_event_source_disable_unref(mirror->timer);
	free(mirror->key);
	free(mirror->name_key);
	free(mirror->next);
	free(mirror);
}
