/* What should be in the kernel: the last good policy, and the workloads of each file as last read well. */
#ifndef ENFORCER_DESIRED_STATE_H
#define ENFORCER_DESIRED_STATE_H

#include <ringfence/frontend.h>
#include <ringfence/verdict.h>

struct state;

/* `node` is where workloads of files run that name no node; it must outlive the state. */
struct state *state_create(const char *node);
void state_destroy(struct state *state);

/* Reads the policy directory. A policy that does not check, or says nothing, is refused whole: the last good one stays,
 * and state_policy_errors tells why. Returns 1 when another policy holds now, 0 when it is the same, -1 when it was
 * refused. */
int state_read_policy(struct state *state, const char *directory);

/* The kernel took the policy: there is no way back to the one before. */
void state_keep_policy(struct state *state);

/* Goes back to the policy that the kernel took last, since it refused the newer one, and notes why. Returns whether
 * there is one to go back to. */
bool state_revert_policy(struct state *state, const char *why);

/* Whether a policy was ever good. Nothing can be enforced before. */
bool state_has_policy(const struct state *state);
const char *state_revision(const struct state *state);

/* The problems of the last reading of policy as text, empty when it was good. Borrowed until the next reading. */
const char *state_policy_errors(const struct state *state);

/* Reads one workload file again, or forgets one that is gone. Returns how many workloads differ; a file that is not
 * readable as workloads keeps what it said last, and gives -1. */
int state_read_workloads(struct state *state, const char *path);
int state_forget_workloads(struct state *state, const char *path);

/* Makes the state hold the files of this directory and no others of it. Returns as state_read_workloads, summed. */
int state_scan_workloads(struct state *state, const char *directory);

/* Problems of workload files, one call for each. */
void state_file_errors(const struct state *state, void (*call)(void *context, const char *path, const char *text),
		       void *context);

/* The world as it is to be enforced at `now`. Where two workloads have one address, or one name, the older keeps it and
 * the other is in conflict. All in `arena`, but texts belong to the state: use it before the next reading. */
struct world state_world(const struct state *state, struct arena *arena, int64_t now);

#endif
