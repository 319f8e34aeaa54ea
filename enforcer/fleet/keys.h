/* The keys that sign policies, enrolments and the word of nodes: Ed25519 (RFC 8032), each as one line of text, with an
 * id to speak of it.
 *
 *     ringfence-public-1:ID:KEY        ringfence-private-1:ID:SEED
 *
 * KEY and SEED are 32 bytes in base64url without padding, and ID is 16 digits in hexadecimal: the first 8 bytes of the
 * BLAKE2b-256 of the public key, so that a mistyped key is none. */
#ifndef ENFORCER_FLEET_KEYS_H
#define ENFORCER_FLEET_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum {
	KEY_SIZE = 32,
	SIGNATURE_SIZE = 64,
	KEY_ID_SIZE = 17,      /* with its NUL */
	PUBLIC_KEY_SIZE = 100, /* of its text, with its NUL */
};
#define PUBLIC_KEY_PREFIX "ringfence-public-1:"

struct public_key {
	char id[KEY_ID_SIZE];
	uint8_t bytes[KEY_SIZE];
};

/* In memory that is never swapped out, and wiped when it is given back. */
struct private_key {
	struct public_key public_key;
	uint8_t bytes[SIGNATURE_SIZE]; /* as libsodium has it: seed and public key */
};

/* Keys as they are named in a configuration or by options: each a public key, or the path of a file that has one. */
struct key_words {
	const char **items;
	size_t count;
};

/* Every text that a function returns is what is wrong, in `arena` or constant; NULL: nothing. */

/* Makes a key; the caller destroys it. */
const char *private_key_create(struct private_key **key);
void private_key_destroy(struct private_key *key); /* NULL is allowed */

/* Reads what private_key_write wrote; the caller destroys it. A file that its group or others can read is refused, but
 * for a credential of systemd, which is shown with the mode of its access list. */
const char *private_key_read(struct private_key **key, struct arena *arena, const char *path);

/* Writes the file at `path`, which must not be there, for its owner alone. */
const char *private_key_write(const struct private_key *key, struct arena *arena, const char *path);

/* Writes SIGNATURE_SIZE bytes. */
void private_key_sign(const struct private_key *key, const void *bytes, size_t length, uint8_t *signature);

/* Reads base64url without padding into exactly `size` bytes. Only what the bytes are written as is read: libsodium
 * 1.0.18 takes some characters of 8 bits for others. */
bool base64_parse(uint8_t *bytes, size_t size, const char *text, size_t length);

/* Writes the text of a key, without a line feed; and reads one. */
void public_key_print(const struct public_key *key, char text[PUBLIC_KEY_SIZE]);
const char *public_key_parse(struct public_key *key, const char *text);

/* The key that `word` is, or that the file of this path has. A file that its group or others can write is refused. */
const char *public_key_read(struct public_key *key, struct arena *arena, const char *word);

#endif
