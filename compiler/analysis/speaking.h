/* Which statements may speak of an end, looked up by the labels that their peers ask for. */
#ifndef COMPILER_ANALYSIS_SPEAKING_H
#define COMPILER_ANALYSIS_SPEAKING_H

#include <ringfence/verdict.h>

struct speaking;

/* Prepares `count` statements for look-ups. Lives in `arena`. */
struct speaking *speaking_create(struct arena *arena, const struct world *world, const struct flows *const *flows,
				 size_t count);

/* How many words of 64 bits an answer has. */
size_t speaking_words(const struct speaking *speaking);

/* A bit for each statement of which a peer on this side (EGRESS: `from`) may match `end`, whatever the other end is
 * (peer_may_match). Lives in `arena`. */
uint64_t *speaking_find(const struct speaking *speaking, struct arena *arena, const struct endpoint *end,
			enum direction side);

#endif
