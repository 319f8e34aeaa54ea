/* The rulesets that are compared: each lets the same peers reach the same services, and nobody else. */
#ifndef TESTS_BENCH_PACKETS_RULES_H
#define TESTS_BENCH_PACKETS_RULES_H

#include "tests/bench/packets/path.h"

#include <stdbool.h>

/* Every peer may reach every service on SERVICE_PORT over TCP and UDP, which makes two entries of each such pair. */
enum { SERVICE_PORT = 8080 };

struct load {
	int family; /* AF_INET or AF_INET6 */
	uint32_t peers, services;
};

/* `entries` made of as many services as there can be with at least 5 peers each, at most 10. */
struct load load_of(int family, uint32_t entries);

/* Writes what the variant is made from into `directory` and loads it into the path's router. `variant` is a name of
 * rules.c, or a file for `nft -f`. `program` is the ringfence command. Returns 0, or -1 after a message on stderr. */
int rules_load(const struct path *path, const char *variant, const struct load *load, const char *directory,
	       const char *program);

/* Whether IPv6 is what the variant is about. */
bool rules_of_ipv6(const char *variant);

#endif
