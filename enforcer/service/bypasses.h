/* What would defeat the table without touching it: what was found, since when, and who made it. */
#ifndef ENFORCER_SERVICE_BYPASSES_H
#define ENFORCER_SERVICE_BYPASSES_H

#include "enforcer/kernel/bypass.h"
#include "enforcer/kernel/monitor.h"

#include <jansson.h>

enum { BYPASSES_MOST = BYPASS_FINDINGS_MOST + 2, OTHERS_MOST = 64, BYPASS_DETAIL_SIZE = 128 };

struct bypassing {
	struct bypass_finding found;
	char detail[BYPASS_DETAIL_SIZE]; /* what is said besides its kind's text; may be empty */
	int64_t since;			 /* Unix time: of the change that made it, or when it was found */
	uint32_t pid;			 /* of the process that changed that table before it was found; 0: not known */
	char process[MONITOR_PROCESS_SIZE];
};

/* Zeroed: none. */
struct bypasses {
	struct bypassing items[BYPASSES_MOST];
	size_t count;
	size_t left_out;
	struct changed_by {
		struct monitor_other other;
		int64_t at;
	} others[OTHERS_MOST]; /* the newest changes of other tables */
	size_t next_other;
};

/* Notes who changed another table. */
void bypasses_hear(struct bypasses *bypasses, const struct monitor_other *other, int64_t at);

/* Takes what was found now in place of what was found before: what is the same keeps its time and its process. New ones
 * and those that are gone are told on stderr. `at`: Unix time, now. */
void bypasses_update(struct bypasses *bypasses, const struct bypassing *found, size_t count, size_t left_out,
		     int64_t at);

/* How many of a kind there are. */
size_t bypasses_count(const struct bypasses *bypasses, enum bypass_kind kind);

/* All of them as an array; the caller's. */
json_t *bypasses_json(const struct bypasses *bypasses);

#endif
