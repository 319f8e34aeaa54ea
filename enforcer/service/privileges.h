/* What the daemon may do once it has opened its files: change the packet filter, and nothing else. */
#ifndef ENFORCER_SERVICE_PRIVILEGES_H
#define ENFORCER_SERVICE_PRIVILEGES_H

/* Keeps only CAP_NET_ADMIN (permitted, effective, bounding; nothing inheritable or ambient), sets no_new_privs and
 * makes the process not dumpable. Call it before the first thread. Returns 0 or a negative errno, -EPERM when
 * CAP_NET_ADMIN is missing or the bounding set may not be emptied; after an error the process must end. */
int privileges_drop(void);

#endif
