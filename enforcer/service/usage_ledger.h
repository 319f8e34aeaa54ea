/* What is known of the use of allows, and of what was denied: the counters of the kernel, added up over their own ends
 * and beginnings.
 *
 * A counter lives as long as its table, and is deleted when no workload of the node needs it. So that a missing hit
 * never looks like no hit, the ledger knows for each allow since when it has been watched without a gap: where a
 * counter began anew after one that was not read to its end, what came in between may have been a use. */
#ifndef ENFORCER_SERVICE_USAGE_LEDGER_H
#define ENFORCER_SERVICE_USAGE_LEDGER_H

#include "enforcer/kernel/allow_counters.h"
#include "enforcer/kernel/encoding.h"

#include <ringfence/table.h>

/* Keyed, since policies bring the names. */
#define HASH_FUNCTION(key, length, value) ((value) = table_hash(0, (key), (length)))
#include <uthash.h>

enum { BOOT_SIZE = 37 }; /* of a boot's name: a UUID as text */

/* Times are Unix seconds. */
struct usage {
	struct allow_counter counter; /* as it was read last */
	uint64_t packets, bytes;      /* in all */
	int64_t first;		      /* when it was seen for the first time */
	int64_t since;		      /* watched without a gap since then */
	int64_t last; /* when it was found to have counted; 0: never. The use was before, after the reading before */
	int64_t lost; /* seconds in all in which it may have counted unseen */
	bool there;   /* in the kernel */
	bool found;   /* by the reading that goes on */
	UT_hash_handle hh;
};

struct usage_ledger {
	struct usage *rows;   /* by the counter's name */
	int64_t read;	      /* when all were read last; 0: never */
	char boot[BOOT_SIZE]; /* of the machine, when they were read */
	bool changed; /* and not only counted on: an allow came or went, or there was a gap; the caller's to clear */
};

/* A reading: every counter is taken between the two. `whole`: none was left out, so one that is not found is gone. One
 * may also be taken alone. */
void usage_begin(struct usage_ledger *ledger);
void usage_take(struct usage_ledger *ledger, const struct allow_counter *counter, int64_t now);
void usage_end(struct usage_ledger *ledger, bool whole, int64_t now);

/* The counter has been deleted, and nothing was counted since it was read last. */
void usage_close(struct usage_ledger *ledger, const char *name);

/* Forgets what is no allow of the policy; what was denied stays. */
void usage_keep(struct usage_ledger *ledger, const struct policy *policy);

/* What is known of an allow, and of a counter by its name; NULL: nothing. */
const struct usage *usage_of(const struct usage_ledger *ledger, const struct allow *allow);
const struct usage *usage_called(const struct usage_ledger *ledger, const char *name);

/* What can be said of an allow and the last `window` seconds. */
enum usage_judgement {
	USAGE_USED,
	USAGE_UNUSED, /* it has been watched all the time, and let nothing pass */
	USAGE_UNSEEN, /* it was not seen to let anything pass, but there were gaps */
	USAGE_YOUNG,  /* it has not been watched for so long */
	USAGE_JUDGEMENTS
};
enum usage_judgement usage_judge(const struct usage *usage, int64_t window, int64_t now);

/* To bytes, which the caller finishes, and back, into what was zeroed: counters of another boot than `boot` began anew.
 * Returns NULL, or what is wrong with the bytes; then the ledger is empty. */
void usage_encode(struct encoded *to, const struct usage_ledger *ledger);
const char *usage_decode(struct usage_ledger *ledger, const uint8_t *bytes, size_t length, const char *boot);

void usage_finish(struct usage_ledger *ledger);

#endif
