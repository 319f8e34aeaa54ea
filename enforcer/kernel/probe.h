/* What our rulesets ask of the kernel, tried before anything depends on it. */
#ifndef ENFORCER_KERNEL_PROBE_H
#define ENFORCER_KERNEL_PROBE_H

#include <ringfence/plan.h>

/* Tries one feature after the other, in transactions that change nothing; the kernel loads its modules meanwhile. Needs
 * CAP_NET_ADMIN. Returns NULL when all are there, else the first that is not, in words, and a negative errno. */
const char *kernel_probe(struct kernel *kernel, int *error);

#endif
