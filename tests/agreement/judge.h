/* Both judges of a flow: the verdict function asked, the kernel watched. */
#ifndef TESTS_AGREEMENT_JUDGE_H
#define TESTS_AGREEMENT_JUDGE_H

#include "tests/lab/lab.h"

#include <ringfence/frontend.h>
#include <ringfence/plan.h>

#include <jansson.h>

struct judge {
	struct lab *lab;
	struct kernel *kernel; /* in the router's namespace */
};

/* One world of a case, read and made ready. All in `arena`, from which the caller frees it. */
struct stage {
	struct arena *arena;
	struct diagnostics diagnostics;
	struct frontend frontend;
	struct world world;
	const char *node; /* NULL: every workload is local */
};

enum trouble {
	TROUBLE_NONE,
	TROUBLE_READ,  /* the frontend refuses what was generated */
	TROUBLE_APPLY, /* the kernel refuses the ruleset */
	TROUBLE_LEAK,  /* denied, and the request arrived */
	TROUBLE_BLOCK, /* allowed, and request or answer did not arrive, also when asked again */
	TROUBLE_LAB,   /* no answer to be had */
};

struct outcome {
	enum trouble trouble; /* the first */
	size_t stage;	      /* where */
	struct lab_probe probe;
	char message[256]; /* TROUBLE_APPLY, TROUBLE_LAB */
	size_t flows, allowed, disagreements;
};

/* Makes the lab. Returns false after a message on stderr. */
bool judge_open(struct judge *judge);
void judge_close(struct judge *judge);

/* Loads one stage of `trial` (generate.h) after the other and compares flows drawn from `seed` in each; with `only`,
 * this one flow in the last. */
struct outcome judge_case(struct judge *judge, const json_t *trial, uint64_t seed, const struct lab_probe *only);

/* Reads a stage; its diagnostics say whether that went well. */
void stage_read(struct stage *stage, const json_t *description);
void stage_finish(struct stage *stage);

/* Whether the ruleset of the stage's node has to let the flow pass, and the verdict that this follows from. */
bool stage_allows(const struct stage *stage, const struct lab_probe *probe, struct flow *flow, struct verdict *verdict);

#endif
