/* Writing rules: the statements that the chains of a ruleset are made of. All in the arena that is given. */
#ifndef COMPILER_RULESET_RULES_H
#define COMPILER_RULESET_RULES_H

#include <ringfence/arena.h>
#include <ringfence/ruleset.h>

/* Records of denials for each rule and second: more are left out. PATH_SHOWN: of a file's path its end, so that a log
 * prefix holds it, the line and two names in 127 bytes. */
enum { LOG_RATE = 10, LOG_BURST = 5, PATH_SHOWN = 48 };

/* A chain while it is written. */
struct writing {
	struct arena *arena;
	struct chain *chain;
	uint32_t generation;
	enum denied denied; /* what becomes of what its chain denies */
};

/* By family: index 0 for IPv4, 1 for IPv6. `source` and `destination` are the flow's, as conntrack has them. */
extern const enum field source_fields[2], destination_fields[2], packet_sources[2], packet_destinations[2];
extern const enum key_type address_keys[2];

struct chain *chain_create(struct arena *arena, const char *name);

/* The name of a chain or set of a generation. */
const char *own_name(struct arena *arena, uint32_t generation, const char *name);

struct rule *add_rule(const struct writing *w, const char *comment);
struct statement *add_statement(const struct writing *w, struct rule *rule, enum statement_kind kind);
void match(const struct writing *w, struct rule *rule, enum statement_kind kind, enum field field, const void *value);
void match_byte(const struct writing *w, struct rule *rule, enum field field, uint8_t value);
void match_bits(const struct writing *w, struct rule *rule, enum statement_kind kind, enum field field, uint32_t bits);

/* PREFIX or NOT_PREFIX: whether the field begins as `value` does. */
void match_prefix(const struct writing *w, struct rule *rule, enum statement_kind kind, enum field field,
		  const uint8_t *value, uint8_t bits);

/* A number of 16 bits from `first` to `last`. */
void match_range(const struct writing *w, struct rule *rule, enum field field, uint16_t first, uint16_t last);

/* A look-up of one to three fields; `b` and `c` are FIELD_COUNT when there are fewer. */
void look_up(const struct writing *w, struct rule *rule, enum statement_kind kind, const struct set *set, enum field a,
	     enum field b, enum field c);

/* Ends a rule with a verdict; `chain` is where it leads, or NULL. */
void finish_rule(const struct writing *w, struct rule *rule, enum statement_kind verdict, const char *chain);

/* A record for the log group, so many in a second and no more. */
void log_some(const struct writing *w, struct rule *rule, uint32_t rate, uint32_t burst, const char *text);

/* Counts a packet. */
void count_denial(const struct writing *w, struct rule *rule, enum denial_count kind);

/* The name of the chain where denials end that become `denied`: gN_deny, gN_reject or gN_audit. */
const char *dead_end(const struct writing *w, enum denied denied);

/* A record of a denial that becomes `denied`, and the counting of it; in audit mode it is of one that is let through.
 */
void log_denial(const struct writing *w, struct rule *rule, enum denied denied, const char *reason);

/* The tail of every denial: a bounded log record that says why, then the end that they have in common. */
void deny(const struct writing *w, const char *reason, const char *comment);

/* The same for a workload in conflict or in quarantine, which audit mode does not open. */
void close_off(const struct writing *w, const char *reason, const char *comment);

/* The end of a path, as much as a log prefix or a comment has room for. */
const char *path_end(const char *path);

#endif
