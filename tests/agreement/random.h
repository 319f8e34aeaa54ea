/* Random numbers that are the same for a seed on every machine: splitmix64 (Steele, Lea and Flood, 2014). */
#ifndef TESTS_AGREEMENT_RANDOM_H
#define TESTS_AGREEMENT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 to sides - 1. */
static inline unsigned roll(struct random *random, unsigned sides)
{
	return (unsigned)(random_next(random) >> 32) % sides;
}

static inline bool one_in(struct random *random, unsigned times)
{
	return roll(random, times) == 0;
}

#define PICK(random, array) ((array)[roll((random), sizeof(array) / sizeof *(array))])

#endif
