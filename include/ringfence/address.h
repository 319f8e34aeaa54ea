/* Addresses and prefixes of both families, in network byte order. */
#ifndef RINGFENCE_ADDRESS_H
#define RINGFENCE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT_SIZE 64

struct address {
	uint8_t family;	   /* 4 or 6 */
	uint8_t bytes[16]; /* the first 4 for IPv4, the rest 0 */
};

struct prefix {
	struct address address; /* host bits are 0 */
	uint8_t length;		/* 0 to 32, or 0 to 128 */
};

/* A closed range of addresses of one family. */
struct address_range {
	struct address first, last;
};

/* The number of bytes of an address of `family`: 4 or 16. */
static inline size_t address_size(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

/* Reads an address in its usual text form. Returns NULL, or why not: IPv4-mapped and IPv4-compatible IPv6, zone ids and
 * leading zeros are refused, since each could slip past a set (RFC 4291, 2.5.5). */
const char *address_parse(struct address *address, const char *text);

/* Reads ADDRESS/LENGTH, or an address alone as its own prefix. Returns NULL, or why not; host bits that are set are an
 * error. */
const char *prefix_parse(struct prefix *prefix, const char *text);

/* The same, with host bits cleared where they are set. */
const char *prefix_parse_masked(struct prefix *prefix, const char *text);

/* Orders by family, then by bytes. */
int address_compare(const struct address *a, const struct address *b);

/* Whether it is in 127.0.0.0/8, or is ::1. */
bool address_is_loopback(const struct address *address);

bool prefix_contains(const struct prefix *prefix, const struct address *address);

/* The first and last address of a prefix. */
struct address_range prefix_range(const struct prefix *prefix);

/* The next or the previous address; false when there is none. */
bool address_next(struct address *address);
bool address_previous(struct address *address);

/* Writes the usual text form (RFC 5952) and returns `text`, which has room for ADDRESS_TEXT_SIZE bytes. */
char *address_format(const struct address *address, char *text);
char *prefix_format(const struct prefix *prefix, char *text);

#endif
