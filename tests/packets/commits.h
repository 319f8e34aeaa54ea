/* Hears of every transaction of nftables in the network namespace of the caller. */
#ifndef TESTS_COMMITS_H
#define TESTS_COMMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel announced of one transaction. */
struct commit {
	uint64_t ns; /* when its end was read */
	unsigned generation, pid, messages;
	char process[20];
	char chains[256];     /* those whose rules changed, each once, "," between */
	bool builds, deletes; /* it makes a chain; it deletes one, which no packet meets any more */
};

struct commits;

/* Called for each transaction, and before it for each element that it adds, with the bytes of its key; either may be
 * NULL. */
struct commits_calls {
	void (*commit)(void *context, const struct commit *commit);
	void (*element)(void *context, const void *key, size_t size);
	void *context;
};

/* NULL with errno when there is no socket. */
struct commits *commits_open(struct commits_calls calls);
void commits_close(struct commits *commits);

/* Waits for announcements until `deadline`, and takes one socket buffer of them. Returns how many transactions ended in
 * it, 0 also at the deadline, or a negative errno: -ENOBUFS when some were lost. */
int commits_read(struct commits *commits, uint64_t deadline);

#endif
