/* What the daemon keeps over restarts, in the directory that `state` names: the ruleset in force, and the last policies
 * that were. */
#ifndef ENFORCER_SERVICE_KEEPING_H
#define ENFORCER_SERVICE_KEEPING_H

#include "enforcer/service/daemon.h"
#include "enforcer/service/snapshots.h"

#include <systemd/sd-event.h>

struct keeping;

/* Without a state directory in the configuration nothing is kept, which it says. Where `directory`, which is borrowed,
 * is not open for `problem`, which becomes its own, it says so, also in status: what is enforced does not depend on it.
 * Returns 0 or a negative errno. */
int keeping_create(struct keeping **keeping, sd_event *event, struct daemon *daemon,
		   const struct state_directory *directory, char *problem);

/* Saves once more what is in force, and ends. NULL is allowed. */
void keeping_destroy(struct keeping *keeping);

/* Before any source is read: where the kernel has no table, puts the saved ruleset in force; then takes the policy that
 * was in force last as the state's, for as long as the directory has no better one. */
void keeping_start(struct keeping *keeping);

/* After each change: keeps the policy in force, where it is another. Quick where it is the same. */
void keeping_follow(struct keeping *keeping);

/* The revision in force where that waits to be confirmed, and so is not kept; else NULL. Where `confirm` is set, that
 * is another policy of the directory than the one that was kept last. */
const char *keeping_unconfirmed(const struct keeping *keeping);

/* Keeps the policy that waits. Returns NULL, or why that cannot be: it waits still. Borrowed until the next call. */
const char *keeping_confirm(struct keeping *keeping);

/* Puts the policy that was kept last in force in place of the one that waits. Returns NULL, or why that cannot be,
 * which the caller frees. */
char *keeping_revert(struct keeping *keeping, enum snapshot_cause cause);

/* The policy that was kept last, read anew; the caller frees its arena. NULL: it cannot be read. */
struct frontend *keeping_read_kept(const struct keeping *keeping);

/* Each second: begins to save the ruleset, where it changed and it is time. */
void keeping_tick(struct keeping *keeping);

/* What is in force now is saved at the next tick, and not when it has been quiet for long enough. */
void keeping_hurry(struct keeping *keeping);

/* The policies that were kept; and the answer to `rollback`: whether the one that the request names is in force by now.
 * The caller's. */
json_t *keeping_policies(struct keeping *keeping);
json_t *keeping_answer_rollback(struct keeping *keeping, const json_t *request);

/* For `status`: where things are kept, and what is wrong with that; and the rollback in force, or null. The caller's.
 */
json_t *keeping_status(const struct keeping *keeping);
json_t *keeping_rollback_status(const struct keeping *keeping);

#endif
