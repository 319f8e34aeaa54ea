/* The clock of every time that the tests print or compare. */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

#include <stdint.h>

#define MILLISECOND UINT64_C(1000000)

/* CLOCK_MONOTONIC in nanoseconds, which every namespace of a machine shares: times of two processes can be compared. */
uint64_t now_ns(void);

#endif
