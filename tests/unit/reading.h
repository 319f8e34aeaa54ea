/* A policy from a text of a test. */
#ifndef TESTS_UNIT_READING_H
#define TESTS_UNIT_READING_H

#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/verdict.h>

enum { NOW = 1800057599 }; /* 2027-01-15T23:59:59Z */

/* All of it lives in `arena`, which the test frees. */
struct reading {
	struct arena *arena;
	struct diagnostics diagnostics;
	struct frontend frontend;
	struct world world; /* at NOW */
};

/* Reads a copy of `text` as the file `name`, and returns its world. The test fails, with the errors, where it has any.
 */
struct world read_policy(struct reading *reading, const char *name, const char *text);

#endif
