/* The lab's addresses, and flows between them at random. */
#ifndef TESTS_AGREEMENT_FLOWS_H
#define TESTS_AGREEMENT_FLOWS_H

#include "tests/agreement/random.h"
#include "tests/agreement/stage.h"

enum { FLOWS_MOST = 110 };

/* Gives every address its place. Returns 0 or a negative errno. */
int flows_place(struct lab *lab);

/* Fills `probes`, with room for FLOWS_MOST, and returns how many they are. */
size_t flows_draw(struct random *random, const struct stage *stage, struct lab_probe *probes);

#endif
