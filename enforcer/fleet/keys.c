/* A private key is read and written without stdio, whose buffers nobody wipes. */
#include "enforcer/fleet/keys.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRIVATE_KEY_PREFIX "ringfence-private-1:"
#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
enum {
	CODED = 43,	 /* characters of KEY_SIZE bytes */
	TEXT_MOST = 128, /* of a key's file, with its line feed */
	ID_LENGTH = KEY_ID_SIZE - 1
};
_Static_assert(sizeof PUBLIC_KEY_PREFIX - 1 + KEY_ID_SIZE + CODED + 1 <= PUBLIC_KEY_SIZE, "a public key has room");

static const char unusable[] = "libsodium cannot be used";

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void set_id(struct public_key *key)
{
	uint8_t hash[crypto_generichash_BYTES];
	crypto_generichash(hash, sizeof hash, key->bytes, KEY_SIZE, NULL, 0);
	sodium_bin2hex(key->id, sizeof key->id, hash, ID_LENGTH / 2);
}

bool base64_parse(uint8_t *bytes, size_t size, const char *text, size_t length)
{
	char again[2 * SIGNATURE_SIZE];
	size_t got;
	bool read = size <= SIGNATURE_SIZE &&
		    sodium_base642bin(bytes, size, text, length, NULL, &got, NULL, BASE64) == 0 && got == size;
	if (read)
		sodium_bin2base64(again, sizeof again, bytes, size, BASE64);
	read = read && strlen(again) == length && sodium_memcmp(again, text, length) == 0;
	sodium_memzero(again, sizeof again);
	return read;
}

/* Reads PREFIX ID:CODED, and nothing behind it but one line feed, to `id` and `bytes`. */
static bool parse(const char *text, const char *prefix, char id[KEY_ID_SIZE], uint8_t bytes[KEY_SIZE])
{
	size_t start = strlen(prefix), length = strlen(text);
	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (length != start + ID_LENGTH + 1 + CODED || strncmp(text, prefix, start) != 0 ||
	    text[start + ID_LENGTH] != ':')
		return false;
	memcpy(id, text + start, ID_LENGTH);
	id[ID_LENGTH] = 0;
	return base64_parse(bytes, KEY_SIZE, text + start + ID_LENGTH + 1, CODED);
}

/* ---- private ---- */

static void take_seed(struct private_key *key, const uint8_t seed[KEY_SIZE])
{
	crypto_sign_seed_keypair(key->public_key.bytes, key->bytes, seed);
	set_id(&key->public_key);
}

/* With room for `size` bytes that are never swapped out; ends the process where there is none. */
static void *lock(size_t size)
{
	void *memory = sodium_malloc(size);
	if (memory == NULL)
		abort();
	return memory;
}

const char *private_key_create(struct private_key **key)
{
	*key = NULL;
	if (sodium_init() < 0)
		return unusable;
	uint8_t *seed = lock(KEY_SIZE);
	randombytes_buf(seed, KEY_SIZE);
	*key = lock(sizeof **key);
	take_seed(*key, seed);
	sodium_free(seed);
	return NULL;
}

void private_key_destroy(struct private_key *key)
{
	sodium_free(key);
}

/* Whether the file is one that systemd gives to this service alone: it lies in $CREDENTIALS_DIRECTORY (systemd.exec(5),
 * LoadCredential=). What its mode has for the group is then the most that its access list gives to anybody. */
static bool is_credential(const char *path)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY"), *slash = strrchr(path, '/');
	return directory != NULL && slash != NULL && strlen(directory) == (size_t)(slash - path) &&
	       strncmp(directory, path, (size_t)(slash - path)) == 0;
}

static const char *check_mode(struct arena *arena, const char *path, const struct stat *status)
{
	mode_t others = S_IRWXG | S_IRWXO;
	if (is_credential(path))
		others &= ~(mode_t)S_IRGRP;
	if ((status->st_mode & others) == 0)
		return NULL;
	return arena_printf(arena,
			    "%s: a private key must be its owner's alone, and its mode is %04o; whoever could read it "
			    "may have it: make a new key, or `chmod 600` it if nobody could",
			    path, (unsigned)status->st_mode & 07777);
}

/* Returns how many bytes came, up to `most`, or -1. */
static ssize_t read_all(int fd, char *bytes, size_t most)
{
	size_t length = 0;
	while (length < most) {
		ssize_t n = read(fd, bytes + length, most - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

static const char *read_seed(struct private_key *key, struct arena *arena, const char *path, int fd, char *text,
			     uint8_t *seed)
{
	char id[KEY_ID_SIZE];
	ssize_t length = read_all(fd, text, TEXT_MOST);
	if (length < 0)
		return arena_printf(arena, "%s: %s", path, strerror(errno));
	text[length] = 0;
	if (!parse(text, PRIVATE_KEY_PREFIX, id, seed))
		return arena_printf(
		    arena, "%s: not a private key: one is a line " PRIVATE_KEY_PREFIX "...%s", path,
		    strncmp(text, PUBLIC_KEY_PREFIX, strlen(PUBLIC_KEY_PREFIX)) == 0 ? "; this is a public key" : "");
	take_seed(key, seed);
	return strcmp(id, key->public_key.id) == 0
		   ? NULL
		   : arena_printf(arena, "%s: damaged: this key is not the one that it says", path);
}

const char *private_key_read(struct private_key **key, struct arena *arena, const char *path)
{
	struct stat status;
	*key = NULL;
	if (sodium_init() < 0)
		return unusable;
	__attribute__((cleanup(close_fd))) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) != 0)
		return arena_printf(arena, "%s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return arena_printf(arena, "%s: not a regular file", path);
	char *text = lock(TEXT_MOST + 1);
	uint8_t *seed = lock(KEY_SIZE);
	struct private_key *made = lock(sizeof *made);
	const char *wrong = read_seed(made, arena, path, fd, text, seed);
	if (wrong == NULL)
		wrong = check_mode(arena, path, &status);
	sodium_free(text);
	sodium_free(seed);
	if (wrong == NULL)
		*key = made;
	else
		sodium_free(made);
	return wrong;
}

const char *private_key_write(const struct private_key *key, struct arena *arena, const char *path)
{
	uint8_t *seed = lock(KEY_SIZE);
	char *text = lock(TEXT_MOST), *coded = lock(CODED + 1);
	crypto_sign_ed25519_sk_to_seed(seed, key->bytes);
	sodium_bin2base64(coded, CODED + 1, seed, KEY_SIZE, BASE64);
	int length = snprintf(text, TEXT_MOST, PRIVATE_KEY_PREFIX "%s:%s\n", key->public_key.id, coded);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool made = fd >= 0;
	bool written = made && fchmod(fd, 0600) == 0 && write(fd, text, (size_t)length) == length && fsync(fd) == 0;
	const char *wrong = NULL;
	if (!written)
		wrong = arena_printf(arena, "%s: %s", path,
				     errno == EEXIST ? "there is a file already; a key is never overwritten"
						     : strerror(errno));
	close_fd(&fd);
	if (made && !written)
		unlink(path);
	sodium_free(seed);
	sodium_free(text);
	sodium_free(coded);
	return wrong;
}

void private_key_sign(const struct private_key *key, const void *bytes, size_t length, uint8_t *signature)
{
	crypto_sign_detached(signature, NULL, bytes, length, key->bytes);
}

/* ---- public ---- */

void public_key_print(const struct public_key *key, char text[PUBLIC_KEY_SIZE])
{
	char coded[CODED + 1];
	sodium_bin2base64(coded, sizeof coded, key->bytes, KEY_SIZE, BASE64);
	snprintf(text, PUBLIC_KEY_SIZE, PUBLIC_KEY_PREFIX "%s:%s", key->id, coded);
}

const char *public_key_parse(struct public_key *key, const char *text)
{
	char id[KEY_ID_SIZE];
	if (sodium_init() < 0)
		return unusable;
	if (!parse(text, PUBLIC_KEY_PREFIX, id, key->bytes))
		return strncmp(text, PRIVATE_KEY_PREFIX, strlen(PRIVATE_KEY_PREFIX)) == 0
			   ? "this is a private key: put the public one here, and make a new pair"
			   : "not a public key: one is a line " PUBLIC_KEY_PREFIX "...";
	set_id(key);
	return strcmp(id, key->id) == 0 ? NULL : "damaged: this key is not the one that it says";
}

const char *public_key_read(struct public_key *key, struct arena *arena, const char *word)
{
	struct stat status;
	char text[TEXT_MOST + 1];
	if (strncmp(word, PUBLIC_KEY_PREFIX, strlen(PUBLIC_KEY_PREFIX)) == 0) {
		const char *wrong = public_key_parse(key, word);
		return wrong != NULL ? arena_printf(arena, "the key `%s`: %s", word, wrong) : NULL;
	}
	if (strncmp(word, PRIVATE_KEY_PREFIX, strlen(PRIVATE_KEY_PREFIX)) == 0)
		return public_key_parse(key, word); /* without the word */
	__attribute__((cleanup(close_fd))) int fd = open(word, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t length = fd >= 0 && fstat(fd, &status) == 0 ? read_all(fd, text, TEXT_MOST) : -1;
	if (length < 0)
		return arena_printf(arena, "%s: %s", word, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return arena_printf(arena, "%s: not a regular file", word);
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return arena_printf(arena, "%s: its group, or others, can write to it; whom it trusts could be anybody",
				    word);
	text[length] = 0;
	const char *wrong = public_key_parse(key, text);
	sodium_memzero(text, sizeof text); /* somebody may have put a private one there */
	return wrong != NULL ? arena_printf(arena, "%s: %s", word, wrong) : NULL;
}
