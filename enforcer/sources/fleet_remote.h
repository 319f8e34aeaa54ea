/* The other nodes as the store has them, and their workloads (things), for the source of the fleet: what stands in the
 * store, what of it holds here, and whether a node is believed. */
#ifndef ENFORCER_SOURCES_FLEET_REMOTE_H
#define ENFORCER_SOURCES_FLEET_REMOTE_H

#include "enforcer/fleet/enrolment.h"
#include "enforcer/fleet/record.h"
#include "enforcer/fleet/statement.h"

#include <ringfence/table.h>

/* The hash of uthash falls through cases, of which clang warns. */
#define HASH_FUNCTION(key, length, value) ((value) = table_hash(0, (key), (length)))
#include <uthash.h>

struct bytes {
	char *items; /* NULL: none */
	size_t length;
};

struct remote {
	UT_hash_handle hh;
	/* in the store */
	struct bytes mark, enrolment;
	bool touched; /* something of it is another since it was looked at */
	bool over;    /* it has more there than a node may */
	bool doubted; /* its mark went since the store is another one */
	/* here */
	struct bytes said, enrolling; /* the mark and the enrolment that hold */
	bool lost;
	uint64_t lost_at; /* since when, in monotonic microseconds */
	uint64_t sequence;
	uint8_t digest[SET_DIGEST_SIZE]; /* of the statement that holds */
	bool enrolled;
	struct enrolment who;
	char *problem, *enrolment_problem; /* why what stands is not taken */
	uint64_t problem_at;		   /* since when, in monotonic microseconds */
	struct thing *things;
	size_t thing_count, standing, holding; /* how many there are, are in the store, and hold here */
	size_t bytes;			       /* of records */
	char name[];
};

struct thing {
	UT_hash_handle hh;
	struct remote *remote;
	struct thing *next, **at;	    /* of the remote's */
	bool stands;			    /* in the store */
	bool holds;			    /* of it was told */
	struct record_digest digest, taken; /* of what stands; and of what was looked at last */
	struct bytes record;		    /* what stands, where it was not looked at yet */
	struct bytes kept;		    /* what was looked at last */
	char *problem;			    /* why what was looked at last is refused, or NULL */
	char name[];			    /* NODE:NAMESPACE:NAME, as it is told of */
};

enum { REMOTES_MOST = 20000, REMOTE_THINGS_MOST = 10000, REMOTE_BYTES_MOST = 8 << 20 };

/* All of them. Zeroed: none. */
struct remotes {
	struct remote *remotes;
	struct thing *things;
	bool loads;	 /* what was kept, and so looked at before: it need not be whole */
	size_t problems; /* things that have one */
	bool verified;	 /* statements count only when they are signed, by enrolled nodes */
	struct trust trust;
};

/* NULL: there is none, or there are too many to add one. */
struct remote *remote_find(struct remotes *all, const char *name, bool add);
void remote_free(struct remotes *all, struct remote *remote); /* and its things */
struct thing *thing_find(const struct remotes *all, const char *name);
void thing_free(struct remotes *all, struct thing *thing);
void thing_set_problem(struct remotes *all, struct thing *thing, const char *problem);

/* Notes what the store has of a thing, or that it has nothing. What is too much is passed over: then the mark tells of
 * more than is known of the node, and nothing new of it is taken. */
void thing_put(struct remotes *all, struct remote *remote, const struct record_key *key, const char *value,
	       size_t length);
void thing_removed(struct remotes *all, struct thing *thing);

/* That record was looked at, and is kept; and that it does not hold any more, though it may stand: it is looked at anew
 * when its node says so. */
void thing_taken(struct thing *thing);
void thing_holds(struct thing *thing, bool holds);
void thing_untaken(struct remotes *all, struct thing *thing);

void bytes_set(struct bytes *bytes, const char *value, size_t length);
void bytes_clear(struct bytes *bytes);

/* Reads the enrolment that stands in the store, where keys are asked for. The one before holds where it is refused. */
void remote_read_enrolment(struct remotes *all, struct remote *remote);

/* The same after other keys are trusted: the one before holds where it still is. */
void remote_reread_enrolment(struct remotes *all, struct remote *remote);

/* Whether its mark is not in the store, or there alone and not taken (`problem`): it is down or cut off, its lease ran
 * out, and what it had holds here. */
bool remote_is_lost(const struct remote *remote);

/* Whether the mark says that what stands in the store is all that the node has, and the node is believed. Returns NULL,
 * or why not, in `arena`. */
const char *remote_read_mark(const struct remotes *all, const struct remote *remote, struct arena *arena,
			     struct statement *statement);

#endif
