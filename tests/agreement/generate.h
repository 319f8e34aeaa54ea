/* Random cases: policies with the inventory they are about, as trees of JSON that text.c writes as files.
 *
 * A case is {"stages": [STAGE, ...]}: worlds that follow each other on one node. A stage is
 *   {"files": {NAME: [DOCUMENT, ...]}, "node": NAME, "change": "workload", "reads": true}
 * Without "node" every workload is local. "change" (workload, any or repair) says how the change from the stage before
 * may be made, and "reads" that what is loaded is read back from the kernel for it. Whatever is taken out of this tree
 * leaves a case, which is what makes it small enough to look at. */
#ifndef TESTS_AGREEMENT_GENERATE_H
#define TESTS_AGREEMENT_GENERATE_H

#include <jansson.h>
#include <stdint.h>

/* What a case may have; each case draws some of them, so that their combinations differ too. */
enum feature {
	FEATURE_NATIVE,
	FEATURE_KUBERNETES,
	FEATURE_PODS,
	FEATURE_CIDR,
	FEATURE_BUILT_IN,
	FEATURE_WORLD,
	FEATURE_NODE,
	FEATURE_NAMED_PORTS,
	FEATURE_RANGES,
	FEATURE_ICMP,
	FEATURE_SCTP,
	FEATURE_UNTIL,
	FEATURE_LOG,
	FEATURE_RATE,
	FEATURE_QUARANTINE,
	FEATURE_SETTINGS,
	FEATURE_AUDIT,
	FEATURE_AUDITED, /* single services */
	FEATURE_POOLS,
	FEATURE_NODES,
	FEATURE_GUARD,
	FEATURE_ODD_PODS,
	FEATURE_STAGES,
	FEATURE_COUNT
};
extern const char *const feature_names[FEATURE_COUNT];

/* The addresses that cases speak of: 10.77.0.N and fd77::N. Two of the numbers are nodes, the first of them the one
 * whose ruleset is tested. */
enum { NUMBERS = 16, NODE_NUMBER = 6, OTHER_NODE_NUMBER = 15 };
#define NODE_NAME "node-a"
#define OTHER_NODE_NAME "node-b"

/* The ports that cases speak of. */
enum { PORT_FIRST = 8001, PORT_COUNT = 6 };

/* Returns the case of `seed`, without the features whose bits are set in `without`. */
json_t *case_generate(uint64_t seed, uint32_t without);

#endif
