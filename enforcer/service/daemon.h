/* The daemon: keeps the kernel's table as the sources say. */
#ifndef ENFORCER_SERVICE_DAEMON_H
#define ENFORCER_SERVICE_DAEMON_H

#include "enforcer/desired/state.h"
#include "enforcer/service/check.h"
#include "enforcer/service/config.h"
#include "enforcer/service/counters.h"
#include "enforcer/service/drift_log.h"
#include "enforcer/service/workload_times.h"

#include <ringfence/reconcile.h>

struct bundles;
struct fleet;
struct sources;

struct daemon {
	struct config config;
	struct state *state;
	struct kernel *kernel; /* plans are applied over another socket, by an agent: while the table is read, too */
	struct lowering *enforced; /* what the kernel was last made to hold; NULL: nothing yet, or not known */
	/* Where the newest could not be enforced: what the kernel held then, and shall go on to hold; else NULL. */
	struct arena *held_arena;
	struct ruleset *held;
	int64_t next_expiry; /* the first `until` of the policy in force still to come, Unix time; 0: none */
	int64_t since;	     /* Unix time from which this generation and revision hold */
	struct workload_times times;
	uint32_t generation;	       /* in force; 0: none */
	char revision[17];	       /* of the policy in force */
	struct bundles *bundles;       /* NULL: the policy is a directory's; main owns it */
	const struct sources *sources; /* that are no directories; main owns them */
	const struct fleet *fleet;     /* NULL: nothing is published; main owns it */
	bool sources_read;	       /* every source of workloads has spoken; before, nothing is enforced */
	bool ready;		       /* an apply was read back and found whole */
	bool differs;		       /* the kernel's table is not what it should be */
	char *difference;	       /* in words, or NULL */
	json_t *damages;	       /* the same in the policy's terms, or NULL */
	char *error;		       /* why the last apply failed, or NULL */
	int64_t stale_since;	       /* Unix time from which the newest policy has not been in force; 0: it is */
	size_t resyncs;		       /* notifications lost, table read whole */
	uint64_t changes;	       /* of workloads, enforced element by element */
	uint64_t bytes;		       /* of netlink, sent */
	bool tracked;		       /* conntrack knew connections before the first load */
	struct counters counters;
	/* With files that must outlive the daemon; keeping.c counts them. */
	size_t state_problems;
	struct drift_log drift;
	struct checking {
		bool due;
		bool asked;	     /* by somebody, or by what others did: it must come to an end */
		struct check *check; /* NULL: not begun */
		struct arena *arena;
		struct ruleset *wanted;
		uint64_t changes; /* when it began */
		double started;	  /* monotonic seconds */
		unsigned tries;
	} checking;
};

/* Makes the kernel hold what the state says, as a whole. Nothing happens before there is a policy and every source of
 * workloads has spoken: a workload that is missing from the table is nobody's, and so open. Returns 0 or a negative
 * errno; then the rules that were in force still are. */
int daemon_enforce(struct daemon *daemon);

/* The same after workloads changed: element by element where that can be done. */
int daemon_follow(struct daemon *daemon, const struct changes *changes);

/* Deletes rules that no workload has had since the call before, and counters that only they had: calls for each of
 * these. */
int daemon_sweep(struct daemon *daemon, void (*gone)(void *context, const char *counter), void *context);

/* The same after the policy changed, and with it perhaps workloads, or an `until` has come: class by class where that
 * can be done. */
int daemon_follow_policy(struct daemon *daemon, const struct changes *changes);

/* Reads the table and compares it with what should be there; repairs it where the configuration says so. A large table
 * is only noted as to be checked (`checking`): call daemon_check_step then, between other things, until it returns
 * true.
 */
void daemon_check(struct daemon *daemon);
bool daemon_check_step(struct daemon *daemon);

/* The same for somebody who asked; `wait`: however large the table is, the check is over then. */
void daemon_look(struct daemon *daemon, bool wait);

/* Reads the policy directory, or the file of a bundle, and makes the kernel follow. */
void daemon_read_policy(struct daemon *daemon);

/* Takes a bundle from wherever it came, as bundles_offer does, and makes the kernel follow. */
struct offered;
void daemon_take_bundle(struct daemon *daemon, const struct offered *offered);

/* Why the newest policy is not in force, or not seen to be, as one line in `text`, cut when it is longer than `size`;
 * false, and nothing in `text`, when it is. */
bool daemon_lacks(const struct daemon *daemon, char *text, size_t size);

/* Keeps since when an older policy is enforced than the one that was given, and says so when that begins or ends; why,
 * as daemon_lacks does. */
void daemon_note_stale(struct daemon *daemon);
bool daemon_is_stale(const struct daemon *daemon, char *text, size_t size);

/* How many elements the table's sets should have. */
size_t daemon_elements(const struct daemon *daemon);

/* Frees what it holds. */
void daemon_finish(struct daemon *daemon);

/* Answers of the control socket. */
json_t *daemon_status(const struct daemon *daemon);
json_t *daemon_drift(const struct daemon *daemon); /* as the last check found it */

#endif
