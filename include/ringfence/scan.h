/* Reading the kernel's table in slices, between which other things can be done: nothing waits for a million elements.
 *
 * A dump of a set is quadratic in the kernel: each piece of it walks the set from its beginning, so a million elements
 * take 12 seconds, and 30 ms for a piece near the end (nft_hash_walk in net/netfilter/nft_set_hash.c). So a large set
 * is not dumped where that can be helped but asked about: for each element that should be there, whether it is, and how
 * many there are in all. That is linear, and can be cut into slices as thin as one likes.
 *
 * What is said of the rules or of a set is true at the moment of the call that says it, and no change of the ruleset,
 * ours or another's, came between reading it and the call. Call kernel_apply between the steps as you like: compare
 * with what is desired at the moment of the call. */
#ifndef RINGFENCE_SCAN_H
#define RINGFENCE_SCAN_H

#include <ringfence/arena.h>
#include <ringfence/digest.h>
#include <ringfence/plan.h>

/* Sets with at least this many elements are asked about; smaller ones are dumped in less time than a millisecond a
 * piece. */
#define SCAN_ASK_LEAST 65536

/* What was found of one set. */
struct scanned {
	enum scanned_how {
		SCANNED_ELEMENTS, /* the set has its elements, sorted */
		SCANNED_DIGEST,	  /* `digest` is that of all elements; the set has none */
		SCANNED_ASKED,	  /* `missing` is how many elements of those that scan_wanted told are not there */
		SCANNED_NOTHING,  /* of a form that none of ours has, or filled by the kernel itself */
	} how;
	bool changing;	      /* each time it was read it was changed meanwhile: nothing was found out */
	struct digest digest; /* SCANNED_DIGEST */
	uint64_t count;	      /* of elements that are there; of SCANNED_ASKED at the moment of the call */
	uint64_t missing;     /* SCANNED_ASKED */
};

/* What the reader wants to know, and hears. A call may apply changes, but not touch the scan. */
struct scan_reader {
	void *context;
	const char *const *keep; /* names of sets whose elements are kept, ended by NULL; NULL: of all sets. Of the
				    others, sets of intervals and those with timeouts are kept anyway. Borrowed */

	/* Copies up to `room` of the elements that `set` should have to `elements`, and returns how many; 0: there are
	 * no more. `*cursor`, 0 at first, is the callee's to know where it was: elements that come or go meanwhile may
	 * be told or not. NULL, or no element at all: the set is dumped. */
	size_t (*wanted)(void *context, const struct set *set, uint64_t *cursor, struct element *elements, size_t room);

	/* `wanted` told this element, and it is not there, or has another value. May be NULL. */
	void (*missing)(void *context, const struct set *set, const struct element *element);

	/* Chains, rules, and sets without elements have been read. May be NULL. */
	void (*objects)(void *context, const struct ruleset *ruleset);

	/* A set has been read. May be NULL. */
	void (*set)(void *context, const struct set *set, const struct scanned *scanned);
};

struct scan;

/* Begins to read over `kernel`, which is used for nothing else meanwhile: changes are applied over another one. Memory
 * of the result is of `arena`; both are borrowed until kernel_scan_finish. `at`: Unix time in seconds, now. Returns
 * NULL when out of memory. */
struct scan *kernel_scan_start(struct kernel *kernel, struct arena *arena, int64_t at,
			       const struct scan_reader *reader);

/* Goes on for `budget` microseconds, and until the message then at hand is read: one system call longer. UINT64_MAX: to
 * the end. Returns 0 to go on, 1 when all is read, -EAGAIN when the objects were changed each time they were read, or
 * another negative errno; the scan is over then. */
int kernel_scan_step(struct scan *scan, uint64_t budget);

/* The socket is readable while there is something to go on with. */
int kernel_scan_fd(const struct scan *scan);

/* What was read: the elements of a set are there when it was told as SCANNED_ELEMENTS and not changing. */
struct ruleset *kernel_scan_ruleset(const struct scan *scan);

/* The kernel's id of the ruleset when the objects had been read, and after the last set: equal when nothing changed. */
bool kernel_scan_unchanged(const struct scan *scan);

/* Ends the scan, at its end or before: then `kernel` gets another socket, which costs nothing, while reading a dump to
 * its end might. NULL is allowed. */
void kernel_scan_finish(struct scan *scan);

#endif
