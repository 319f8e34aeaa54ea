/* What becomes of recorded flows, in the forms that people and programs read. */
#ifndef COMPILER_REPORT_REPLAY_REPORT_H
#define COMPILER_REPORT_REPLAY_REPORT_H

#include <ringfence/replay.h>

struct replay_report {
	struct arena *arena;
	const struct replay_result *result;
	const struct world *after; /* what newly denied flows nearly match */
	size_t most;		   /* near allows for each side */
	bool color;		   /* of the text */
};

/* Each prints to standard output. */
void replay_print_text(const struct replay_report *report);
void replay_print_json(const struct replay_report *report);

#endif
