/* The first load: a plan for a kernel that had no table of ours, with a mind to the connections that are open.
 *
 * Conntrack is switched on by our rules, where nobody used it before, in the middle of what goes on: of each connection
 * it takes the end whose packet comes first for the one that began it. Where that is the server's, the rules deny what
 * the policy allows, and since every packet that is tried refreshes what conntrack has, for as long as anybody tries.
 */
#ifndef RINGFENCE_FIRST_LOAD_H
#define RINGFENCE_FIRST_LOAD_H

#include <ringfence/plan.h>
#include <ringfence/turning.h>

/* What is to be done with a connection. */
enum pick_up {
	PICK_UP_RIGHT,	    /* nothing: the rules judge it as it is, or it is not ours to touch */
	PICK_UP_TURN,	    /* it is the wrong way round */
	PICK_UP_UNANSWERED, /* the same, of an end that nobody has answered yet */
	PICK_UP_FORGET,	    /* of UDP, which says nothing of who is who: its next packet may */
};

/* Judges a connection that is there at the first load by the rules of that: it is the wrong way round where they deny
 * it as it stands, and let it pass the other way round. `tracked`: conntrack knew connections before. It then saw how
 * UDP began, and is believed. */
enum pick_up pick_up_of(const struct ruleset *ruleset, const struct ruleset_index *index,
			const struct connection *connection, bool tracked);

/* Whether conntrack knows connections, or cannot be asked. Ask before anything of ours switches it on, and be that for
 * a trial. */
bool conntrack_is_used(struct kernel *kernel);

/* As kernel_apply, for a plan from no table to `desired`; others, where `actual` is not none, are just applied. Between
 * the plan's transactions, and after them, connections that are the wrong way round are turned around, for a third of a
 * second or as long as it takes to read them all. Where that cannot be done, `*missed` is a negative errno, and the
 * rules are in force all the same; else 0. */
struct answer first_load(struct kernel *kernel, struct arena *arena, const struct plan *plan,
			 const struct ruleset *actual, const struct ruleset *desired, bool tracked, int64_t at,
			 int *missed);

/* What is missed, in words, in `arena`. */
const char *first_load_missed(struct arena *arena, int missed);

#endif
