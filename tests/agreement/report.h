/* A disagreement in words. */
#ifndef TESTS_AGREEMENT_REPORT_H
#define TESTS_AGREEMENT_REPORT_H

#include "tests/agreement/judge.h"

/* Prints the last stages of a case as files, the flow, what each judge says of it, and how to see it again; every line
 * but those of documents begins with #. */
void report_print(FILE *out, const json_t *trial, uint64_t seed, const struct outcome *outcome);

#endif
