/* Which statements of a policy its tests would miss. */
#ifndef RINGFENCE_COVERAGE_H
#define RINGFENCE_COVERAGE_H

#include <ringfence/tests.h>

/* An allow, a rule of a NetworkPolicy, or a `never`. */
struct statement_coverage {
	bool is_never;
	const char *text; /* what it says: shop/web -> shop/api on 8080/tcp */
	const char *why;  /* or NULL */
	struct span span;
	bool covered; /* a test that passes would fail without it */
	bool asked;   /* a test that passes asks for a flow that it speaks of */
};

struct coverage {
	struct statement_coverage *items; /* the allows, then the nevers, each in the order of files and lines */
	size_t count;
	size_t allows, allows_covered, nevers, nevers_covered;
	size_t expired; /* allows that are over: no test can miss them, and they are not counted */
};

/* Runs every test as tests_run does, and finds what each of the policy's statements means to them. An allow is covered
 * where a test that passes would fail in a policy without it. A `never` opens nothing and closes nothing: it is covered
 * where a test that passes would fail if an allow of just its flows stood in its place. The answer is that of running
 * all tests again for each statement. Everything lives in `arena`. */
struct test_result *coverage_run(struct arena *arena, const struct world *world, struct coverage *coverage);

#endif
