/* ringfence push and pull: a bundle into the fleet's store, and out of it. */
#include "enforcer/fleet_cli/fleet_cli.h"
#include "enforcer/fleet_cli/store.h"

#include "enforcer/fleet/policy_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bundles that stay in the store, so that a node which just reads the one before can go on. */
enum { BUNDLES_KEPT = 3 };

/* The pointer in the store; revision 0: there is none, or one that makes no sense and is written over. */
static bool read_pointer(struct store *store, struct policy_pointer *pointer, int64_t *at)
{
	char *text;
	size_t length = 0;
	*pointer = (struct policy_pointer){0};
	if (!store_get(store, POLICY_CURRENT, &text, &length, at))
		return false;
	if (text != NULL && !policy_pointer_read(pointer, text, length))
		*pointer = (struct policy_pointer){0};
	free(text);
	return true;
}

static bool put_pieces(struct store *store, const struct policy_pointer *pointer, const uint8_t *bytes)
{
	for (size_t i = 0; i < pointer->pieces; i++) {
		size_t from = i * POLICY_PIECE, left = pointer->bytes - from;
		char *below = policy_piece_key(pointer->revision, i);
		const char *key = store_key(store, below);
		json_t *answer =
		    store_ask(store, "/v3/kv/txn",
			      json_pack("{s:[o]}", "success",
					etcd_put(key, bytes + from, left < POLICY_PIECE ? left : POLICY_PIECE, 0)));
		free(below);
		if (answer == NULL)
			return false;
		json_decref(answer);
	}
	return true;
}

struct revisions {
	struct arena *arena;
	uint64_t *items;
	size_t count;
};

static void note_revision(void *context, const char *key, const char *value, size_t length)
{
	struct revisions *revisions = context;
	char text[24];
	uint64_t revision;
	(void)value;
	(void)length;
	snprintf(text, sizeof text, "%.*s", (int)strcspn(key, "/"), key);
	if (revision_parse(&revision, text) &&
	    (revisions->count == 0 || revisions->items[revisions->count - 1] != revision))
		*arena_push(revisions->arena, revisions->items, revisions->count) = revision;
}

static int newest_first(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return a > b ? -1 : a < b;
}

/* Takes out bundles that nobody reads any more; that it fails does no harm. */
static void remove_old(struct store *store, struct arena *arena)
{
	struct revisions revisions = {.arena = arena};
	if (!store_each(store, POLICY_BUNDLES, note_revision, &revisions) || revisions.count <= BUNDLES_KEPT)
		return;
	qsort(revisions.items, revisions.count, sizeof *revisions.items, newest_first);
	for (size_t i = BUNDLES_KEPT; i < revisions.count; i++) {
		const char *key =
		    store_key(store, arena_printf(arena, POLICY_BUNDLES "%" PRIu64 "/", revisions.items[i]));
		json_decref(store_ask(store, "/v3/kv/deleterange", etcd_prefix_range(key)));
	}
}

int bundle_push(struct store *store, const struct arguments *arguments, struct arena *arena,
		const struct bundle *bundle, const uint8_t *bytes, size_t length)
{
	struct policy_pointer there, wanted;
	int64_t at;
	bool done = false;
	policy_pointer_of(&wanted, bundle, length);
	if (!read_pointer(store, &there, &at))
		return EXIT_PROBLEM;
	bool same = there.revision == wanted.revision && strcmp(there.digest, wanted.digest) == 0;
	if (!same && there.revision >= wanted.revision) {
		problem("the store has revision %" PRIu64 " already, and this is %s; sign it anew to put it there",
			there.revision,
			there.revision > wanted.revision ? "an older one" : "another one of that number");
		return EXIT_NO;
	}
	if (!put_pieces(store, &wanted, bytes))
		return EXIT_PROBLEM;
	char *text = policy_pointer_write(&wanted);
	json_t *put = json_pack("[o]", etcd_put(store_key(store, POLICY_CURRENT), text, strlen(text), 0));
	free(text);
	if (!store_change(store, POLICY_CURRENT, at, put, &done))
		return EXIT_PROBLEM;
	if (!done) {
		problem("somebody else put a bundle there at the same time; try again");
		return EXIT_NO;
	}
	remove_old(store, arena);
	bundle_print(arguments, bundle, length, same ? "was there already:" : "pushed:");
	return EXIT_YES;
}

int push_run(const struct arguments *arguments)
{
	if (arguments->word_count != 1)
		return problem("push takes one FILE, which `ringfence sign` wrote");
	struct arena *arena = arena_create();
	struct bundle bundle;
	uint8_t *bytes = NULL;
	size_t length;
	int status = bundle_load(arguments, arena, &bundle, &bytes, &length);
	struct store *store = status == 0 ? store_open(arguments) : NULL;
	if (status == 0)
		status = store != NULL ? bundle_push(store, arguments, arena, &bundle, bytes, length) : EXIT_PROBLEM;
	store_close(store);
	free(bytes);
	arena_free(arena);
	return status;
}

/* ---- pull ---- */

/* The bytes that the pointer leads to, the caller's to free; NULL after saying why not. */
static uint8_t *get_pieces(struct store *store, const struct policy_pointer *pointer)
{
	uint8_t *bytes = malloc(pointer->bytes);
	size_t length = 0;
	if (bytes == NULL)
		abort();
	for (size_t i = 0; i < pointer->pieces; i++) {
		char *below = policy_piece_key(pointer->revision, i), *piece;
		size_t size = 0;
		int64_t at;
		bool known = store_get(store, below, &piece, &size, &at);
		bool fits = known && piece != NULL && size <= pointer->bytes - length;
		if (fits)
			memcpy(bytes + length, piece, size);
		length += size;
		free(below);
		free(piece);
		if (fits)
			continue;
		if (known)
			problem("a piece of the bundle in the store is missing, or too long");
		free(bytes);
		return NULL;
	}
	return bytes;
}

static int write_file(const char *path, const uint8_t *bytes, size_t length)
{
	FILE *stream = fopen(path, "wxe");
	if (stream == NULL)
		return problem("%s: %s", path, strerror(errno));
	bool written = fwrite(bytes, 1, length, stream) == length;
	if (fclose(stream) == 0 && written)
		return 0;
	int status = problem("%s: %s", path, strerror(errno));
	remove(path);
	return status;
}

static int pull(struct store *store, const struct arguments *arguments, struct arena *arena)
{
	struct policy_pointer pointer;
	struct bundle bundle;
	int64_t at;
	if (!read_pointer(store, &pointer, &at))
		return EXIT_PROBLEM;
	if (pointer.revision == 0) {
		problem("no bundle is in the store");
		return EXIT_NO;
	}
	uint8_t *bytes = get_pieces(store, &pointer);
	int status =
	    bytes == NULL ? EXIT_PROBLEM : bundle_verify(arguments, arena, &bundle, "the store", bytes, pointer.bytes);
	if (status == 0)
		status = write_file(arguments->output, bytes, pointer.bytes);
	if (status == 0)
		bundle_print(arguments, &bundle, pointer.bytes, "pulled:");
	free(bytes);
	return status;
}

int pull_run(const struct arguments *arguments)
{
	if (arguments->word_count != 0 || arguments->output == NULL)
		return problem("pull takes -o FILE, where the bundle is written to");
	struct store *store = store_open(arguments);
	struct arena *arena = arena_create();
	int status = store != NULL ? pull(store, arguments, arena) : EXIT_PROBLEM;
	store_close(store);
	arena_free(arena);
	return status;
}
