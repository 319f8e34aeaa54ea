/* The cheapest choice of sets that together hold every element. */
#ifndef COMPILER_ANALYSIS_COVERING_H
#define COMPILER_ANALYSIS_COVERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct choice {
	uint64_t cost;	  /* below 2^32 */
	size_t *elements; /* each once */
	size_t count;
	bool chosen;
};

/* Chooses among `choices`, of elements below `element_count`, such that each element that one holds is held by one that
 * is chosen, and none that is chosen could be left out. What has no alternative comes first, then whatever costs least
 * for each element that it adds, the earlier choice where two are equal. The cost is at most 1 + 1/2 + ... + 1/n times
 * the least, n being the most elements of a choice (Chvatal 1979), and the least where no element is in two choices. */
void choices_cover(struct choice *choices, size_t choice_count, size_t element_count);

#endif
