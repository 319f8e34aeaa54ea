/* Reading the table back to compare it with what it should be, in slices between which the event loop goes on. */
#ifndef ENFORCER_SERVICE_CHECK_H
#define ENFORCER_SERVICE_CHECK_H

#include <ringfence/scan.h>

struct check;

/* Begins to read over `kernel`, which is used for nothing else meanwhile. What is read is compared with `wanted`, which
 * holds still; memory of the result is of `arena`. The caller ends it with check_finish. */
struct check *check_start(struct kernel *kernel, struct arena *arena, const struct ruleset *wanted, int64_t now);

/* Goes on for `budget` microseconds. Returns 0 to go on, 1 at the end, or a negative errno. */
int check_step(struct check *check, uint64_t budget);

/* What was found, at the end, to make a plan from. Returns 0; -EAGAIN: the ruleset changed meanwhile; -ESTALE: a large
 * set is not as it should be, and which elements it has was not asked, so the table must be read whole. */
int check_actual(struct check *check, struct ruleset **actual);

/* NULL is allowed. */
void check_finish(struct check *check);

#endif
