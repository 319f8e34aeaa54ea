/* The ruleset in force as a file, and from the file back into a kernel that has none: after a boot, before anything
 * else. */
#ifndef ENFORCER_SERVICE_SAVED_RULESET_H
#define ENFORCER_SERVICE_SAVED_RULESET_H

#include "enforcer/service/state_file.h"

#include <ringfence/plan.h>

#define SAVED_RULESET "ruleset"

/* Reads what is saved, as it holds at `now` (Unix time in seconds): without the elements that are over by then. Where
 * the clock says less than it did when the ruleset was saved, as it may at boot, that time counts. `*ruleset`, in
 * `arena`, is NULL where nothing is saved. Returns NULL, or an error that the caller frees. */
char *saved_ruleset_read(const struct state_directory *directory, struct arena *arena, int64_t now,
			 struct ruleset **ruleset);

enum saved_outcome {
	SAVED_RESTORED, /* it is in force, and was read back */
	SAVED_UNNEEDED, /* a table is there and enforces: it is newer */
	SAVED_NOTHING,	/* nothing is saved, and no table is there */
	SAVED_FAILED, /* none is there, or one that enforces nothing, and stays so: `*error` says why, the caller frees
			 it */
	SAVED_UNSEEN, /* whether one is there cannot be told: `*error` as well */
};

/* Makes the kernel hold the saved ruleset where it has no table of ours, or one whose hooks have no rules. `tracked`:
 * as first_load has it. */
enum saved_outcome saved_ruleset_enforce(const struct state_directory *directory, struct kernel *kernel, bool tracked,
					 char **error);

#endif
