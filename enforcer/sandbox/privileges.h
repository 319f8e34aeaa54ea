/* Which user a process is, and which capabilities it has: at most one, for good. */
#ifndef ENFORCER_SANDBOX_PRIVILEGES_H
#define ENFORCER_SANDBOX_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

enum { USER_GROUPS_MOST = 64 };

/* Whom to become. */
struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MOST]; /* all of them */
	int group_count;
};

/* Finds a user by name. Returns 0, -ENOENT when there is none, -E2BIG for one of too many groups, or another negative
 * errno. */
int user_find(const char *name, struct user *user);

/* Whoever the process is. */
void user_self(struct user *user);

/* Becomes `user`, which only root can where that is another, and keeps CAP_NET_ADMIN, and no group but the user's
 * first, where `net_admin`; else no capability at all. Nothing is inheritable or ambient; no_new_privs is set, and the
 * process is not dumpable. Call it before the first thread. Returns 0 or a negative errno, -EPERM when CAP_NET_ADMIN is
 * wanted and missing, or the bounding set may not be narrowed; after an error the process must end. */
int privileges_drop(const struct user *user, bool net_admin);

#endif
