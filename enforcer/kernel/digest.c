/* Elements to digests: the hash is SipHash-2-4 of 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
 */
#include <ringfence/digest.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct state {
	uint64_t v[4];
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void mix(struct state *s, unsigned rounds)
{
	uint64_t *v = s->v;
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static inline void take(struct state *s, uint64_t word)
{
	s->v[3] ^= word;
	mix(s, 2);
	s->v[0] ^= word;
}

/* Takes whole words, then the bytes that are left with the length on top, so that no two inputs have the same words. */
static void take_bytes(struct state *s, const void *bytes, size_t size)
{
	uint64_t word;
	const uint8_t *from = bytes;
	for (size_t left = size; left >= sizeof word; left -= sizeof word, from += sizeof word) {
		memcpy(&word, from, sizeof word);
		take(s, le64toh(word));
	}
	word = 0;
	memcpy(&word, from, size % sizeof word);
	take(s, le64toh(word) | (uint64_t)size << 56);
}

static uint64_t result(struct state *s)
{
	mix(s, 4);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

/* The seed is made when it is first needed, and never again. */
static const uint64_t *seed(void)
{
	static uint64_t words[2];
	static bool made;
	if (!made && getrandom(words, sizeof words, 0) != sizeof words)
		abort();
	made = true;
	return words;
}

static void hash(uint64_t *two, const struct set *set, const struct element *element)
{
	const uint64_t *k = seed();
	struct state s = {{k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d ^ 0xee, k[0] ^ 0x6c7967656e657261,
			   k[1] ^ 0x7465646279746573}};
	take_bytes(&s, element->key, key_size(set->key));
	if (element->chain != NULL)
		take_bytes(&s, element->chain, strlen(element->chain));
	s.v[2] ^= 0xee;
	two[0] = result(&s);
	s.v[1] ^= 0xdd;
	two[1] = result(&s);
}

void digest_add(struct digest *digest, const struct set *set, const struct element *element)
{
	uint64_t two[2];
	hash(two, set, element);
	digest->sum[0] += two[0];
	digest->sum[1] += two[1];
	digest->count++;
}

void digest_remove(struct digest *digest, const struct set *set, const struct element *element)
{
	uint64_t two[2];
	hash(two, set, element);
	digest->sum[0] -= two[0];
	digest->sum[1] -= two[1];
	digest->count--;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->sum[0] == b->sum[0] && a->sum[1] == b->sum[1] && a->count == b->count;
}
