/* The unit tests of a policy: each of its flows is asked of verdict_of. They need no inventory. */
#ifndef RINGFENCE_TESTS_H
#define RINGFENCE_TESTS_H

#include <ringfence/verdict.h>

struct arena;

struct test_result {
	const struct policy_test *test;
	const char *name;    /* who to whom, on which ports, and what is expected */
	bool passed;	     /* every flow has the verdict that is expected */
	const char *nothing; /* of one that passed: why it would pass whatever the allows say, or NULL */
	const char *problem; /* why it could not be asked, or NULL; then it has not passed and the rest is empty */
	size_t flow_count;
	struct flow flow; /* the first that differs, else the first */
	struct verdict verdict;
};

/* Runs every test of the policy, in its order. A service, and a peer by labels, stands for a workload that carries just
 * the labels it requires, and for those of the inventory. `cluster` and `any` stand for a workload of each service,
 * those of the inventory and what else they are. Addresses and ports are one of each that the policy tells apart. The
 * results, world->policy->test_count, live in `arena`. */
struct test_result *tests_run(struct arena *arena, const struct world *world);

#endif
