/* Whether what one part of a statement speaks of is within what another does, for any inventory. No means: not for
 * sure. */
#ifndef COMPILER_ANALYSIS_WITHIN_H
#define COMPILER_ANALYSIS_WITHIN_H

#include <ringfence/policy.h>

/* Whether every label set that `inner` matches, `outer` matches. */
bool selector_within(const struct selector *inner, const struct selector *outer);

/* Whether every end that `inner` matches, `outer` matches. */
bool peer_within(const struct peer *inner, const struct peer *outer);

/* Whether each port of `range` is in one of `ranges`. */
bool ports_within(const struct port_range *range, const struct port_range *ranges, size_t count);

#endif
