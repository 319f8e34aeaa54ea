/* A feature is a set and a rule that need it (past failures, 30: a missing module must not be no protection). No base
 * chain is among them: to register a hook, and take it back, would be felt by packets. */
#include "enforcer/kernel/probe.h"

#include <errno.h>
#include <string.h>

enum { STATEMENTS_MOST = 2 };

static const struct feature {
	const char *words;
	struct set set; /* its name is empty: none */
	struct statement statements[STATEMENTS_MOST];
	size_t statement_count;
} features[] = {
    {"nf_tables for the family inet (CONFIG_NF_TABLES_INET)", {.name = ""}, {{.kind = STATEMENT_ACCEPT}}, 1},
    {"hash sets of concatenated keys (CONFIG_NF_TABLES)",
     {.name = "probe", .key = KEY_PORT4, .size = 16},
     {{.kind = STATEMENT_IN,
       .fields = {FIELD_CT_SOURCE4, FIELD_CT_PROTOCOL, FIELD_CT_PORT},
       .field_count = 3,
       .set = "probe"}},
     1},
    {"interval sets of concatenated keys (Linux 5.6)",
     {.name = "probe", .key = KEY_PORT6, .interval = true},
     {{.kind = STATEMENT_IN,
       .fields = {FIELD_CT_DESTINATION6, FIELD_CT_PROTOCOL, FIELD_CT_PORT},
       .field_count = 3,
       .set = "probe"}},
     1},
    {"interval sets", {.name = "probe", .key = KEY_ADDRESS4, .interval = true}, {{.kind = STATEMENT_COUNTER}}, 1},
    {"sets with timeouts", {.name = "probe", .key = KEY_ADDRESS6, .timeout = true}, {{.kind = STATEMENT_DROP}}, 1},
    {"maps to verdicts",
     {.name = "probe", .key = KEY_ADDRESS4, .map = true, .size = 16},
     {{.kind = STATEMENT_MAP, .fields = {FIELD_CT_SOURCE4}, .field_count = 1, .set = "probe"}},
     1},
    {"sets that name counters (CONFIG_NFT_OBJREF)",
     {.name = "probe", .key = KEY_PORT4, .counted = true, .size = 16},
     {{.kind = STATEMENT_COUNTED,
       .fields = {FIELD_CT_SOURCE4, FIELD_CT_PROTOCOL, FIELD_CT_PORT},
       .field_count = 3,
       .set = "probe"}},
     1},
    {"sets that rules fill (dynset, for `rate`)",
     {.name = "probe", .key = KEY_ADDRESS4, .timeout = true, .dynamic = true, .forget_after = 60, .size = 16},
     {{.kind = STATEMENT_METER,
       .fields = {FIELD_CT_SOURCE4},
       .field_count = 1,
       .set = "probe",
       .rate = 1,
       .seconds = 1,
       .burst = 1}},
     1},
    {"connection tracking (CONFIG_NF_CONNTRACK, CONFIG_NFT_CT)",
     {.name = ""},
     {{.kind = STATEMENT_BITS, .fields = {FIELD_CT_STATE}, .field_count = 1, .value = {1}}},
     1},
    {"interface names (meta)",
     {.name = "probe", .key = KEY_GUARD4, .size = 16},
     {{.kind = STATEMENT_NOT_IN, .fields = {FIELD_IIFNAME, FIELD_IP_SADDR}, .field_count = 2, .set = "probe"}},
     1},
    {"masks of header fields (payload, bitwise)",
     {.name = ""},
     {{.kind = STATEMENT_PREFIX, .fields = {FIELD_IP6_SADDR}, .field_count = 1, .prefix = 7}},
     1},
    {"limits and logging to a group (CONFIG_NFT_LIMIT, CONFIG_NFT_LOG, CONFIG_NETFILTER_NETLINK_LOG)",
     {.name = ""},
     {{.kind = STATEMENT_LIMIT, .rate = 1, .burst = 1}, {.kind = STATEMENT_LOG, .text = "ringfence probe "}},
     2},
    {"answers to what is denied (CONFIG_NFT_REJECT_INET)", {.name = ""}, {{.kind = STATEMENT_REJECT}}, 1},
};

static int try_feature(struct kernel *kernel, const struct feature *feature)
{
	static const char name[] = "ringfence-probe";
	struct rule rule = {.statements = (struct statement *)feature->statements,
			    .statement_count = feature->statement_count};
	struct chain chain = {.rules = &rule, .rule_count = 1};
	struct operation operations[4] = {{.kind = OPERATION_ADD_TABLE, .name = RULESET_TABLE},
					  {.kind = OPERATION_ADD_CHAIN, .chain = &chain},
					  {.kind = OPERATION_ADD_RULES, .chain = &chain},
					  {.kind = OPERATION_ADD_SET, .set = &feature->set}};
	struct transaction transaction = {.operations = operations, .count = 3};
	memcpy(chain.name, name, sizeof name);
	memcpy(operations[1].name, name, sizeof name);
	memcpy(operations[2].name, name, sizeof name);
	if (feature->set.name[0] != 0) { /* before the rule that names it */
		struct operation rules = operations[2];
		operations[2] = operations[3];
		operations[3] = rules;
		memcpy(operations[2].name, feature->set.name, sizeof operations[2].name);
		transaction.count = 4;
	}
	return kernel_try(kernel, &transaction, 0).error;
}

const char *kernel_probe(struct kernel *kernel, int *error)
{
	for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
		*error = try_feature(kernel, &features[i]);
		if (*error != 0)
			return features[i].words;
	}
	return NULL;
}
