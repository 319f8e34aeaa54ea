/* Verifying comes before all else, and so is short: the frame has one form, byte for byte, and what is encoded in it
 * can be written in one way only. */
#include "enforcer/fleet/document.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIGNED "\nsigned "
#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
enum {
	ID_LENGTH = KEY_ID_SIZE - 1,
	CODED = 86,			       /* characters of SIGNATURE_SIZE bytes */
	TAIL = CODED + 1,		       /* with its line feed: what is not signed */
	MARK = sizeof SIGNED - 1,	       /* before the id */
	TRAILER = MARK + ID_LENGTH + 1 + TAIL, /* behind the body */
};

const char *trust_load(struct trust *trust, struct arena *arena, const struct key_words *words)
{
	struct public_key *keys = arena_alloc(arena, (words->count + 1) * sizeof *keys);
	*trust = (struct trust){0};
	for (size_t i = 0; i < words->count; i++) {
		const char *wrong = public_key_read(&keys[i], arena, words->items[i]);
		if (wrong != NULL)
			return wrong;
	}
	*trust = (struct trust){keys, words->count};
	return NULL;
}

static const char *read_file(FILE *stream, size_t most, struct arena *arena, uint8_t **bytes, size_t *length)
{
	struct stat status;
	if (fstat(fileno(stream), &status) != 0 || !S_ISREG(status.st_mode))
		return "not a regular file";
	if ((size_t)status.st_size > most)
		return arena_printf(arena, "larger than %zu %s", most >= 1 << 20 ? most >> 20 : most >> 10,
				    most >= 1 << 20 ? "MiB" : "KiB");
	*bytes = malloc((size_t)status.st_size + 1);
	if (*bytes == NULL)
		abort();
	*length = fread(*bytes, 1, (size_t)status.st_size, stream);
	return ferror(stream) ? strerror(errno) : NULL;
}

const char *document_load(const char *path, size_t most, struct arena *arena, uint8_t **bytes, size_t *length)
{
	*bytes = NULL;
	*length = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	FILE *stream = fd >= 0 ? fdopen(fd, "r") : NULL;
	const char *error = stream != NULL ? read_file(stream, most, arena, bytes, length) : strerror(errno);
	if (stream != NULL)
		fclose(stream);
	else if (fd >= 0)
		close(fd);
	return error != NULL ? arena_printf(arena, "%s", error) : NULL;
}

uint8_t *document_sign(const char *head, const void *body, size_t body_length, const struct private_key *key,
		       size_t *length)
{
	uint8_t signature[SIGNATURE_SIZE];
	char coded[CODED + 1];
	size_t head_length = strlen(head), signed_length = head_length + 1 + body_length + TRAILER - TAIL;
	uint8_t *bytes = malloc(signed_length + TAIL);
	if (bytes == NULL)
		abort();
	uint8_t *at = mempcpy(bytes, head, head_length);
	*at++ = '\n';
	at = mempcpy(at, body, body_length);
	at = mempcpy(at, SIGNED, MARK);
	at = mempcpy(at, key->public_key.id, ID_LENGTH);
	*at++ = ' ';
	private_key_sign(key, bytes, signed_length, signature);
	sodium_bin2base64(coded, sizeof coded, signature, sizeof signature, BASE64);
	at = mempcpy(at, coded, CODED);
	*at++ = '\n';
	*length = (size_t)(at - bytes);
	return bytes;
}

static const struct public_key *find_key(const struct trust *trust, const char *id)
{
	for (size_t i = 0; i < trust->count; i++)
		if (strcmp(trust->keys[i].id, id) == 0)
			return &trust->keys[i];
	return NULL;
}

static bool is_id(const char *text)
{
	return strspn(text, "0123456789abcdef") == ID_LENGTH;
}

/* What the first line tells of bytes that do not begin with `head`. */
static const char *explain_head(struct arena *arena, const char *head, const uint8_t *bytes, size_t length)
{
	size_t kind = (size_t)(strrchr(head, ' ') + 1 - head);
	if (length > kind && memcmp(bytes, head, kind) == 0)
		return arena_printf(arena, "of another version than `%s`, or damaged", head);
	return arena_printf(arena, "it does not begin with `%s`", head);
}

const char *document_open(struct verified *verified, struct arena *arena, const char *head, const void *bytes,
			  size_t length, const struct trust *trust)
{
	size_t head_length = strlen(head);
	const uint8_t *first = bytes;
	uint8_t signature[SIGNATURE_SIZE];
	char id[KEY_ID_SIZE] = "";
	*verified = (struct verified){0};
	if (sodium_init() < 0)
		return "libsodium cannot be used";
	if (length < head_length + 1 || memcmp(first, head, head_length) != 0 || first[head_length] != '\n')
		return explain_head(arena, head, bytes, length);
	const uint8_t *trailer = length >= head_length + 1 + TRAILER ? first + length - TRAILER : NULL;
	if (trailer != NULL)
		memcpy(id, trailer + MARK, ID_LENGTH);
	if (trailer == NULL || memcmp(trailer, SIGNED, MARK) != 0 || !is_id(id) || trailer[MARK + ID_LENGTH] != ' ' ||
	    first[length - 1] != '\n')
		return "cut or damaged: it does not end with a signature";
	const struct public_key *key = find_key(trust, id);
	if (key == NULL)
		return arena_printf(arena, "signed by the key %s, which is not trusted", id);
	if (!base64_parse(signature, sizeof signature, (const char *)first + length - TAIL, CODED) ||
	    crypto_sign_verify_detached(signature, bytes, length - TAIL, key->bytes) != 0)
		return arena_printf(arena, "damaged or forged: its signature is not one of the key %s", id);
	verified->body = first + head_length + 1;
	verified->length = length - head_length - 1 - TRAILER;
	verified->key = key;
	crypto_hash_sha256(verified->digest, bytes, length);
	return NULL;
}

bool revision_parse(uint64_t *revision, const char *text)
{
	size_t length = strlen(text);
	uint64_t number = 0;
	if (length == 0 || length > 20 || text[0] == '0' || strspn(text, "0123456789") != length)
		return false;
	for (const char *digit = text; *digit != 0; digit++)
		if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*digit - '0'), &number))
			return false;
	*revision = number;
	return true;
}
