/* Which files a process can reach from now on, by Landlock (landlock(7)). */
#ifndef ENFORCER_SANDBOX_LANDLOCK_H
#define ENFORCER_SANDBOX_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct landlock_path {
	const char *path; /* it, and what is beneath it; one that is not there is passed over */
	bool write;	  /* make, change and remove regular files and sockets there, too */
};

/* Leaves only `paths` to this process and its children, and, where the kernel can, only `ports` to connect to by TCP,
 * none to bind, and no process outside to send a signal to. What is open stays open. Call it with no_new_privs set.
 * Returns 0, 1 where the kernel has no Landlock and nothing was done, or a negative errno. */
int landlock_confine(const struct landlock_path *paths, size_t count, const uint16_t *ports, size_t port_count);

#endif
