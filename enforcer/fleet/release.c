/* Labels are those of documents, and equal or not: what a release selects shall be read at a glance. */
#include "enforcer/fleet/release.h"

#include <ringfence/arena.h>

#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "ringfence-release 1"
#define ALL "all"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
enum { LABEL_KEY_MOST = 317, LABEL_VALUE_MOST = 63 }; /* as in documents */

/* ---- labels ---- */

static bool is_word(const char *text, const char *more, size_t most)
{
	size_t length = strlen(text);
	for (const char *at = text; *at != 0; at++)
		if (strchr(LETTERS, *at) == NULL && strchr(more, *at) == NULL)
			return false;
	return length <= most;
}

/* The value of a key, or NULL. */
static const char *value_of(const struct labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strcmp(labels->items[i].key, key) == 0)
			return labels->items[i].value;
	return NULL;
}

static const char *add_label(struct labels *labels, struct arena *arena, char *text)
{
	char *equals = strchr(text, '=');
	if (equals == NULL)
		return arena_printf(arena, "`%s` is no key=value", text);
	*equals = 0;
	if (text[0] == 0 || !is_word(text, "._-/", LABEL_KEY_MOST) || !is_word(equals + 1, "._-", LABEL_VALUE_MOST))
		return "a label is key=value of letters, digits and `._-`, and `/` in the key";
	if (value_of(labels, text) != NULL)
		return arena_printf(arena, "the label `%s` stands twice", text);
	if (labels->count == RELEASE_LABELS_MOST)
		return "more than 64 labels";
	*arena_push(arena, labels->items, labels->count) = (struct label){text, equals + 1};
	return NULL;
}

const char *node_labels_parse(struct labels *labels, struct arena *arena, const char *text)
{
	const char *wrong = NULL;
	*labels = (struct labels){0};
	if (strcmp(text, ALL) == 0)
		return NULL;
	for (const char *at = text; wrong == NULL; at++) {
		size_t length = strcspn(at, ",");
		wrong = add_label(labels, arena, arena_copy(arena, at, length));
		at += length;
		if (*at == 0)
			break;
	}
	return wrong;
}

bool release_selects(const struct release *release, const struct bundle *bundle, const struct labels *node)
{
	if (release->revision != bundle->revision || memcmp(release->digest, bundle->digest, DIGEST_SIZE) != 0)
		return false;
	for (size_t i = 0; i < release->nodes.count; i++) {
		const char *value = value_of(node, release->nodes.items[i].key);
		if (value == NULL || strcmp(value, release->nodes.items[i].value) != 0)
			return false;
	}
	return true;
}

/* ---- documents ---- */

/* The caller's to free. */
static char *labels_text(const struct labels *labels)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	if (labels->count == 0)
		fputs(ALL, stream);
	for (size_t i = 0; i < labels->count; i++)
		fprintf(stream, "%s%s=%s", i > 0 ? "," : "", labels->items[i].key, labels->items[i].value);
	if (fclose(stream) != 0)
		abort();
	return text;
}

uint8_t *release_sign(const struct release *release, const struct private_key *key, size_t *length)
{
	char digest[2 * DIGEST_SIZE + 1], time[32], *nodes = labels_text(&release->nodes);
	sodium_bin2hex(digest, sizeof digest, release->digest, DIGEST_SIZE);
	json_t *json = json_pack("{s:o, s:s, s:s, s:s}", "revision", json_sprintf("%" PRIu64, release->revision),
				 "sha256", digest, "nodes", nodes, "time", time_print(release->time, time));
	char *body = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (body == NULL)
		abort();
	uint8_t *bytes = document_sign(HEAD, body, strlen(body), key, length);
	free(nodes);
	free(body);
	json_decref(json);
	return bytes;
}

static const char *take(struct release *release, struct arena *arena, json_t *json)
{
	const char *revision, *digest, *nodes, *time;
	size_t size;
	if (json_unpack(json, "{s:s, s:s, s:s, s:s !}", "revision", &revision, "sha256", &digest, "nodes", &nodes,
			"time", &time) != 0)
		return "it does not have the keys that it should";
	if (!revision_parse(&release->revision, revision) || time_parse(&release->time, time) != NULL ||
	    sodium_hex2bin(release->digest, DIGEST_SIZE, digest, strlen(digest), NULL, &size, NULL) != 0 ||
	    size != DIGEST_SIZE)
		return "it has a value that is none";
	return node_labels_parse(&release->nodes, arena, nodes);
}

const char *release_open(struct release *release, struct arena *arena, const void *bytes, size_t length,
			 const struct trust *trust)
{
	struct verified verified;
	*release = (struct release){0};
	if (length > RELEASE_BYTES_MOST)
		return "larger than 16 KiB";
	const char *error = document_open(&verified, arena, HEAD, bytes, length, trust);
	if (error != NULL)
		return error;
	json_t *json = json_loadb((const char *)verified.body, verified.length, JSON_REJECT_DUPLICATES, NULL);
	error = json != NULL ? take(release, arena, json) : "it is no JSON";
	json_decref(json);
	memcpy(release->key, verified.key->id, sizeof release->key);
	return error;
}
