/* What `promote` is made of: grounds against it, found in what the daemon watched, and the edit that it is. */
#ifndef COMPILER_CLI_PROMOTE_H
#define COMPILER_CLI_PROMOTE_H

#include "compiler/cli/cli.h"

#include <jansson.h>

/* Why something is not promoted, unless it is accepted. */
enum ground { GROUND_YOUNG, GROUND_DENIED, GROUND_UNSEEN, GROUND_LEFT_OUT, GROUNDS };
extern const char *const ground_words[GROUNDS];

/* Something that would have been denied. */
struct told_denial {
	const json_t *row;	   /* as the daemon tells it */
	const struct allow *allow; /* that covers it now; NULL: none that is one */
	bool covered;
	const char *problem; /* why that cannot be said; NULL: it can */
};

/* A service that is to be enforced, or what no service selects (an empty name). */
struct promoted {
	const char *name;
	const struct service *service; /* of the policy given; NULL: it has none */
	const json_t *evidence;	       /* NULL: the daemon does not watch it */
	bool less;		       /* the policy given allows it less than was watched, or selects others */
	struct told_denial *denials;
	size_t denial_count;
	const char **unseen; /* workloads that never sent nor answered */
	size_t unseen_count;
	bool grounds[GROUNDS];
};

/* Judges what the daemon knows of a service against the policy given: `after` is how many seconds are enough. */
void promoted_judge(struct promoted *promoted, struct arena *arena, const struct world *world, double after);

/* `mode: audit` at a place in a file. */
struct mode_edit {
	const char *file;
	unsigned line, column;	    /* of the word `audit`, quoted or not */
	const char *before, *after; /* the line, when it was found */
};

/* Finds the line of each edit, and what it becomes; edits are sorted by their places. Returns NULL, or what is wrong.
 */
const char *mode_edits_find(struct arena *arena, struct mode_edit *edits, size_t count);

/* Makes the edits, of each file at once: whole, or not at all. Returns NULL, or what is wrong. */
const char *mode_edits_write(struct arena *arena, const struct mode_edit *edits, size_t count);

/* What is printed. */
struct promotion {
	struct arena *arena;
	const json_t *answer; /* the daemon's */
	struct promoted *items;
	size_t count;
	struct mode_edit *edits;
	size_t edit_count;
	const char *advice; /* where no edit of one word does it, what to do; else NULL */
	bool accepted[GROUNDS];
	double after;
	bool ready, written;
};
void promotion_print_text(const struct promotion *promotion);
void promotion_print_json(const struct promotion *promotion);

#endif
