/* A plan in words: what applying it would change. */
#ifndef RINGFENCE_DIFFERENCE_H
#define RINGFENCE_DIFFERENCE_H

#include <ringfence/plan.h>

/* Prints one line for each object and element, with + for what would come and - for what would go, at most `most` lines
 * and how many more there are. Returns the number of differences. */
size_t plan_print(FILE *stream, const struct plan *plan, size_t most);

#endif
