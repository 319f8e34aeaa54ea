/* Cases made small. */
#ifndef TESTS_AGREEMENT_SHRINK_H
#define TESTS_AGREEMENT_SHRINK_H

#include "tests/agreement/judge.h"

/* Takes parts out of `trial`, as many as can go while its trouble stays what it is in `outcome`, and updates `outcome`
 * to what the rest does. Returns how many smaller cases were tried; 0: the trouble does not come again. */
size_t shrink(struct judge *judge, json_t *trial, uint64_t seed, struct outcome *outcome);

#endif
