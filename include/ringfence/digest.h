/* A few bytes that stand for all elements of a set: two sets have the same elements when their digests are equal.
 *
 * It is a sum of hashes, so the order of elements does not matter, and one more or one fewer costs the same in a set of
 * any size. The hash is keyed by a random seed of the process: digests mean nothing outside of it, and nobody who does
 * not know the seed can make different elements that add up to the same. */
#ifndef RINGFENCE_DIGEST_H
#define RINGFENCE_DIGEST_H

#include <ringfence/ruleset.h>

struct digest {
	uint64_t sum[2];
	uint64_t count; /* of elements */
};

/* Counts an element in, or out. Its key and chain count; its end and its expiry do not, so sets of intervals and sets
 * with timeouts have no digests. */
void digest_add(struct digest *digest, const struct set *set, const struct element *element);
void digest_remove(struct digest *digest, const struct set *set, const struct element *element);

bool digest_equal(const struct digest *a, const struct digest *b);

#endif
