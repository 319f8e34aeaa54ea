/* One world of a case: read from its text, and what has to become of a packet in it. */
#ifndef TESTS_AGREEMENT_STAGE_H
#define TESTS_AGREEMENT_STAGE_H

#include "tests/lab/lab.h"

#include <ringfence/frontend.h>
#include <ringfence/verdict.h>

#include <jansson.h>

struct stage {
	struct arena *arena; /* of everything here */
	struct diagnostics diagnostics;
	struct frontend frontend;
	struct world world;
	const char *node; /* NULL: every workload is local */
};

/* Reads a stage (generate.h); its diagnostics say whether that went well. */
void stage_read(struct stage *stage, const json_t *description);
void stage_finish(struct stage *stage);

/* What has to become of a flow, and the verdict that this follows from. */
struct expectation {
	struct flow flow;
	struct verdict verdict;
	bool spoofed; /* the packet comes in where a workload is, and does not have its address */
	bool request, answer;
};

/* With `again`, of the next packets of a connection, where the server sends one unasked too. */
struct expectation stage_expect(const struct stage *stage, const struct lab_probe *probe, bool again);

/* Whether a packet with this source comes from the place of a workload that does not have it. */
bool stage_guards(const struct stage *stage, size_t place, const struct address *source);

#endif
