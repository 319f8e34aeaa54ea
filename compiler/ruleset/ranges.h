/* Ranges of addresses, and boxes of addresses and ports: made disjoint, as the kernel's interval sets want them. */
#ifndef COMPILER_RULESET_RANGES_H
#define COMPILER_RULESET_RANGES_H

#include <ringfence/arena.h>
#include <ringfence/policy.h>

struct ranges {
	struct address_range *items;
	size_t count;
};

/* Addresses and ports that belong together: every address of the range with every port of the port range. */
struct box {
	struct address_range addresses;
	struct port_range ports;
	uint32_t allow; /* the place of the allow that opens it: of two that overlap, the first counts */
};

/* Ports that an allow opens. */
struct opening {
	struct port_range ports;
	uint32_t allow;
};

struct boxes {
	struct box *items;
	size_t count;
};

/* The addresses of one family in `prefixes` that are in none of `except`; sorted, disjoint, not adjacent. */
struct ranges ranges_of(struct arena *arena, const struct prefix *prefixes, size_t count, const struct prefix *except,
			size_t except_count, uint8_t family);

/* Takes one address out of sorted, disjoint ranges. */
struct ranges ranges_without(struct arena *arena, struct ranges ranges, const struct address *address);

/* Sorts, and merges what overlaps or touches, in place. */
void ranges_merge(struct ranges *ranges);

/* Writes the same ports to `out`, which has room for twice as many, sorted and disjoint: where two overlap, that of the
 * first allow is left; what touches and is of one allow is joined. Sorts `openings`; returns how many there are. */
size_t openings_disjoint(struct opening *openings, size_t count, struct opening *out);

/* The same set of (address, protocol, port), in boxes of which no two overlap; all of one family. The kernel's pipapo
 * sets refuse an element that overlaps another in part (net/netfilter/nft_set_pipapo.c, nft_pipapo_insert). Cutting can
 * make many of few: beyond `most` it stops, with more than `most`. */
struct boxes boxes_disjoint(struct arena *arena, const struct boxes *boxes, size_t most);

#endif
