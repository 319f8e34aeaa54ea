/* A mirror of the pointer and the releases; when the pointer is another one, the pieces that it tells of are asked for,
 * one after the other. */
#include "enforcer/fleet/policy_store.h"

#include "enforcer/etcd/mirror.h"
#include "enforcer/sources/source.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* ---- the pointer ---- */

void policy_pointer_of(struct policy_pointer *pointer, const struct bundle *bundle, size_t length)
{
	*pointer = (struct policy_pointer){
	    .revision = bundle->revision, .bytes = length, .pieces = (length + POLICY_PIECE - 1) / POLICY_PIECE};
	sodium_bin2hex(pointer->digest, sizeof pointer->digest, bundle->digest, DIGEST_SIZE);
}

char *policy_pointer_write(const struct policy_pointer *pointer)
{
	char revision[24];
	snprintf(revision, sizeof revision, "%" PRIu64, pointer->revision);
	json_t *object = json_pack("{s:s, s:I, s:I, s:s}", "revision", revision, "bytes", (json_int_t)pointer->bytes,
				   "pieces", (json_int_t)pointer->pieces, "digest", pointer->digest);
	char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return checked(text);
}

bool policy_pointer_read(struct policy_pointer *pointer, const char *text, size_t length)
{
	json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	const char *revision = NULL, *digest = NULL;
	json_int_t bytes = 0, pieces = 0;
	bool good = json_unpack(object, "{s:s, s:I, s:I, s:s}", "revision", &revision, "bytes", &bytes, "pieces",
				&pieces, "digest", &digest) == 0;
	*pointer = (struct policy_pointer){0};
	good = good && revision_parse(&pointer->revision, revision) && bytes > 0 && bytes <= BUNDLE_BYTES_MOST &&
	       pieces == (bytes + POLICY_PIECE - 1) / POLICY_PIECE && strlen(digest) == 2 * DIGEST_SIZE &&
	       strspn(digest, "0123456789abcdef") == 2 * DIGEST_SIZE;
	if (good) {
		pointer->bytes = (size_t)bytes;
		pointer->pieces = (size_t)pieces;
		memcpy(pointer->digest, digest, sizeof pointer->digest);
	}
	json_decref(object);
	return good;
}

char *policy_piece_key(uint64_t revision, size_t number)
{
	char *key;
	if (asprintf(&key, POLICY_BUNDLES "%" PRIu64 "/%06zu", revision, number) < 0)
		abort();
	return key;
}

/* ---- following ---- */

struct policy_follower {
	sd_event *events;
	struct etcd *etcd;
	struct policy_calls calls;
	struct mirror *mirror;
	struct policy_pointer pointer; /* the newest; revision 0: none */
	bool wanted;		       /* its bytes were not given yet */
	struct etcd_call *call;
	sd_event_source *timer;
	unsigned wait_ms;
	char *bytes; /* so far */
	size_t length, piece;
	char *mirror_problem, *problem;
};

static void ask_piece(struct policy_follower *follower);

static void tell_problem(struct policy_follower *follower)
{
	follower->calls.problem(follower->calls.context,
				follower->mirror_problem != NULL ? follower->mirror_problem : follower->problem);
}

static void set_problem(struct policy_follower *follower, char **place, const char *text)
{
	bool other = (text == NULL) != (*place == NULL) || (text != NULL && strcmp(text, *place) != 0);
	if (!other)
		return;
	free(*place);
	*place = text != NULL ? checked(strdup(text)) : NULL;
	tell_problem(follower);
}

static void forget_bytes(struct policy_follower *follower)
{
	etcd_cancel(follower->call);
	follower->call = NULL;
	free(follower->bytes);
	follower->bytes = NULL;
	follower->length = follower->piece = 0;
}

/* What the store has makes no whole: it is asked for again, since somebody may be putting it there. */
static void fail(struct policy_follower *follower, const char *why)
{
	uint64_t now = 0;
	forget_bytes(follower);
	follower->wait_ms = source_wait_ms(follower->wait_ms);
	sd_event_now(follower->events, CLOCK_MONOTONIC, &now);
	sd_event_source_set_time(follower->timer, now + (uint64_t)follower->wait_ms * 1000);
	sd_event_source_set_enabled(follower->timer, SD_EVENT_ONESHOT);
	set_problem(follower, &follower->problem, why);
}

static void give_bundle(struct policy_follower *follower)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	char text[2 * sizeof digest + 1];
	crypto_hash_sha256(digest, (const uint8_t *)follower->bytes, follower->length);
	sodium_bin2hex(text, sizeof text, digest, sizeof digest);
	if (follower->length != follower->pointer.bytes || strcmp(text, follower->pointer.digest) != 0) {
		fail(follower, "the pieces of the bundle in the store are not what `policy/current` tells of");
		return;
	}
	follower->wanted = false;
	follower->wait_ms = 0;
	set_problem(follower, &follower->problem, NULL);
	follower->calls.bundle(follower->calls.context, follower->bytes, follower->length);
	forget_bytes(follower);
}

static void on_piece(void *context, const json_t *answer, const char *error)
{
	struct policy_follower *follower = context;
	const json_t *pair = json_array_get(json_object_get(answer, "kvs"), 0);
	size_t length = 0;
	follower->call = NULL;
	if (error != NULL) {
		fail(follower, error);
		return;
	}
	char *bytes = pair != NULL ? etcd_decode(json_object_get(pair, "value"), &length) : NULL;
	bool fits = bytes != NULL && length <= follower->pointer.bytes - follower->length;
	if (fits) {
		memcpy(follower->bytes + follower->length, bytes, length);
		follower->length += length;
	}
	free(bytes);
	if (!fits)
		fail(follower, "a piece of the bundle in the store is missing, or too long");
	else if (++follower->piece < follower->pointer.pieces)
		ask_piece(follower);
	else
		give_bundle(follower);
}

static void ask_piece(struct policy_follower *follower)
{
	char *below = policy_piece_key(follower->pointer.revision, follower->piece), *key;
	if (asprintf(&key, "%s/%s", etcd_prefix(follower->etcd), below) < 0)
		abort();
	if (follower->bytes == NULL)
		follower->bytes = checked(malloc(follower->pointer.bytes + 1));
	follower->call = etcd_ask(follower->etcd, "/v3/kv/range",
				  json_pack("{s:o}", "key", etcd_encode(key, strlen(key))), on_piece, follower);
	free(below);
	free(key);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct policy_follower *follower = context;
	(void)source;
	(void)usec;
	if (follower->wanted && follower->call == NULL)
		ask_piece(follower);
	return 0;
}

/* ---- what the mirror tells ---- */

static void on_list(void *context, bool same, const char *store)
{
	(void)context;
	(void)same;
	(void)store;
}

static void on_put(void *context, const char *key, const char *value, size_t length, int64_t revision)
{
	struct policy_follower *follower = context;
	struct policy_pointer pointer;
	(void)revision;
	if (strncmp(key, POLICY_RELEASES, strlen(POLICY_RELEASES)) == 0) {
		follower->calls.release(follower->calls.context, value, length);
		return;
	}
	if (strcmp(key, POLICY_POINTER) != 0)
		return;
	if (!policy_pointer_read(&pointer, value, length)) {
		forget_bytes(follower);
		follower->wanted = false;
		set_problem(follower, &follower->problem, "`policy/current` in the store makes no sense");
		return;
	}
	if (!follower->wanted && pointer.revision == follower->pointer.revision &&
	    strcmp(pointer.digest, follower->pointer.digest) == 0)
		return; /* it was given already */
	forget_bytes(follower);
	follower->pointer = pointer;
	follower->wanted = true;
}

/* That something is not there any more says nothing. */
static void on_removed(void *context, const char *key, int64_t revision)
{
	(void)context;
	(void)key;
	(void)revision;
}

static void on_settled(void *context)
{
	struct policy_follower *follower = context;
	if (follower->wanted && follower->call == NULL)
		ask_piece(follower);
}

static void on_problem(void *context, const char *text)
{
	struct policy_follower *follower = context;
	set_problem(follower, &follower->mirror_problem, text);
}

int policy_follower_create(struct policy_follower **follower, sd_event *events, struct etcd *etcd,
			   const struct policy_calls *calls)
{
	struct policy_follower *made = checked(calloc(1, sizeof *made));
	const struct mirror_calls mirror_calls = {.list = on_list,
						  .put = on_put,
						  .removed = on_removed,
						  .settled = on_settled,
						  .problem = on_problem,
						  .context = made};
	*follower = NULL;
	*made = (struct policy_follower){.events = events, .etcd = etcd, .calls = *calls};
	int error = sd_event_add_time(events, &made->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer, made);
	if (error >= 0)
		error = sd_event_source_set_enabled(made->timer, SD_EVENT_OFF);
	if (error >= 0)
		error = mirror_create(&made->mirror, events, etcd, POLICY_BELOW, &mirror_calls);
	if (error < 0) {
		policy_follower_destroy(made);
		return error;
	}
	*follower = made;
	return 0;
}

void policy_follower_destroy(struct policy_follower *follower)
{
	if (follower == NULL)
		return;
	mirror_destroy(follower->mirror);
	forget_bytes(follower);
	sd_event_source_disable_unref(follower->timer);
	free(follower->mirror_problem);
	free(follower->problem);
	free(follower);
}
