/* Which system calls a process can make from now on. */
#ifndef ENFORCER_SANDBOX_SECCOMP_H
#define ENFORCER_SANDBOX_SECCOMP_H

#include <stddef.h>

enum seccomp_who {
	SECCOMP_KEEPER,	 /* it applies plans: any other call ends it */
	SECCOMP_PLANNER, /* it reads and plans: any other call fails with EPERM */
	SECCOMP_CALLER,	 /* the same where a source is asked over the network */
	SECCOMP_COUNT
};

/* Confines this process and its children; call it with no_new_privs set, before the first thread. Returns 0 or a
 * negative errno. */
int seccomp_confine(enum seccomp_who who);

/* How many system calls that leaves. */
size_t seccomp_allowed(enum seccomp_who who);

#endif
