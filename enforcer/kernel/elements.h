/* Elements from the messages that the kernel lists them in. */
#ifndef ENFORCER_KERNEL_ELEMENTS_H
#define ENFORCER_KERNEL_ELEMENTS_H

#include <ringfence/ruleset.h>

struct nlmsghdr;

/* One element as it was told. */
struct told {
	struct element element; /* its chain is borrowed from the message; "" is a verdict that is none of ours */
	bool end;		/* the key is the first behind an interval, and no element */
	bool catch_all;		/* it has no key, and stands for all keys that are not there */
};

/* Calls `call` for each element of a NEWSETELEM message until it returns a negative errno. `at`: now, in Unix seconds.
 * Returns 0, what the call returned, or -EBADMSG when the message is not well formed. */
int elements_read(const struct nlmsghdr *message, const struct set *set, int64_t at,
		  int (*call)(void *context, const struct told *told), void *context);

#endif
