/* The last policies that were in force, each with the texts of its files, so that one can be read again with the places
 * that it had, and be in force again. */
#ifndef ENFORCER_SERVICE_SNAPSHOTS_H
#define ENFORCER_SERVICE_SNAPSHOTS_H

#include "enforcer/desired/state.h"
#include "enforcer/service/state_file.h"

enum { SNAPSHOTS_MOST = 10 };

/* Why a policy came in force. */
enum snapshot_cause {
	BY_DIRECTORY,	    /* it was there */
	BY_ROLLBACK,	    /* somebody asked for it */
	BY_NO_CONFIRMATION, /* nobody confirmed the one after it in time */
	BY_DENIALS,	    /* the one after it denied what this one allows */
	SNAPSHOT_CAUSES
};
extern const char *const snapshot_causes[SNAPSHOT_CAUSES];

struct snapshot {
	unsigned number;   /* of its file; the newest has the largest */
	char revision[17]; /* empty where the file cannot be read */
	int64_t since;	   /* Unix time from which it was in force */
	enum snapshot_cause cause;
	/* Of a rollback: what was in force before, and the revision of the directory that is passed over since. */
	char left[17], passed_over[17];
	char *problem; /* why its file cannot be read; NULL: it can */
};

/* Oldest first; no two have one revision. */
struct snapshots {
	const struct state_directory *directory;
	struct snapshot items[SNAPSHOTS_MOST];
	size_t count;
};

/* Reads what each file says of itself; one that cannot be read keeps its place, with its problem. Returns NULL, or an
 * error of the directory that the caller frees. */
char *snapshots_open(struct snapshots *snapshots, const struct state_directory *directory);
void snapshots_close(struct snapshots *snapshots);

/* The one that was in force last, or NULL. */
const struct snapshot *snapshots_newest(const struct snapshots *snapshots);

/* Writes another, whose number is set here, as the newest; of its revision there is no other then, and in all no more
 * than SNAPSHOTS_MOST. Returns NULL, or an error that the caller frees: then nothing has changed. */
char *snapshots_add(struct snapshots *snapshots, const struct snapshot *snapshot, const struct policy_texts *texts);

/* Reads the texts of one, all in `arena`. Returns NULL, or an error that the caller frees. */
char *snapshot_read(const struct snapshots *snapshots, const struct snapshot *snapshot, struct arena *arena,
		    struct policy_texts *texts);

#endif
