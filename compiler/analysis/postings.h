/* Look-ups by hash, for lints that must not compare all with all. A hash that two keys share costs a comparison and no
 * more: whoever looks up compares what is found. */
#ifndef COMPILER_ANALYSIS_POSTINGS_H
#define COMPILER_ANALYSIS_POSTINGS_H

#include <ringfence/policy.h>

struct arena;

struct posting {
	uint64_t key;
	size_t number;
};

struct postings {
	struct posting *items;
	size_t count;
};

/* The hash of a label in a namespace; NULL for `name_space`: in any, for `key` and `value`: none is asked for. */
uint64_t posting_key(const char *name_space, const char *key, const char *value);

void postings_add(struct arena *arena, struct postings *postings, uint64_t key, size_t number);
void postings_sort(struct postings *postings);

/* The postings of one key, side by side. */
struct postings postings_find(const struct postings *postings, uint64_t key);

/* Peers by what an end must have to be one. Each goes under the rarest value that it asks for. */
struct holders {
	struct arena *arena;
	struct postings frequencies, postings;
	struct holder {
		const struct peer *peer;
		size_t number;
	} * items;
	size_t count;
};

/* Adds a peer under a number of its owner's; then makes the look-up ready. */
void holders_add(struct holders *holders, const struct peer *peer, size_t number);
void holders_sort(struct holders *holders);

/* Lists of postings, and how many they hold together. */
struct candidates {
	struct postings *lists;
	size_t count, total;
};

/* Among these are all peers of which peer_within could say that `inner` is within them. */
struct candidates holders_find(const struct holders *holders, const struct peer *inner);

#endif
