/* What a bench is asked to measure: [--quick] [VARIANT] [ENTRIES...]. */
#ifndef TESTS_ARGUMENTS_H
#define TESTS_ARGUMENTS_H

#include "tests/bench/fleet.h"

#include <stdbool.h>
#include <stddef.h>

enum { ARGUMENTS_SIZES = 16 };

struct arguments {
	bool quick;
	const char *only; /* the variant to measure, NULL: each */
	unsigned sizes[ARGUMENTS_SIZES];
	size_t size_count;
};

/* Reads the words of a command line. Each size is a multiple of `unit`; where none is given they are those of `full`,
 * or of `quick`, which end with 0. False after a message. */
bool arguments_read(struct arguments *arguments, int count, char **words, unsigned unit, const unsigned *full,
		    const unsigned *quick);

bool arguments_want(const struct arguments *arguments, const char *variant);

/* A kind of fleet; a list of them ends with one without a name. */
struct scenario {
	const char *name;
	struct fleet (*fleet)(unsigned workloads);
};

/* All on one node (`node`), and a hundred on each (`fleet`). */
extern const struct scenario node_and_fleet[];

/* Reads the words and calls `run` for a fleet of each kind and size, until one returns false: what is larger is then
 * not tried. Sizes are multiples of 1,000, and 1,000 for --quick. Returns the exit status: 0 when any returned true. */
int arguments_each_fleet(const char *directory, int count, char **words, const struct scenario *scenarios,
			 const unsigned *full,
			 bool (*run)(const char *directory, const char *scenario, struct fleet fleet, bool quick));

#endif
