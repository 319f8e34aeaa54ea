/* What a rule wrote as the prefix of its record, read back: the verdict, why, and which statement. */
#ifndef ENFORCER_OBSERVE_LOG_PREFIX_H
#define ENFORCER_OBSERVE_LOG_PREFIX_H

#include <ringfence/policy.h>

enum { LOG_PREFIX_SIZE = 128 }; /* of any of its texts, NUL included (NF_LOG_PREFIXLEN) */

enum logged { LOGGED_DENY, LOGGED_AUDIT, LOGGED_ALLOW, LOGGED_KINDS }; /* AUDIT: would be denied, and was let through */

enum cause {
	CAUSE_NO_ALLOW,	 /* isolated by a service or NetworkPolicy */
	CAUSE_UNMATCHED, /* no service selects it */
	CAUSE_QUARANTINE,
	CAUSE_OPERATOR, /* a quarantine, too: no file says it */
	CAUSE_CONFLICT, /* an older workload has its address */
	CAUSE_RATE,	/* over what an allow lets pass of one source */
	CAUSE_ALLOW,	/* an allow with `log` */
	CAUSE_SPOOF,	/* the source does not belong behind that interface */
	CAUSE_INVALID,	/* no flow of conntrack */
	CAUSE_UNKNOWN,	/* an address for workloads that no source knows */
	CAUSES
};

/* The texts are printable ASCII; what else stood in the policy stands there as `_`. */
struct log_reason {
	enum logged logged;
	enum cause cause;
	bool has_direction;
	enum direction direction;    /* the end that decided: EGRESS is the source of the flow */
	char owner[LOG_PREFIX_SIZE]; /* CAUSE_NO_ALLOW: NAMESPACE/NAME, each cut after 20 characters; else empty */
	char file[LOG_PREFIX_SIZE];  /* the end of its path; empty: none */
	unsigned line;
};

/* Reads a prefix of `length` bytes, perhaps with a NUL behind it. Anybody may log to the group: returns false for
 * whatever none of our rules writes. */
bool log_prefix_parse(struct log_reason *reason, const char *bytes, size_t length);

/* A cause as one word for programs, and as a sentence. */
const char *cause_word(enum cause cause);
const char *cause_text(enum cause cause);

#endif
