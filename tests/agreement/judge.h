/* Both judges of a flow: the verdict function asked, the kernel watched. */
#ifndef TESTS_AGREEMENT_JUDGE_H
#define TESTS_AGREEMENT_JUDGE_H

#include "tests/agreement/stage.h"

#include <ringfence/plan.h>

struct judge {
	struct lab *lab;
	struct kernel *kernel; /* in the router's namespace */
};

enum trouble {
	TROUBLE_NONE,
	TROUBLE_READ,  /* the frontend refuses what was generated */
	TROUBLE_APPLY, /* the kernel refuses the ruleset */
	TROUBLE_LEAK,  /* what is denied arrived */
	TROUBLE_BLOCK, /* allowed, and request or answer did not arrive, also when asked again */
	TROUBLE_LAB,   /* no answer to be had */
};

struct outcome {
	enum trouble trouble; /* the first */
	size_t stage;	      /* where */
	struct lab_probe probe;
	bool again;					    /* a packet of a connection from the stage before */
	char message[256];				    /* TROUBLE_APPLY, TROUBLE_LAB */
	size_t flows, allowed, by_statement, disagreements; /* by_statement: allowed because something says so */
};

/* Makes the lab. Returns false after a message on stderr. */
bool judge_open(struct judge *judge);
void judge_close(struct judge *judge);

/* Loads one stage of `trial` (generate.h) after the other and compares flows drawn from `seed` in each, and packets of
 * the connections that the stage before left open. With `only`, the one flow of that outcome in the last stage. */
struct outcome judge_case(struct judge *judge, const json_t *trial, uint64_t seed, const struct outcome *only);

#endif
