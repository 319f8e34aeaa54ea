/* What should be in the kernel: the last good policy, and the workloads of each file as last read well. */
#ifndef ENFORCER_DESIRED_STATE_H
#define ENFORCER_DESIRED_STATE_H

#include "enforcer/desired/incidents.h"

#include <ringfence/frontend.h>
#include <ringfence/verdict.h>

struct state;

/* `node` is where workloads of files run that name no node; it must outlive the state. */
struct state *state_create(const char *node);
void state_destroy(struct state *state);

/* Puts the node into audit mode, whatever policies say that are read from now on. */
void state_audit(struct state *state);

/* A workload that came (before: NULL), went (after: NULL) or is another now; whether it is in conflict counts. `before`
 * is how it was and lives as long as the changes; `after` is the workload of the world. */
struct workload_change {
	const struct workload *before, *after;
};

/* What a reading changed, once for each workload: also in other files, where a conflict came or went, or one in
 * conflict may have other addresses to itself than before. The changes are the state's, until the next call that reads,
 * forgets or reverts. */
struct changes {
	const struct workload_change *items;
	size_t count;
	bool wide; /* nodes, their addresses or pools, or namespaces are others: that may concern every workload */
};

/* The files that a policy was read from, in order. */
struct policy_texts {
	size_t root_length; /* of each name, up to the slash behind which it counts for the revision */
	struct source *files;
	size_t count;
};

/* Reads such texts anew; the caller frees the `arena` of what is returned. Its diagnostics say what is wrong. */
struct frontend *policy_texts_read(const struct policy_texts *texts);

/* Reads the policy directory. A policy that does not check, or says nothing, is refused whole: the last good one stays,
 * and state_policy_errors tells why. Returns 1 when another policy holds now, 0 when it is the same, -1 when it was
 * refused. The directory may speak of workloads, too: `*changes` says what is different now, nothing but with 1. A
 * revision that is passed over is read and not taken (0). */
int state_read_policy(struct state *state, const char *directory, struct changes *changes);

/* The same from texts that a policy was read from once, copied; `*errors` says why it was refused, the caller's to
 * free, and state_policy_errors stays what it is. */
int state_take_policy(struct state *state, const struct policy_texts *texts, struct changes *changes, char **errors);

/* The texts of the policy, all in `arena` but for the bytes, which are the policy's. */
struct policy_texts state_policy_texts(const struct state *state, struct arena *arena);

/* Has the policy directory's policy of this revision not be taken (empty: none), until one of the directory is in force
 * again. And which that is, and which revision the directory had when it was last read well; empty: none. */
void state_pass_over(struct state *state, const char *revision);
const char *state_passed_over(const struct state *state);
const char *state_directory_revision(const struct state *state);

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

/* Reads one workload file again, and says in `*changes` what is different now. Returns 0, or -1 for a file that is not
 * readable as workloads and keeps what it said last. */
int state_read_workloads(struct state *state, const char *path, struct changes *changes);

/* Forgets a workload file that is gone. */
void state_forget_workloads(struct state *state, const char *path, struct changes *changes);

/* Makes the state hold the files of this directory and no others of it. Returns 0, or a negative errno for a directory
 * that cannot be read: it says nothing about who is gone. */
int state_scan_workloads(struct state *state, const char *directory, struct changes *changes);

/* What a source that is no directory says of one thing: a container, a pod, the units. */
struct told {
	const char *name;		   /* within the source; without a slash */
	const struct inventory *inventory; /* its workloads sorted by namespace and name; NULL: it is gone */
};

/* Takes what the source of this name (without a slash) says, as it takes files: each thing is as old as its newest
 * address, and keeps what it said last until the source says something else. `all`: the source says no more than this,
 * so that whatever else it said is gone. Nothing of `items` is kept. */
void state_tell(struct state *state, const char *source, const struct told *items, size_t count, bool all,
		struct changes *changes);

/* Problems of workload files, one call for each in the order of paths. */
void state_file_errors(const struct state *state, void (*call)(void *context, const char *path, const char *text),
		       void *context);

/* The workloads of files that do not check any more, one call for each: what a file said before holds for them. */
void state_stale_workloads(const struct state *state,
			   void (*call)(void *context, const struct workload *workload, const char *path),
			   void *context);

/* How many workloads are in conflict, and how many workload files have a problem: counted, at no cost. */

/* Whether the policy directory or a file told of workloads with a `cgroup`, which only the source of units enforces. */
bool state_knows_idle_hosts(const struct state *state);

size_t state_conflict_count(const struct state *state);
size_t state_file_error_count(const struct state *state);

/* The quarantines of operators and the panic. After a change of them, workloads are isolated as these say when one of
 * the functions below has told of it; who comes later is from his first moment. */
struct incidents *state_incidents(struct state *state);

/* Follows the incidents for the workload that is found by a name; false: nothing is different. */
bool state_follow_incident(struct state *state, const char *name_space, const char *name, struct changes *changes);

/* The same for the next one of all, from number `*at` on, which begins at 0; false: there is none left. */
bool state_follow_incidents(struct state *state, size_t *at, struct changes *changes);

/* The world as it is to be enforced at `now`, a view of the state at no cost: its policy is the one of the moment, and
 * its inventory changes in place with each reading. Where two workloads have one address, or one name, the older keeps
 * it and the other is in conflict; a file is as old as the newest address in it. Workloads of the same content share
 * their `labels.items` and `ports`, also those of other files, so that one comparison of pointers tells. */
struct world state_world(const struct state *state, int64_t now);

#endif
