/* Plans and rulesets as bytes: what the process that plans hands to the one that may change the packet filter, and what
 * outlives a restart.
 *
 *     plan     at | count of transactions | for each: settled, count of operations, operations
 *     ruleset  generation, at, revision | counters | sets, each with its elements | chains, each with its rules
 *
 * Numbers are little-endian and as wide as in the code; texts have a length in front. Nothing names a table: there is
 * only ours. */
#ifndef ENFORCER_KERNEL_ENCODING_H
#define ENFORCER_KERNEL_ENCODING_H

#include <ringfence/plan.h>

/* Bytes that are written, or were. Zeroed: none. */
struct encoded {
	uint8_t *bytes;
	size_t length, room;
};
void encoded_finish(struct encoded *encoded);

/* Append to `to`, which the caller finishes. `at`: Unix time in seconds from which timeouts count. */
void plan_encode(struct encoded *to, const struct plan *plan, int64_t at);
void ruleset_encode(struct encoded *to, const struct ruleset *ruleset);

/* Reads bytes that anybody may have written: what comes back can be given to kernel_apply, and means nothing but our
 * table, with names of our alphabet and expressions that we know. All in `arena`, which is no larger for it than some
 * multiple of `length`. Returns NULL, or what is wrong. */
const char *plan_decode(struct arena *arena, const uint8_t *bytes, size_t length, struct plan **plan, int64_t *at);
const char *ruleset_decode(struct arena *arena, const uint8_t *bytes, size_t length, struct ruleset **ruleset);

/* What a statement of a kind carries, and how many fields. */
struct statement_form {
	uint8_t fields_least, fields_most;
	bool value, last, prefix, set, text, name,
	    rate; /* `text` as a log prefix, `name` as that of a chain or counter */
};
extern const struct statement_form statement_forms[];

enum {
	STATEMENT_KINDS = STATEMENT_GOTO + 1,
	RULE_STATEMENTS_MOST = 64, /* some 300 bytes of netlink each, and a message has room for 128 KiB */
	TEXT_MOST = 255,	   /* bytes of a text; the kernel takes fewer */
};

#endif
