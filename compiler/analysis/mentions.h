/* What somebody could have: the labels, namespaces and names of ports that a statement, a service or a workload of the
 * inventory names. Tests do not count: that they name something makes nobody have it. */
#ifndef COMPILER_ANALYSIS_MENTIONS_H
#define COMPILER_ANALYSIS_MENTIONS_H

#include <ringfence/verdict.h>

struct mentions;

/* Collects them. Lives in `arena`. */
struct mentions *mentions_create(struct arena *arena, const struct world *world);

bool mentions_label(const struct mentions *mentions, const char *key, const char *value);
bool mentions_key(const struct mentions *mentions, const char *key);
bool mentions_space(const struct mentions *mentions, const char *name);
bool mentions_port(const struct mentions *mentions, const char *name);

#endif
