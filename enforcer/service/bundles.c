/* The keys are read anew for each bundle, so that one that is put beside or in the place of another counts at once. */
#include "enforcer/service/bundles.h"

#include "enforcer/fleet/release.h"

#include <ringfence/arena.h>

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The newest bundle that was seen; without a revision: none was. */
struct seen {
	uint64_t revision;
	uint8_t digest[DIGEST_SIZE];
	json_t *told; /* as it is kept, and told by status; NULL: nothing */
};

struct bundles {
	const struct config *config;
	const struct state_directory *directory;
	struct seen seen;
	char *problem; /* why it cannot be known what was seen; NULL: it is */
	char *waits;   /* the staged bundle that is not released here, in words; NULL: none */
};

/* ---- what was seen ---- */

static json_t *told_of(const struct bundle *bundle)
{
	char time[32], digest[2 * DIGEST_SIZE + 1];
	sodium_bin2hex(digest, sizeof digest, bundle->digest, DIGEST_SIZE);
	json_t *told = json_pack("{s:o, s:s, s:s, s:s, s:s?, s:s}", "revision",
				 json_sprintf("%" PRIu64, bundle->revision), "sha256", digest, "policy", bundle->policy,
				 "time", time_print(bundle->time, time), "commit", bundle->commit, "key", bundle->key);
	if (told == NULL)
		abort();
	return told;
}

/* Reads what told_of wrote. */
static bool read_seen(struct seen *seen, json_t *told)
{
	const char *revision, *digest, *policy, *time, *key;
	json_t *commit; /* or null */
	size_t size;
	return json_unpack(told, "{s:s, s:s, s:s, s:s, s:o, s:s !}", "revision", &revision, "sha256", &digest, "policy",
			   &policy, "time", &time, "commit", &commit, "key", &key) == 0 &&
	       revision_parse(&seen->revision, revision) &&
	       sodium_hex2bin(seen->digest, DIGEST_SIZE, digest, strlen(digest), NULL, &size, NULL) == 0 &&
	       size == DIGEST_SIZE;
}

/* Returns NULL, or what is wrong, the caller's to free. */
static char *load(struct bundles *bundles)
{
	struct state_content content;
	char *error = state_file_read(bundles->directory, BUNDLE_FILE, STATE_BUNDLE, &content);
	if (error == NULL && content.file != NULL) {
		bundles->seen.told =
		    json_loadb((const char *)content.payload, content.length, JSON_REJECT_DUPLICATES, NULL);
		if (!read_seen(&bundles->seen, bundles->seen.told)) {
			json_decref(bundles->seen.told);
			bundles->seen = (struct seen){0};
			if (asprintf(&error, "%s/" BUNDLE_FILE ": damaged", bundles->directory->path) < 0)
				abort();
		}
	}
	state_content_finish(&content);
	return error;
}

struct bundles *bundles_create(const struct config *config, const struct state_directory *directory,
			       const char *problem)
{
	struct bundles *bundles = calloc(1, sizeof *bundles);
	if (bundles == NULL)
		abort();
	bundles->config = config;
	bundles->directory = directory;
	if (directory->fd >= 0)
		bundles->problem = load(bundles);
	else
		bundles->problem = strdup(problem != NULL ? problem : "the configuration has no `state`");
	return bundles;
}

void bundles_destroy(struct bundles *bundles)
{
	if (bundles == NULL)
		return;
	json_decref(bundles->seen.told);
	free(bundles->problem);
	free(bundles->waits);
	free(bundles);
}

/* Has the bundle be the newest that was seen, from now on and over restarts. Returns NULL, or why that cannot be, in
 * `arena`: then nothing has changed. */
static const char *see(struct bundles *bundles, struct arena *arena, const struct bundle *bundle)
{
	json_t *told = told_of(bundle);
	char *text = json_dumps(told, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (text == NULL)
		abort();
	char *error = state_file_write(bundles->directory, BUNDLE_FILE, STATE_BUNDLE, text, strlen(text));
	free(text);
	if (error != NULL) {
		const char *why = arena_printf(arena, "its revision cannot be kept: %s", error);
		free(error);
		json_decref(told);
		return why;
	}
	json_decref(bundles->seen.told);
	bundles->seen = (struct seen){.revision = bundle->revision, .told = told};
	memcpy(bundles->seen.digest, bundle->digest, DIGEST_SIZE);
	return NULL;
}

/* ---- what is offered ---- */

static bool is_seen(const struct bundles *bundles, const struct bundle *bundle)
{
	return bundle->revision == bundles->seen.revision &&
	       memcmp(bundle->digest, bundles->seen.digest, DIGEST_SIZE) == 0;
}

/* Why this node may not take a staged bundle yet, in `arena`; NULL: it may. */
static const char *find_hold(const struct bundles *bundles, struct arena *arena, const struct bundle *bundle,
			     const struct trust *trust, const struct offered *offered)
{
	struct release release;
	if (!bundle->staged || is_seen(bundles, bundle))
		return NULL;
	if (offered->release == NULL)
		return "it is staged, and there is no release";
	const char *wrong = release_open(&release, arena, offered->release, offered->release_length, trust);
	if (wrong != NULL)
		return arena_printf(arena, "it is staged, and its release is not taken: %s", wrong);
	return release_selects(&release, bundle, &bundles->config->labels)
		   ? NULL
		   : "it is staged, and the release is not for it on this node";
}

/* Why the bundle's revision is none to take, in `arena`; NULL: it is. */
static const char *check_revision(const struct bundles *bundles, struct arena *arena, const struct bundle *bundle)
{
	uint64_t seen = bundles->seen.revision;
	if (bundle->revision < seen)
		return arena_printf(arena, "revision %" PRIu64 " is older than %" PRIu64 ", which was here already",
				    bundle->revision, seen);
	if (bundle->revision == seen && !is_seen(bundles, bundle))
		return arena_printf(arena,
				    "revision %" PRIu64 " was here already with another content: sign it with a "
				    "larger one",
				    seen);
	return NULL;
}

/* Opens what is offered, and has it be seen where it may be taken. Returns NULL, or why it is refused, in `arena`;
 * `*hold` tells why it has to wait. */
static const char *open_offered(struct bundles *bundles, struct bundle *bundle, struct arena *arena,
				const struct offered *offered, const char **hold)
{
	struct trust trust;
	*hold = NULL;
	if (bundles->problem != NULL)
		return arena_printf(arena, "it cannot be known whether it is an older one: %s", bundles->problem);
	const char *wrong = trust_load(&trust, arena, &bundles->config->bundle.keys);
	if (wrong != NULL)
		wrong = arena_printf(arena, "the keys that are trusted cannot be read: %s", wrong);
	if (wrong == NULL)
		wrong = bundle_open(bundle, arena, offered->bytes, offered->length, &trust);
	if (wrong == NULL)
		wrong = check_revision(bundles, arena, bundle);
	if (wrong == NULL)
		*hold = find_hold(bundles, arena, bundle, &trust, offered);
	if (wrong == NULL && *hold == NULL && !is_seen(bundles, bundle))
		wrong = see(bundles, arena, bundle);
	return wrong;
}

/* Says it once. */
static void note_wait(struct bundles *bundles, const struct bundle *bundle, const char *hold)
{
	char *before = bundles->waits;
	bundles->waits = NULL;
	if (hold != NULL && asprintf(&bundles->waits, "revision %" PRIu64 ": %s", bundle->revision, hold) < 0)
		abort();
	if (hold != NULL && (before == NULL || strcmp(before, bundles->waits) != 0))
		fprintf(stderr, "ringfenced: a bundle waits: %s\n", bundles->waits);
	free(before);
}

static int refuse(struct state *state, struct arena *arena, const char *path, const char *why)
{
	state_refuse_policy(state,
			    arena_printf(arena, "%s: %s\n", path != NULL ? path : "the bundle of the store", why));
	return -1;
}

/* Whether the newest that was seen is what the state holds, or was rolled back: then nothing is wrong while another one
 * waits. */
static bool is_settled(const struct bundles *bundles, const struct state *state)
{
	const char *policy = json_string_value(json_object_get(bundles->seen.told, "policy"));
	return policy != NULL &&
	       (strcmp(policy, state_revision(state)) == 0 || strcmp(policy, state_passed_over(state)) == 0);
}

int bundles_offer(struct bundles *bundles, struct state *state, const struct offered *offered, struct changes *changes)
{
	struct bundle bundle = {0};
	struct arena *arena = arena_create();
	const char *hold, *wrong = open_offered(bundles, &bundle, arena, offered, &hold);
	int result = 0;
	*changes = (struct changes){0};
	note_wait(bundles, &bundle, hold);
	if (wrong != NULL)
		result = refuse(state, arena, bundles->config->bundle.path, wrong);
	else if (hold == NULL)
		result = state_read_texts(state, &bundle.texts, changes);
	else if (is_settled(bundles, state))
		state_refuse_policy(state, NULL);
	arena_free(arena);
	return result;
}

bool bundles_wait(const struct bundles *bundles)
{
	return bundles->waits != NULL;
}

int bundles_read(struct bundles *bundles, struct state *state, struct changes *changes)
{
	const char *path = bundles->config->bundle.path;
	*changes = (struct changes){0};
	if (path == NULL)
		return 0;
	struct arena *arena = arena_create();
	uint8_t *bytes;
	size_t length;
	int result;
	const char *wrong = document_load(path, BUNDLE_BYTES_MOST, arena, &bytes, &length);
	if (wrong != NULL)
		result = refuse(state, arena, path, wrong);
	else
		result = bundles_offer(bundles, state, &(struct offered){.bytes = bytes, .length = length}, changes);
	free(bytes);
	arena_free(arena);
	return result;
}

json_t *bundles_status(const struct bundles *bundles, const char *revision)
{
	json_t *status = json_object();
	if (bundles->seen.told != NULL) {
		json_object_update(status, bundles->seen.told);
		const char *policy = json_string_value(json_object_get(status, "policy"));
		json_object_set_new(status, "in_force", json_boolean(policy != NULL && strcmp(policy, revision) == 0));
	}
	json_object_set_new(status, "waits", bundles->waits != NULL ? json_string(bundles->waits) : json_null());
	return status;
}
