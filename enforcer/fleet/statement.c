/* The digest of a record has its name in it, and those of a node are sorted before all are hashed: so neither side
 * needs them in an order. */
#include "enforcer/fleet/statement.h"

#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAD "ringfence-workloads 1"
#define HEAD_GONE "ringfence-gone 1"

/* ---- digests ---- */

void record_digest(struct record_digest *digest, const char *name, const void *record, size_t length)
{
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, sizeof digest->bytes);
	crypto_generichash_update(&state, (const uint8_t *)name, strlen(name) + 1);
	crypto_generichash_update(&state, record, length);
	crypto_generichash_final(&state, digest->bytes, sizeof digest->bytes);
}

static int compare(const void *one, const void *other)
{
	return memcmp(one, other, sizeof(struct record_digest));
}

void set_digest(uint8_t digest[SET_DIGEST_SIZE], struct record_digest *digests, size_t count)
{
	if (count > 0)
		qsort(digests, count, sizeof *digests, compare);
	crypto_generichash(digest, SET_DIGEST_SIZE, (const uint8_t *)digests, count * sizeof *digests, NULL, 0);
}

uint64_t sequence_after(uint64_t before)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t clock = now.tv_sec > 0 ? (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 : 1;
	if (clock > before)
		return clock;
	return before < UINT64_MAX ? before + 1 : before;
}

/* ---- documents ---- */

uint8_t *statement_write(const struct statement *statement, const char *node, const struct private_key *key,
			 size_t *length)
{
	char digest[2 * SET_DIGEST_SIZE + 1], *text;
	const char *head = statement->gone ? HEAD_GONE : HEAD;
	sodium_bin2hex(digest, sizeof digest, statement->digest, SET_DIGEST_SIZE);
	json_t *json =
	    json_pack("{s:s, s:o, s:s*}", "node", node, "sequence", json_sprintf("%" PRIu64, statement->sequence),
		      "digest", statement->gone ? NULL : digest);
	char *body = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(json);
	if (body == NULL)
		abort();
	uint8_t *bytes;
	if (key != NULL) {
		bytes = document_sign(head, body, strlen(body), key, length);
	} else {
		if ((*length = (size_t)asprintf(&text, "%s\n%s\n", head, body)) == (size_t)-1)
			abort();
		bytes = (uint8_t *)text;
	}
	free(body);
	return bytes;
}

static bool begins(const void *bytes, size_t length, const char *head)
{
	size_t size = strlen(head);
	return length > size && memcmp(bytes, head, size) == 0 && ((const char *)bytes)[size] == '\n';
}

/* The line behind the head, whatever comes behind it. */
static const char *open_unsigned(struct verified *verified, const char *head, const uint8_t *bytes, size_t length)
{
	*verified = (struct verified){.body = bytes + strlen(head) + 1};
	const uint8_t *end = memchr(verified->body, '\n', length - strlen(head) - 1);
	if (end == NULL)
		return "it is cut";
	verified->length = (size_t)(end - verified->body);
	return NULL;
}

static const char *open_signed(struct verified *verified, struct arena *arena, bool gone, const uint8_t *bytes,
			       size_t length, const struct statement_trust *trust)
{
	if (gone)
		return document_open(verified, arena, HEAD_GONE, bytes, length, &trust->enrolling);
	if (trust->node == NULL)
		return "the node is not enrolled with a key";
	return document_open(verified, arena, HEAD, bytes, length, &(struct trust){trust->node, 1});
}

static const char *take(struct statement *statement, const char *node, json_t *json)
{
	const char *named, *sequence, *digest = "";
	size_t size = 0;
	int wrong = statement->gone ? json_unpack(json, "{s:s, s:s !}", "node", &named, "sequence", &sequence)
				    : json_unpack(json, "{s:s, s:s, s:s !}", "node", &named, "sequence", &sequence,
						  "digest", &digest);
	if (wrong != 0)
		return "it does not have the keys that it should";
	if (strcmp(named, node) != 0)
		return "it is of another node";
	if (!revision_parse(&statement->sequence, sequence))
		return "it has a value that is none";
	if (!statement->gone &&
	    (sodium_hex2bin(statement->digest, SET_DIGEST_SIZE, digest, strlen(digest), NULL, &size, NULL) != 0 ||
	     size != SET_DIGEST_SIZE))
		return "it has a value that is none";
	return NULL;
}

const char *statement_read(struct statement *statement, struct arena *arena, const char *node, const void *bytes,
			   size_t length, const struct statement_trust *trust)
{
	struct verified verified;
	*statement = (struct statement){.gone = begins(bytes, length, HEAD_GONE)};
	if (length > STATEMENT_MOST)
		return "longer than 4096 bytes";
	if (!statement->gone && !begins(bytes, length, HEAD))
		return "it does not begin with `" HEAD "`";
	const char *error = trust != NULL ? open_signed(&verified, arena, statement->gone, bytes, length, trust)
					  : open_unsigned(&verified, statement->gone ? HEAD_GONE : HEAD, bytes, length);
	if (error != NULL)
		return error;
	json_t *json = json_loadb((const char *)verified.body, verified.length, JSON_REJECT_DUPLICATES, NULL);
	error = json != NULL ? take(statement, node, json) : "it is no JSON";
	json_decref(json);
	return error;
}
