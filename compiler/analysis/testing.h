/* What the parts of a run of tests share: test_ends.c finds whom a test is about, tests.c asks about them, coverage.c
 * looks at what was asked. */
#ifndef COMPILER_ANALYSIS_TESTING_H
#define COMPILER_ANALYSIS_TESTING_H

#include "compiler/analysis/mentions.h"
#include "compiler/analysis/samples.h"

#include <ringfence/coverage.h>

/* Whom a statement has asked about: workloads in `name_space` with the labels of `peer`, or a namespace. */
struct told {
	const char *key;	  /* equal for those that are the same */
	const struct peer *peer;  /* NULL: a namespace */
	const char *name_space;	  /* NULL: that of the test */
	const struct flows *only; /* the one statement that has, or NULL */
	size_t place;
};

struct told_list {
	struct told *items;
	size_t count;
	bool made;
};

#define NO_SAMPLE SIZE_MAX

/* An end of a test. */
struct test_end {
	struct endpoint end;
	const struct peer *peer;  /* of the test: what it stands for */
	const struct flows *only; /* the statement without which nobody would ask about this end, or NULL */
	size_t sample;		  /* of an address: which of the samples it is, or NO_SAMPLE */
	bool supposed;		  /* no workload of the inventory: one with just the labels that `peer` asks for */
};

struct test_ends {
	struct test_end *items;
	size_t count;
};

/* What all tests of a policy share. */
struct testing {
	struct arena *arena;
	const struct world *world;
	struct samples samples;
	struct told_list workloads, spaces; /* made when they are needed, as `mentions` is */
	struct mentions *mentions;
};

/* Adds whom a peer of `test` stands for. Where that is nobody, says why in `problem`. */
void test_ends_add(struct testing *testing, struct test_ends *ends, const struct policy_test *test,
		   const struct peer *peer, const char **problem);

/* Whether this end, or one that the rest of the policy does not tell from it, would be asked about in a policy without
 * the statement `flows`. */
bool test_end_stays(const struct testing *testing, const struct test_end *end, const struct flows *flows);

/* What coverage.c keeps; see coverage.h. */
struct covering;

/* A flow that a test asked for. `policy` holds the allows that may speak of it, in their order, with their `numbers`;
 * the isolations are those of its ends. */
struct asked {
	const struct policy_test *test;
	const struct world *world; /* of `policy` */
	const struct policy *policy;
	const size_t *numbers;
	const uint64_t *nevers[2]; /* by direction: which may speak of that end */
	const struct test_end *ends[2];
	const char *port_name; /* as the test calls the port, where it is by name */
	const struct flow *flow;
	const struct verdict *verdict;
};

/* Why this flow, which has the verdict that its test expects, would have it whatever the allows say about the ends of
 * the test; NULL: it would not. Lives in `scratch`. */
const char *asked_gap(struct testing *testing, struct arena *scratch, const struct asked *asked);

/* Called for each flow of a test that passes so far, and behind its last. */
void covering_ask(struct covering *covering, const struct asked *asked);
void covering_end(struct covering *covering, bool passed);

/* Runs the tests for one or for both. */
struct test_result *tests_run_covering(struct testing *testing, struct covering *covering);

#endif
